import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ThriftFrameDecoder } from '../../../src/codec/thrift/frame.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { fc } from '../../support/properties.ts'

function frameOf(message: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeInt32BE(message.length)
  return Buffer.concat([head, message])
}

/** Every message in the stream, cut into chunks at the given places. */
function decode(stream: Buffer, cuts: readonly number[], frameBytesMax?: number): Buffer[] {
  const decoder = new ThriftFrameDecoder(frameBytesMax)
  const messages: Buffer[] = []
  const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length]
  for (let i = 1; i < places.length; i++) {
    decoder.push(stream.subarray(places[i - 1], places[i]))
    for (let message = decoder.next(); message; message = decoder.next()) messages.push(message)
  }
  return messages
}

test('frames come out whole however the stream is cut', () => {
  const message = fc.uint8Array({ maxLength: 10_000 }).map((bytes) => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), (messages, cuts) => {
      assert.deepEqual(decode(Buffer.concat(messages.map(frameOf)), cuts), messages)
    }),
    { numRuns: 300 },
  )
})

test('a frame that lies whole in one chunk is not copied', () => {
  const chunk = Buffer.concat([frameOf(Buffer.from('one')), frameOf(Buffer.from('two'))])
  const decoder = new ThriftFrameDecoder()
  decoder.push(chunk)
  for (const text of ['one', 'two']) {
    const message = decoder.next()
    assert.equal(message?.toString(), text)
    assert.equal(message?.buffer, chunk.buffer)
  }
  assert.equal(decoder.next(), undefined)
  assert.equal(decoder.midFrame, false)
})

test('an empty frame is an empty message', () => {
  assert.deepEqual(decode(Buffer.alloc(8), [2, 5]), [Buffer.alloc(0), Buffer.alloc(0)])
})

const refused = [
  { what: 'a negative length', head: 'ffffffff', code: 'PROTOCOL', text: /length would be -1/ },
  { what: 'the most negative length', head: '80000000', code: 'PROTOCOL', text: /-2147483648/ },
  { what: 'a length above the limit', head: '00000065', code: 'LIMIT', text: /101 bytes, more than 100/ },
  { what: 'the first bytes of TLS', head: '16030100', code: 'LIMIT', text: /TLS/ },
  { what: 'the first bytes of HTTP', head: '47455420', code: 'LIMIT', text: /HTTP/ },
]
for (const { what, head, code, text } of refused) {
  for (const cuts of [[], [1], [1, 2, 3]]) {
    test(`${what} is refused before anything is kept, cut at ${cuts.join(', ') || 'nowhere'}`, () => {
      assert.throws(
        () => decode(Buffer.from(head, 'hex'), cuts, 100),
        (error) =>
          error instanceof FlumeError && error.code === code && text.test(`${error.message} ${error.hint ?? ''}`),
      )
    })
  }
}

test('what a frame announces takes no memory before it comes', () => {
  const decoder = new ThriftFrameDecoder()
  const head = Buffer.alloc(4)
  head.writeInt32BE(60 * 1024 * 1024)
  const before = process.memoryUsage().arrayBuffers
  decoder.push(Buffer.concat([head, Buffer.alloc(10)]))
  assert.equal(decoder.next(), undefined)
  assert.equal(decoder.midFrame, true)
  assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024)
})

test('a chunk may not be pushed while another is being read', () => {
  const decoder = new ThriftFrameDecoder()
  decoder.push(Buffer.concat([frameOf(Buffer.from('a')), frameOf(Buffer.from('b'))]))
  decoder.next()
  assert.throws(() => decoder.push(Buffer.alloc(1)), FlumeError)
})
