import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { jsonLinesMax, readJsonLines } from '../../src/codec/json-lines.ts'
import { FlumeError } from '../../src/core/error.ts'
import { textsOf } from '../support/batches.ts'

describe('lines of JSON', () => {
  const cases: readonly (readonly [what: string, text: string, bodies: readonly string[]])[] = [
    ['end with LF, the last one or not', '{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}']],
    ['end with the bytes, too', '{"a":1}\n{"b":2}', ['{"a":1}', '{"b":2}']],
    ['end with CRLF', '{}\r\n[]\r\n', ['{}', '[]']],
    ['without anything in them are none', '\n\r\n{}\n\n\r\n\r', ['{}']],
    ['keep a CR that ends nothing', 'a\rb\n\r\r\n', ['a\rb', '\r']],
    ['are taken as they stand, JSON or not', ' {"grün": "€"} \nno json\n', [' {"grün": "€"} ', 'no json']],
    ['of nothing are none', '', []],
  ]
  for (const [what, text, bodies] of cases) {
    it(what, () => {
      const bytes = Buffer.from(text)
      const batch = readJsonLines(bytes)
      assert.deepEqual(textsOf(batch), bodies)
      if (batch.count > 0) assert.equal(batch.body, bytes)
    })
  }

  it('may be a million, not more', () => {
    assert.equal(readJsonLines(Buffer.from('x\n'.repeat(jsonLinesMax))).count, jsonLinesMax)
    assert.throws(
      () => readJsonLines(Buffer.from('x\n'.repeat(jsonLinesMax + 1))),
      (error) => error instanceof FlumeError && error.code === 'LIMIT',
    )
  })
})
