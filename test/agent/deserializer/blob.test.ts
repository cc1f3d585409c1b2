import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Deserializer } from '../../../src/agent/contract.ts'
import { blob } from '../../../src/agent/deserializer/blob.ts'
import { deserializerInput } from '../../support/deserializer-input.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'

function open(file: Uint8Array, maxBlobLength?: string, offset = 0, log = new RecordingLogger()): Deserializer {
  const options = readOptions(blob, maxBlobLength === undefined ? {} : { maxBlobLength })
  return blob.create(options, deserializerInput(file, { offset, log })) as Deserializer
}

async function bodiesOf(deserializer: Deserializer, max = 100): Promise<{ bodies: string[]; offsets: number[] }> {
  const bodies: string[] = []
  const offsets: number[] = []
  for (let piece = await deserializer.read(max); piece; piece = await deserializer.read(max)) {
    bodies.push(...Array.from(piece.batch.events(), ({ body }) => Buffer.from(body).toString('latin1')))
    offsets.push(piece.offset)
  }
  return { bodies, offsets }
}

test('a file is one event, bytes as they are', async () => {
  const file = Buffer.from([0, 10, 255, 13, 10, 128])
  assert.deepEqual(await bodiesOf(open(file)), { bodies: [file.toString('latin1')], offsets: [6] })
  assert.deepEqual(await bodiesOf(open(Buffer.alloc(0))), { bodies: [], offsets: [] })
})

test('a longer file is cut into events, and a warning says so once', async () => {
  const log = new RecordingLogger()
  assert.deepEqual(await bodiesOf(open(Buffer.from('abcdefgh'), '3', 0, log)), {
    bodies: ['abc', 'def', 'gh'],
    offsets: [8],
  })
  assert.equal(log.lines.length, 1)
  assert.match(log.lines[0] as string, /maxBlobLength \(3\)/)
  assert.deepEqual((await bodiesOf(open(Buffer.from('abcdef'), '3'))).bodies, ['abc', 'def'])
})

test('it goes on at every offset that it gave', async () => {
  const file = Buffer.from('abcdefgh')
  const { offsets } = await bodiesOf(open(file, '3'), 1)
  assert.deepEqual(offsets, [3, 6, 8])
  assert.deepEqual((await bodiesOf(open(file, '3', 3), 1)).bodies, ['def', 'gh'])
  assert.deepEqual((await bodiesOf(open(file, '3', 8), 1)).bodies, [])
})

test('large pieces do not gather in memory', async () => {
  const file = Buffer.alloc(50 * 1024 * 1024)
  const first = await open(file, String(10 * 1024 * 1024)).read(100)
  assert.equal(first?.batch.count, 1)
})

test('a file that has become shorter is no event', async () => {
  const input = { ...deserializerInput(Buffer.from('abc')), sizeBytes: 5 }
  const deserializer = blob.create(readOptions(blob), input) as Deserializer
  await assert.rejects(deserializer.read(1), { code: 'INVALID_DATA', message: /shorter/ })
})
