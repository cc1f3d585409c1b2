// Broken input, seeded. FUZZ_INPUTS=200000 asks for more of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAppend, readAppendBatch, writeAppendBatch } from '../../../src/codec/thrift/flume.ts'
import { finishThriftFrame, ThriftFrameDecoder } from '../../../src/codec/thrift/frame.ts'
import { thriftReader, thriftWriter } from '../../../src/codec/thrift/open.ts'
import {
  messageTypes,
  readNumberResult,
  type ThriftProtocol,
  type ThriftReader,
  thriftTypes,
} from '../../../src/codec/thrift/protocol.ts'
import { readLog } from '../../../src/codec/thrift/scribe.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { type Random, seededRandom } from '../../../src/core/random.ts'
import { callFrame, protocols, struct } from '../../support/thrift.ts'

const inputs = Number(process.env['FUZZ_INPUTS'] ?? 4000)

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit)
}

/** Good frames, to be broken. */
function goodFrames(protocol: ThriftProtocol): readonly Buffer[] {
  const batch = EventBatch.of([
    { body: 'one', headers: { host: 'h', timestamp: '1700000000000' } },
    { body: 'two' },
    { body: 'x'.repeat(200), headers: { host: 'h' } },
  ])
  const { list, map, set, string, struct: structType } = thriftTypes
  return [
    callFrame(protocol, 'appendBatch', (writer) => {
      writer.fieldHead(list, 1)
      writer.listHead(structType, 2)
      for (let i = 0; i < 2; i++)
        struct(writer, () => {
          writer.fieldHead(map, 1)
          writer.mapHead(string, string, 1)
          writer.string('a')
          writer.string('b')
          writer.fieldHead(string, 2)
          writer.string('body')
          writer.fieldHead(set, 3)
          writer.listHead(string, 1)
          writer.string('skipped')
        })
    }),
    callFrameOf(protocol, batch),
    callFrame(protocol, 'Log', (writer) => {
      writer.fieldHead(list, 1)
      writer.listHead(structType, 1)
      struct(writer, () => {
        writer.fieldHead(string, 1)
        writer.string('category')
        writer.fieldHead(string, 2)
        writer.string('message')
      })
    }),
  ]
}

function callFrameOf(protocol: ThriftProtocol, batch: EventBatch): Buffer {
  const writer = thriftWriter(protocol, 64)
  writer.messageHead({ name: 'appendBatch', type: messageTypes.call, sequence: 1 })
  writeAppendBatch(writer, batch)
  return finishThriftFrame(writer)
}

/** Changes, cuts, doubles and exchanges pieces of a good input. */
function broken(good: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(good)
  for (let changes = 1 + below(random, 4); changes > 0; changes--) {
    const at = below(random, bytes.length)
    switch (below(random, 6)) {
      case 0:
        bytes[at] = below(random, 256)
        break
      case 1:
        bytes[at] = (bytes[at] as number) ^ (1 << below(random, 8))
        break
      case 2:
        bytes = Buffer.from(bytes.subarray(0, at + 1))
        break
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), bytes.subarray(at)])
        break
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(random, bytes.length))])
        break
      default:
        bytes.fill(below(random, 256), at, Math.min(bytes.length, at + below(random, 8)))
    }
    if (bytes.length === 0) return bytes
  }
  return bytes
}

const reads: readonly ((reader: ThriftReader) => unknown)[] = [
  readAppend,
  readAppendBatch,
  readLog,
  (reader) => readNumberResult(reader, { name: 'x', type: 2, sequence: 1 }),
  (reader) => readNumberResult(reader, { name: 'x', type: 3, sequence: 1 }),
]

/** Every event of a batch lies within the bytes it was read from. */
function checkRanges(batch: EventBatch): void {
  for (let i = 0; i < batch.count; i++) {
    const [start, end] = [batch.starts[i] as number, batch.ends[i] as number]
    assert.ok(start <= end && end <= batch.body.length)
  }
  for (const column of batch.headers.values()) if (typeof column !== 'string') assert.equal(column.length, batch.count)
}

for (const protocol of protocols) {
  test(`${protocol}: broken messages give events or one error, never anything else (${inputs} inputs)`, () => {
    const random = seededRandom(protocol.length)
    const frames = goodFrames(protocol)
    let [good, bad] = [0, 0]
    for (let i = 0; i < inputs; i++) {
      const message = broken((frames[i % frames.length] as Buffer).subarray(4), random)
      const reader = thriftReader(protocol, message)
      try {
        reader.messageHead()
        const value = reads[i % reads.length]?.(reader)
        if (value instanceof EventBatch) checkRanges(value)
        good++
      } catch (error) {
        assert.ok(error instanceof FlumeError, `input ${i}: ${message.toString('hex')}: ${error}`)
        assert.ok(error.code === 'PROTOCOL' || error.code === 'LIMIT' || error.code === 'REFUSED')
        bad++
      }
      assert.ok(reader.at <= message.length)
    }
    // Otherwise what is broken would not be worth the name, or nothing but it.
    assert.ok(good > inputs / 100 && bad > inputs / 10, `${good} good, ${bad} bad`)
  })

  test(`${protocol}: broken streams of frames, cut anywhere, end in frames or one error (${inputs} inputs)`, () => {
    const random = seededRandom(protocol.length + 1)
    const stream = Buffer.concat(goodFrames(protocol))
    for (let i = 0; i < inputs; i++) {
      const bytes = broken(stream, random)
      const decoder = new ThriftFrameDecoder(10_000)
      let frames = 0
      try {
        for (let at = 0; at < bytes.length; ) {
          const end = Math.min(bytes.length, at + 1 + below(random, 60))
          decoder.push(bytes.subarray(at, end))
          for (let message = decoder.next(); message; message = decoder.next()) {
            assert.ok(message.length <= 10_000)
            frames++
          }
          at = end
        }
        assert.ok(frames <= bytes.length / 4)
      } catch (error) {
        assert.ok(error instanceof FlumeError && (error.code === 'PROTOCOL' || error.code === 'LIMIT'), `input ${i}`)
      }
    }
  })
}
