import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzz, fuzzedNames } from './fuzz.ts'

for (const name of fuzzedNames) {
  test(`whatever bytes come, ${name} gives data or one error of its own`, () => {
    const { inputs, refused } = fuzz(name, 2000, 7)
    assert.ok(inputs > 0 && refused < inputs)
  })
}
