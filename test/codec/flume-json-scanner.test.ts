import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readFlumeJson } from '../../src/codec/flume-json.ts'
import { scanFlumeJson } from '../../src/codec/flume-json-scanner.ts'
import { FlumeError } from '../../src/core/error.ts'
import type { EventBatch } from '../../src/core/event-batch.ts'
import { seededRandom } from '../../src/core/random.ts'
import { fc } from '../support/properties.ts'
import { type PlainEvent, plainEvents } from '../support/source-context.ts'

const scan = (text: string): EventBatch | undefined => scanFlumeJson(Buffer.from(text))
const events = (batch: EventBatch | undefined): PlainEvent[] | undefined => batch && plainEvents(batch, 'latin1')

/** What a JSON parser makes of it; undefined where it is refused. */
function parsed(text: string): PlainEvent[] | undefined {
  try {
    return events(readFlumeJson(text))
  } catch (error) {
    assert.ok(error instanceof FlumeError, (error as Error).stack)
    return undefined
  }
}

describe('the scanner of Flume\u2019s JSON', () => {
  const taken: readonly (readonly [string, readonly PlainEvent[]])[] = [
    ['[]', []],
    [' [ { } ] \n', [{ headers: {}, body: '' }]],
    [
      '[{"body":"one"},{"headers":{"a":"b"}}]',
      [
        { headers: {}, body: 'one' },
        { headers: { a: 'b' }, body: '' },
      ],
    ],
    ['[{"headers":{},"body":"x"}]', [{ headers: {}, body: 'x' }]],
    ['[{"headers":{"n":-17,"z":0},"body":""}]', [{ headers: { n: '-17', z: '0' }, body: '' }]],
    ['[{"body":"say \\"hi\\" \\\\ \\/\\b\\f\\n\\r\\t"}]', [{ headers: {}, body: 'say "hi" \\ /\b\f\n\r\t' }]],
    ['[{"body":"over\ntwo lines"}]', [{ headers: {}, body: 'over\ntwo lines' }]],
    [`[{"body":"${'long '.repeat(50)}\\n"}]`, [{ headers: {}, body: `${'long '.repeat(50)}\n` }]],
  ]
  for (const [text, expected] of taken) {
    it(`takes ${JSON.stringify(text).slice(0, 80)} (S-111)`, () => assert.deepEqual(events(scan(text)), expected))
  }

  it('escapes of characters become their UTF-8, half a pair becomes U+FFFD', () => {
    const batch = scan('[{"body":"\\u00e4\\u20AC\\ud83d\\ude00 \\ud83d \\ude00\\u0041"}]')
    assert.equal(Buffer.from(batch?.bodyAt(0) ?? []).toString(), 'ä€😀 \ufffd \ufffdA')
  })

  it('bodies are ranges of the bytes that came, headers that do not change are one text', () => {
    const bytes = Buffer.from(
      JSON.stringify(Array.from({ length: 300 }, (_, i) => ({ headers: { h: 'x' }, body: `${i}` }))),
    )
    const batch = scanFlumeJson(bytes)
    assert.equal(batch?.body, bytes)
    assert.equal(batch?.count, 300)
    assert.deepEqual([...(batch?.headers ?? [])], [['h', 'x']])
  })

  for (const text of [
    'null',
    '{}',
    '[1]',
    '[null]',
    '[{"body":1}]',
    '[{"body":null}]',
    '[{"other":[]}]',
    '[{"headers":null}]',
    '[{"headers":{"a":null}}]',
    '[{"headers":{"a":1.5}}]',
    '[{"headers":{"a":01}}]',
    '[{"headers":{"a":-0}}]',
    '[{"headers":{"a":1e3}}]',
    '[{"headers":{"a":12345678901234567890}}]',
    '[{"headers":{"a":"1","a":"2"}}]',
    '[{"headers":{"7":"x"}}]',
    '[{"headers":{"a\\n":"x"}}]',
    '[{"headers":{"a":"\\n"}}]',
    '[{"body":"a","body":"b"}]',
    '[{"headers":{},"headers":{}}]',
    '[{},]',
    '[{"body":"x",}]',
    '[{}',
    '[{"body":"x"',
    '[{"body":"x',
    '[{"body":"\\x"}]',
    '[{"body":"\\u12g4"}]',
    '[{}] x',
    '[{"body" "x"}]',
    '\ufeff[]',
    '',
  ]) {
    it(`leaves ${JSON.stringify(text)} to a JSON parser`, () => {
      const bytes = Buffer.from(text)
      assert.equal(scanFlumeJson(bytes), undefined)
      assert.equal(bytes.toString(), text, 'the bytes are as they were')
    })
  }

  it('bytes that are no UTF-8 are left to a JSON parser', () => {
    assert.equal(scanFlumeJson(Buffer.from('[{"body":"\xff"}]', 'latin1')), undefined)
  })

  it('bytes are as they were when what comes later is none of its business', () => {
    const text = '[{"body":"a \\"quoted\\" text"},{"body":"and \\u00e4nother one"},{"body":7}]'
    const bytes = Buffer.from(text)
    assert.equal(scanFlumeJson(bytes), undefined)
    assert.equal(bytes.toString(), text)
  })

  it('whatever events there are, they come back as a JSON parser has them', () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary', maxLength: 100 }))
    const list = fc.array(
      fc.record(
        { body: text, headers: fc.dictionary(fc.constantFrom('a', 'host', 'ü', '__proto__'), text) },
        { requiredKeys: [] },
      ),
    )
    fc.assert(
      fc.property(list, fc.constantFrom(undefined, 1, '\t'), (given, indent) => {
        const json = JSON.stringify(given, undefined, indent)
        const found = events(scan(json))
        if (found) assert.deepEqual(found, parsed(json))
        // Only escapes in headers are beyond it.
        else
          assert.ok(
            given.some(({ headers = {} }) =>
              Object.entries(headers).some((entry) => JSON.stringify(entry).includes('\\')),
            ),
          )
      }),
      { numRuns: 3000 },
    )
  })

  it('nothing is taken that a JSON parser would refuse or read otherwise', (t) => {
    const random = seededRandom(3)
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    t.after(() => {
      Error.stackTraceLimit = stackTraceLimit
    })
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
    const seeds = [
      '[{"headers":{"host":"web1","n":12},"body":"first"},{"headers":{"host":"web1","n":13},"body":"se\\"cond\\u00e4"}]',
      '[{"headers":{"host":"w"},"body":"a body that is a little longer than others, \\n\\ud83d\\ude00 and on"},{"body":"ü"}]',
    ]
    const pieces = [
      '"',
      '\\',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      ' ',
      '\n',
      '0',
      '-',
      'u00',
      '\\ud83d',
      'null',
      'true',
      '"body"',
      '"headers"',
      'ä',
      '\u0000',
    ]
    let scanned = 0
    for (let i = 0; i < 200_000; i++) {
      let text = pick(seeds)
      for (let changes = 1 + Math.floor(random() * 2); changes > 0; changes--) {
        const at = Math.floor(random() * text.length)
        text = text.slice(0, at) + (random() < 0.5 ? pick(pieces) : '') + text.slice(at + (random() < 0.7 ? 1 : 0))
      }
      const found = events(scan(text))
      if (!found) continue
      scanned++
      assert.deepEqual(found, parsed(text), text)
    }
    assert.ok(scanned > 20_000, `${scanned} were taken`)
  })
})
