import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, deflateSync } from 'node:zlib'
import { tellFirstBytes } from '../../src/codec/first-bytes.ts'
import { recordedRpc } from '../support/recorded-rpc.ts'

const frame = recordedRpc('flume-1.9-avro-sink', 'client')[0] as Buffer

const cases: { name: string; bytes: Buffer; told: string | undefined }[] = [
  { name: "Flume's avro sink", bytes: frame, told: 'avro' },
  { name: "Spark's polling receiver", bytes: recordedRpc('spark-2.4-poll', 'client')[0] as Buffer, told: 'avro' },
  {
    name: "Flume 1.9's avro sink with deflate",
    bytes: recordedRpc('flume-1.9-avro-sink-deflate', 'client')[0] as Buffer,
    told: 'avro-deflate',
  },
  {
    name: "Flume 1.11's avro sink with deflate",
    bytes: recordedRpc('flume-1.11-avro-sink-deflate', 'client')[0] as Buffer,
    told: 'avro-deflate',
  },
  { name: 'the first bytes of a frame', bytes: frame.subarray(0, 7), told: undefined },
  { name: 'a line', bytes: Buffer.from('hello\n'), told: 'text' },
  { name: 'an empty line', bytes: Buffer.from('\n'), told: 'text' },
  { name: 'a word without its newline', bytes: Buffer.from('hello, wor'), told: 'text' },
  { name: 'an HTTP request', bytes: Buffer.from('GET / HTTP/1.1\r\n'), told: 'text' },
  { name: 'the letter x alone', bytes: Buffer.from('x'), told: undefined },
  { name: 'the letter x on a line', bytes: Buffer.from('x\n'), told: 'text' },
  { name: 'a formula that begins as zlib does', bytes: Buffer.from('x^2 + y^2 = 1\n'), told: 'text' },
  { name: 'the start of that formula', bytes: Buffer.from('x^2'), told: undefined },
  { name: 'a word in Arabic script behind an x', bytes: Buffer.from('xڀ\n'), told: 'text' },
  { name: 'a greeting of TLS', bytes: Buffer.from('160301', 'hex'), told: 'tls' },
  { name: 'nothing', bytes: Buffer.alloc(0), told: undefined },
]
for (const { name, bytes, told } of cases) {
  test(`${name} is told as ${told ?? 'not clear yet'}`, () => assert.equal(tellFirstBytes(bytes), told))
}

for (const level of [0, 1, 2, 5, 6, 9]) {
  test(`a frame deflated at level ${level} is told, and is not clear before there is enough of it`, () => {
    const stream = deflateSync(frame, { level, finishFlush: constants.Z_SYNC_FLUSH })
    assert.equal(tellFirstBytes(stream), 'avro-deflate')
    assert.equal(tellFirstBytes(stream.subarray(0, 2)), undefined)
  })
}

test('a small stream that inflates to very much costs little to tell', () => {
  const bomb = deflateSync(Buffer.alloc(50_000_000), { level: 9 })
  assert.equal(tellFirstBytes(bomb.subarray(0, 60_000)), 'avro-deflate')
})
