import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Serializer } from '../../../src/agent/contract.ts'
import { headerAndText } from '../../../src/agent/serializer/header-and-text.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { silentLogger } from '../../../src/monitor/logger.ts'

function encode(batch: EventBatch, appendNewline = true): string {
  const serializer = headerAndText.create({ appendNewline } as never, { log: silentLogger }) as Serializer
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
