import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NoEvents, readFlumeJson } from '../../src/codec/flume-json.ts'
import { FlumeError } from '../../src/core/error.ts'
import { fc } from '../support/properties.ts'
import { plainEvents } from '../support/source-context.ts'

describe("JSON of Flume's HTTP source", () => {
  it('bodies and headers may be left out; numbers and truth values become text (S-111)', () => {
    const text =
      '[{"headers":{"a":"1","b":2,"c":true,"d":null},"body":"x"},{"body":3},{"headers":{}},{"body":null,"other":[]}]'
    assert.deepEqual(plainEvents(readFlumeJson(text)), [
      { headers: { a: '1', b: '2', c: 'true' }, body: 'x' },
      { headers: {}, body: '3' },
      { headers: {}, body: '' },
      { headers: {}, body: '' },
    ])
    assert.equal(readFlumeJson('[]').count, 0)
  })

  for (const text of [
    '{',
    '"text"',
    '{}',
    '[1]',
    '[[]]',
    '[{"body":{}}]',
    '[{"headers":[]}]',
    '[{"headers":{"a":{}}}]',
  ]) {
    it(`refuses ${text} (S-113)`, () => {
      assert.throws(
        () => readFlumeJson(text),
        (error) => error instanceof FlumeError && error.code === 'INVALID_DATA' && !(error instanceof NoEvents),
      )
    })
  }

  for (const text of ['null', '[null]', '[{}, null]']) {
    it(`says that there are no events in ${text} (S-113)`, () => assert.throws(() => readFlumeJson(text), NoEvents))
  }

  it('a header named __proto__ is a header', () => {
    assert.equal(readFlumeJson('[{"headers":{"__proto__":"x"}}]').headerAt('__proto__', 0), 'x')
  })

  it('whatever events there are, they come back as they were', () => {
    const text = fc.string({ unit: 'grapheme' })
    const events = fc.array(fc.record({ body: text, headers: fc.dictionary(text, text, { maxKeys: 3 }) }))
    fc.assert(
      fc.property(events, (list) => {
        const expected = list.map(({ body, headers }) => ({
          headers: Object.fromEntries(Object.entries(headers)),
          body: Buffer.from(body).toString(),
        }))
        assert.deepEqual(plainEvents(readFlumeJson(JSON.stringify(list))), expected)
      }),
      { numRuns: 2000 },
    )
  })

  it('halves of a pair of surrogates in two bodies stay two bodies', () => {
    const batch = readFlumeJson('[{"body":"\\ud83d"},{"body":"\\ude00"}]')
    assert.deepEqual(
      plainEvents(batch).map(({ body }) => body),
      ['\ufffd', '\ufffd'],
    )
  })
})
