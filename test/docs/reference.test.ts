import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { it } from 'node:test'
import { components } from '../../src/agent/components.ts'
import { referencePages } from '../../src/spec/reference.ts'

const folder = new URL('../../../docs/reference/', import.meta.url)

it('docs/reference is what the specs say; node scripts/reference.mjs writes it', () => {
  const written = new Map(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]),
  )
  const expected = new Map([...referencePages(components)].sort(([one], [other]) => (one < other ? -1 : 1)))
  assert.deepEqual(written, expected)
})
