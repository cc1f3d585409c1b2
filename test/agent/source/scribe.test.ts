import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scribe } from '../../../src/agent/source/scribe.ts'
import { thriftReader } from '../../../src/codec/thrift/open.ts'
import { messageTypes, readNumberResult, type ThriftWriter, thriftTypes } from '../../../src/codec/thrift/protocol.ts'
import { readOptions } from '../../support/read-options.ts'
import { RawClient } from '../../support/rpc.ts'
import { type RunningSource, startSource } from '../../support/running-source.ts'
import type { FakeSourceContextOptions } from '../../support/source-context.ts'
import { callFrame, messageIn, struct } from '../../support/thrift.ts'

const { list, string, struct: structType } = thriftTypes

/** A call of Log with these entries. */
function logOf(entries: readonly { readonly category?: string; readonly message?: string }[]): Buffer {
  return callFrame('binary-old', 'Log', (writer) => {
    writer.fieldHead(list, 1)
    writer.listHead(structType, entries.length)
    for (const { category, message } of entries)
      struct(writer, () => {
        field(writer, 1, category)
        field(writer, 2, message)
      })
  })
}

function field(writer: ThriftWriter, id: number, value: string | undefined): void {
  if (value === undefined) return
  writer.fieldHead(string, id)
  writer.string(value)
}

async function exchange(
  use: (call: (frame: Buffer) => Promise<Buffer>, source: RunningSource) => Promise<void>,
  options: FakeSourceContextOptions = {},
): Promise<void> {
  const source = await startSource(scribe, {}, options)
  const client = await RawClient.connect(source.port)
  let seen = 0
  const call = async (frame: Buffer): Promise<Buffer> => {
    client.write(frame)
    const length = (await client.whenReceived(seen + 4)).readInt32BE(seen)
    const answer = (await client.whenReceived(seen + 4 + length)).subarray(seen, seen + 4 + length)
    seen += answer.length
    return answer
  }
  try {
    await use(call, source)
  } finally {
    client.destroy()
    await source.stop()
  }
}

function resultOf(answer: Buffer): number {
  const reader = thriftReader('binary', messageIn(answer))
  return readNumberResult(reader, reader.messageHead())
}

const [ok, tryLater] = [0, 1]

test('entries become events with their category as header, one call one delivery', () =>
  exchange(async (call, { context }) => {
    const entries = [
      { category: 'web', message: 'one' },
      { category: 'web', message: 'grün' },
      { category: 'db', message: '' },
      { message: 'of no category' },
    ]
    const answer = await call(logOf(entries))
    // The old form of a message: name, type, sequence number; then the result.
    assert.equal(
      answer.toString('hex'),
      `00000017${'000000034c6f67'}02${'00000007'}${'080000'}00000000${'00'}`.replace('00000017', '00000014'),
    )
    assert.deepEqual(context.events, [
      { headers: { category: 'web' }, body: 'one' },
      { headers: { category: 'web' }, body: 'grün' },
      { headers: { category: 'db' }, body: '' },
      { headers: {}, body: 'of no category' },
    ])
    assert.equal(context.batches.length, 1)
    assert.equal(context.counters.eventReceived, 4)
    assert.equal(resultOf(await call(logOf([{ category: 'web', message: 'x' }]))), ok)
    assert.equal(context.batches[1]?.headers.get('category'), 'web')
  }))

test('no entries are OK, no list is TRY_LATER', () =>
  exchange(async (call, { context }) => {
    assert.equal(resultOf(await call(logOf([]))), ok)
    assert.equal(resultOf(await call(callFrame('binary-old', 'Log', () => undefined))), tryLater)
    assert.equal(context.count, 0)
  }))

test('whatever keeps the entries from being kept is TRY_LATER, and they may come again', () =>
  exchange(async (call, { context }) => {
    const frame = logOf([{ category: 'web', message: 'one' }])
    context.room = 0
    assert.equal(resultOf(await call(frame)), tryLater)
    context.room = 10
    context.failure = new Error('an interceptor broke')
    assert.equal(resultOf(await call(frame)), tryLater)
    context.failure = undefined
    assert.equal(resultOf(await call(frame)), ok)
    assert.equal(context.count, 1)
  }))

test('an entry without a message is an exception: it would never be better later', () =>
  exchange(async (call, { context }) => {
    const answer = await call(logOf([{ category: 'web', message: 'x' }, { category: 'web' }]))
    const head = thriftReader('binary', messageIn(answer)).messageHead()
    assert.equal(head.type, messageTypes.exception)
    assert.equal(context.count, 0)
  }))

test('calls in the newer form of the binary protocol are read as well', () =>
  exchange(async (call, { context }) => {
    const strict = callFrame('binary', 'Log', (writer) => {
      writer.fieldHead(list, 1)
      writer.listHead(structType, 1)
      struct(writer, () => field(writer, 2, 'strict'))
    })
    assert.equal(resultOf(await call(strict)), ok)
    assert.deepEqual(context.events, [{ headers: {}, body: 'strict' }])
  }))

test('a call above maxReadBufferBytes ends the connection', async () => {
  const source = await startSource(scribe, { maxReadBufferBytes: '1000' })
  const client = await RawClient.connect(source.port)
  client.write(logOf([{ message: 'x'.repeat(2000) }]))
  assert.equal((await client.whenClosed()).length, 0)
  assert.equal(source.context.count, 0)
  await source.stop()
})

test('maxReadBufferBytes of 0 means the default; workerThreads is a note', async () => {
  const source = await startSource(scribe, { maxReadBufferBytes: '0' })
  const client = await RawClient.connect(source.port)
  client.write(logOf([{ message: 'x'.repeat(2000) }]))
  await source.context.whenDelivered(1)
  client.destroy()
  await source.stop()
  const check = (texts: Record<string, string>) =>
    (scribe.check?.(readOptions(scribe, texts) as never) ?? []).map(({ option, severity }) => [option, severity])
  assert.deepEqual(check({}), [])
  assert.deepEqual(check({ workerThreads: '8' }), [['workerThreads', 'note']])
  assert.equal(readOptions(scribe)['port'], 1499)
})
