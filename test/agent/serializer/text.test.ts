import assert from 'node:assert/strict'
import { test } from 'node:test'
import { text } from '../../../src/agent/serializer/text.ts'
import type { EventLines } from '../../../src/codec/event-lines.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { bodies } from '../../support/batches.ts'
import { fc } from '../../support/properties.ts'
import { sinkContext } from '../../support/sink-context.ts'

function serializer(appendNewline = true): EventLines {
  return text.create({ appendNewline } as never, sinkContext()) as EventLines
}

test('every body is followed by a newline, headers are left out', () => {
  const batch = EventBatch.of([{ body: 'one', headers: { a: 'b' } }, { body: '' }, { body: 'two\n' }])
  assert.equal(Buffer.from(serializer().encode(batch)).toString(), 'one\n\ntwo\n\n')
})

test('without appendNewline the bodies stand one behind the other', () => {
  assert.equal(Buffer.from(serializer(false).encode(bodies('one', '', 'two'))).toString(), 'onetwo')
})

test('a file begins and ends with nothing', () => {
  assert.equal(serializer().begin().length, 0)
  assert.equal(serializer().end().length, 0)
  assert.equal(serializer().encode(EventBatch.empty).length, 0)
})

test('lines as a source read them are handed on without a copy', () => {
  const chunk = Buffer.from('skip\none\ntwo\n\nthree\nrest')
  const batch = new EventBatch(chunk, Uint32Array.of(5, 9, 13, 14), Uint32Array.of(8, 12, 13, 19))
  const encoded = serializer().encode(batch)
  assert.equal(Buffer.from(encoded).toString(), 'one\ntwo\n\nthree\n')
  assert.equal(encoded.buffer, chunk.buffer)
})

test('whatever lies between the bodies, the file holds the bodies and newlines', () => {
  const gaps = fc.array(fc.tuple(fc.constantFrom('', '\n', '\r\n', 'x', '\n\n'), fc.string({ maxLength: 4 })), {
    maxLength: 12,
  })
  fc.assert(
    fc.property(gaps, fc.boolean(), fc.constantFrom('', '\n', 'y'), (parts, appendNewline, tail) => {
      let chunk = Buffer.alloc(0)
      const starts: number[] = []
      const ends: number[] = []
      for (const [gap, body] of parts) {
        chunk = Buffer.concat([chunk, Buffer.from(gap)])
        starts.push(chunk.length)
        chunk = Buffer.concat([chunk, Buffer.from(body)])
        ends.push(chunk.length)
      }
      chunk = Buffer.concat([chunk, Buffer.from(tail)])
      const batch = new EventBatch(chunk, Uint32Array.from(starts), Uint32Array.from(ends))
      const expected = parts.map(([, body]) => body + (appendNewline ? '\n' : '')).join('')
      assert.equal(Buffer.from(serializer(appendNewline).encode(batch)).toString(), Buffer.from(expected).toString())
    }),
  )
})
