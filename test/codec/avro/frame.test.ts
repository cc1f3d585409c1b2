import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AvroWriter } from '../../../src/codec/avro/binary.ts'
import { FrameDecoder, type FrameLimits, finishFrame, frameHeadBytes } from '../../../src/codec/avro/frame.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { fc } from '../../support/properties.ts'
import { recordedRpc } from '../../support/recorded-rpc.ts'

interface PlainFrame {
  readonly serial: number
  readonly payload: string
}

/** Frames that a decoder finds in chunks; the chunks are copied, as the decoder owns what it is given. */
function decode(chunks: readonly Buffer[], limits?: FrameLimits): PlainFrame[] {
  const decoder = new FrameDecoder(limits)
  const frames: PlainFrame[] = []
  for (const chunk of chunks) {
    decoder.push(Buffer.from(chunk))
    for (let frame = decoder.next(); frame; frame = decoder.next())
      frames.push({ serial: frame.serial, payload: frame.payload.toString('hex') })
  }
  return frames
}

function encode(serial: number, buffers: readonly Buffer[]): Buffer {
  const words = (...numbers: number[]): Buffer => {
    const bytes = Buffer.alloc(4 * numbers.length)
    for (const [index, number] of numbers.entries()) bytes.writeInt32BE(number, 4 * index)
    return bytes
  }
  return Buffer.concat([words(serial, buffers.length), ...buffers.flatMap((buffer) => [words(buffer.length), buffer])])
}

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))

test('frames come out the same however the stream is cut and the payload is spread over buffers', () => {
  const frames = fc.array(fc.tuple(fc.integer({ min: -1, max: 2 ** 31 - 1 }), fc.array(bytes, { maxLength: 5 })))
  fc.assert(
    fc.property(frames, fc.array(fc.nat(30)), (wanted, cuts) => {
      const stream = Buffer.concat(wanted.map(([serial, buffers]) => encode(serial, buffers)))
      const chunks: Buffer[] = []
      let at = 0
      for (const cut of cuts) {
        chunks.push(stream.subarray(at, at + cut))
        at += cut
      }
      chunks.push(stream.subarray(Math.min(at, stream.length)))
      const expected = wanted.map(([serial, buffers]) => ({ serial, payload: Buffer.concat(buffers).toString('hex') }))
      assert.deepEqual(decode(chunks), expected)
    }),
    { numRuns: 500 },
  )
})

test('a frame that lies whole in a chunk is not copied out of it', () => {
  const chunk = encode(7, [Buffer.from('head'), Buffer.from('body')])
  const decoder = new FrameDecoder()
  decoder.push(chunk)
  const frame = decoder.next()
  assert.equal(frame?.payload.buffer, chunk.buffer)
  assert.equal(frame?.payload.toString(), 'headbody')
  assert.equal(decoder.midFrame, false)
})

test('a finished message is one buffer behind serial and length', () => {
  const writer = new AvroWriter(1, frameHeadBytes)
  writer.string('a message longer than the hint')
  const frame = finishFrame(writer, 5)
  assert.deepEqual(decode([frame]), [{ serial: 5, payload: frame.subarray(frameHeadBytes).toString('hex') }])
})

const refused: { readonly name: string; readonly stream: Buffer; readonly code: string }[] = [
  { name: 'a negative list size', stream: Buffer.from('00000001ffffffff00000000', 'hex'), code: 'PROTOCOL' },
  { name: 'a negative length', stream: Buffer.from('0000000100000001ffffffff', 'hex'), code: 'PROTOCOL' },
  { name: 'text', stream: Buffer.from('GET / HTTP/1.1\r\n'), code: 'LIMIT' },
  { name: 'a list above the limit', stream: encode(1, Array(5).fill(Buffer.from('x'))), code: 'LIMIT' },
  { name: 'a buffer above the limit', stream: Buffer.from('0000000100000001000003e9', 'hex'), code: 'LIMIT' },
  {
    name: 'buffers above the limit together',
    stream: encode(1, [Buffer.alloc(600), Buffer.alloc(401)]),
    code: 'LIMIT',
  },
]
for (const { name, stream, code } of refused) {
  test(`${name} is refused as ${code}, whole or byte by byte`, () => {
    const limits = { frameBytesMax: 1000, bufferCountMax: 4 }
    const pieces = Array.from(stream, (byte) => Buffer.from([byte]))
    for (const chunks of [[stream], pieces])
      assert.throws(
        () => decode(chunks, limits),
        (error) => error instanceof FlumeError && error.code === code,
      )
  })
}

test('an announced length costs no memory before the bytes are there', () => {
  const decoder = new FrameDecoder({ frameBytesMax: 2 ** 31 - 1 })
  const before = process.memoryUsage().arrayBuffers
  decoder.push(Buffer.from(`00000001000000017ffffff0${'ab'.repeat(100)}`, 'hex'))
  assert.equal(decoder.next(), undefined)
  assert.ok(decoder.midFrame)
  assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024)
})

test('whatever is done to real streams, the decoder gives frames within the limits or one clear error', () => {
  const seed = 20_240
  const random = seededRandom(seed)
  const limits = { frameBytesMax: 4096, bufferCountMax: 16 }
  const streams = ['flume-1.9-avro-sink', 'spark-2.4-poll'].map((name) => Buffer.concat(recordedRpc(name, 'client')))
  let errors = 0
  for (let run = 0; run < 4000; run++) {
    const stream = Buffer.from(streams[run % 2] as Buffer)
    for (let change = Math.floor(random() * 4); change >= 0; change--)
      stream[Math.floor(random() * stream.length)] = Math.floor(random() * 256)
    const cut = Math.floor(random() * stream.length)
    try {
      for (const frame of decode([stream.subarray(0, cut), stream.subarray(cut)], limits))
        assert.ok(frame.payload.length <= 2 * limits.frameBytesMax, `seed ${seed}, run ${run}`)
    } catch (error) {
      assert.ok(error instanceof FlumeError && ['PROTOCOL', 'LIMIT'].includes(error.code), `seed ${seed}, run ${run}`)
      errors++
    }
  }
  assert.ok(errors > 100, 'the mutations reach the checks')
})
