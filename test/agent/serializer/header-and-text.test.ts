import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerAndText } from '../../../src/agent/serializer/header-and-text.ts'
import type { EventLines } from '../../../src/codec/event-lines.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { sinkContext } from '../../support/sink-context.ts'

function encode(batch: EventBatch, appendNewline = true): string {
  const serializer = headerAndText.create({ appendNewline } as never, sinkContext()) as EventLines
  return Buffer.from(serializer.encode(batch)).toString()
}

test('headers stand in braces before the body, as captured from Flume', () => {
  assert.equal(encode(EventBatch.of([{ body: 'b', headers: { k: 'v', a: '1' } }])), '{a=1, k=v} b\n')
})

test('no headers are empty braces', () =>
  assert.equal(encode(EventBatch.of([{ body: 'b' }, { body: '' }])), '{} b\n{} \n'))

test('each event has its own headers', () => {
  const batch = EventBatch.of([
    { body: 'x', headers: { a: '1', b: 'ü' } },
    { body: 'y', headers: { b: '2' } },
    { body: 'z' },
  ])
  assert.equal(encode(batch), '{a=1, b=ü} x\n{b=2} y\n{} z\n')
  assert.equal(encode(batch, false), '{a=1, b=ü} x{b=2} y{} z')
})
