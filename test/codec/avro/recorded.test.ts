import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import avsc from 'avsc'
import { AvroReader, AvroWriter } from '../../../src/codec/avro/binary.ts'
import { readCall, readResult, writeCall, writeCallError, writeResult } from '../../../src/codec/avro/call.ts'
import { readEvents, writeEvents } from '../../../src/codec/avro/events.ts'
import { avroSourceProtocol, readStatus, writeStatus } from '../../../src/codec/avro/flume.ts'
import { FrameDecoder, finishFrame, frameHeadBytes } from '../../../src/codec/avro/frame.ts'
import {
  readHandshakeRequest,
  readHandshakeResponse,
  writeHandshakeRequest,
  writeHandshakeResponse,
} from '../../../src/codec/avro/handshake.ts'
import { sparkFlumeProtocol } from '../../../src/codec/sparksink.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'

// The exchange of flume-protocols §1.4, as the released 1.11.0 agent and client had it.
const firstRequest = `0000000100000002
00000030 86aadae2c45474c0fe93ffd0f2350a65 00 86aadae2c45474c0fe93ffd0f2350a65 0200 00 16617070656e644261746368
00000016 04 00106c696e65206f6e65 00106c696e652074776f 00`
const firstResponse = '0000000100000003 00000004 00000000 00000001 00 00000002 0000'
const nextRequest = '0000000200000002 0000000d 0016617070656e644261746368 00000006 020004503200'
const nextResponse = '0000000200000003 00000000 00000001 00 00000002 0000'

function reader(hex: string): AvroReader {
  const decoder = new FrameDecoder()
  decoder.push(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
  const frame = decoder.next()
  assert.ok(frame)
  assert.equal(decoder.next(), undefined)
  return new AvroReader(frame.payload)
}

function payloadOf(hex: string): string {
  const { bytes } = reader(hex)
  return bytes.toString('hex')
}

test('the texts of both protocols have the hashes of the released classes', () => {
  for (const { text, hash } of [avroSourceProtocol, sparkFlumeProtocol])
    assert.equal(createHash('md5').update(text).digest('hex'), hash.toString('hex'))
  assert.equal(avroSourceProtocol.hash.toString('hex'), '86aadae2c45474c0fe93ffd0f2350a65')
  assert.equal(sparkFlumeProtocol.hash.toString('hex'), '45f3c2c4aa53244ceaacda6731dedffb')
  assert.equal(avroSourceProtocol.text.length, 1334)
})

test('the captured first call reads as a handshake with the known hash and two events', () => {
  const args = reader(firstRequest)
  const handshake = readHandshakeRequest(args)
  assert.ok(handshake.clientHash.equals(avroSourceProtocol.hash))
  assert.ok(handshake.serverHash.equals(avroSourceProtocol.hash))
  assert.equal(handshake.clientProtocol, undefined)
  assert.equal(readCall(args), 'appendBatch')
  const batch = readEvents(args)
  assert.deepEqual(
    Array.from(batch.events(), (event) => Buffer.from(event.body).toString()),
    ['line one', 'line two'],
  )
  assert.equal(args.left, 0)
})

test('the same call is written with the same payload', () => {
  const writer = new AvroWriter(64, frameHeadBytes)
  const { hash } = avroSourceProtocol
  writeHandshakeRequest(writer, { clientHash: hash, clientProtocol: undefined, serverHash: hash })
  writeCall(writer, 'appendBatch')
  writeEvents(writer, EventBatch.of([{ body: 'line one' }, { body: 'line two' }]))
  assert.equal(payloadOf(finishFrame(writer, 1).toString('hex')), payloadOf(firstRequest))
})

test('the captured answers read as BOTH and OK, then as OK without a handshake', () => {
  const first = reader(firstResponse)
  assert.deepEqual(readHandshakeResponse(first), { match: 'BOTH', serverProtocol: undefined, serverHash: undefined })
  readResult(first)
  assert.equal(readStatus(first), 'OK')
  const next = reader(nextResponse)
  readResult(next)
  assert.equal(readStatus(next), 'OK')
  assert.equal(readCall(reader(nextRequest)), 'appendBatch')
})

test('the same answers are written with the same payload', () => {
  const writer = new AvroWriter(64, frameHeadBytes)
  writeHandshakeResponse(writer, 'BOTH', avroSourceProtocol)
  writeResult(writer)
  writeStatus(writer, 'OK')
  assert.equal(payloadOf(finishFrame(writer, 1).toString('hex')), payloadOf(firstResponse))
})

test('NONE is enum 2, the protocol text, the hash and no metadata, as captured', () => {
  const writer = new AvroWriter()
  writeHandshakeResponse(writer, 'NONE', avroSourceProtocol)
  const hex = writer.finish().toString('hex')
  assert.ok(hex.startsWith(`0402ec14${Buffer.from(avroSourceProtocol.text).toString('hex')}`))
  assert.ok(hex.endsWith('0286aadae2c45474c0fe93ffd0f2350a6500'))
  const answer = readHandshakeResponse(new AvroReader(writer.finish()))
  assert.equal(answer.match, 'NONE')
  assert.equal(answer.serverProtocol, avroSourceProtocol.text)
  assert.ok(answer.serverHash?.equals(avroSourceProtocol.hash))
})

test('statuses are the numbers that were captured', () => {
  const hexOf = (status: 'OK' | 'FAILED' | 'UNKNOWN'): string => {
    const writer = new AvroWriter()
    writeStatus(writer, status)
    return writer.finish().toString('hex')
  }
  assert.deepEqual([hexOf('OK'), hexOf('FAILED'), hexOf('UNKNOWN')], ['00', '02', '04'])
})

test("an error is flag 1, branch 0 and a text, read as REFUSED with the server's words", () => {
  const writer = new AvroWriter()
  writeCallError(writer, 'org.apache.avro.AvroRuntimeException: No such remote message: nope')
  assert.ok(writer.finish().toString('hex').startsWith('000100'))
  assert.throws(
    () => readResult(new AvroReader(writer.finish())),
    (error) => error instanceof FlumeError && error.code === 'REFUSED' && error.message.endsWith('message: nope'),
  )
})

test("a handshake with metadata and a protocol is read as avsc's own types write it", () => {
  const md5 = { type: 'fixed' as const, name: 'MD5', size: 16 }
  const requestType = avsc.Type.forSchema({
    type: 'record',
    name: 'HandshakeRequest',
    fields: [
      { name: 'clientHash', type: md5 },
      { name: 'clientProtocol', type: ['null', 'string'] },
      { name: 'serverHash', type: 'MD5' },
      { name: 'meta', type: ['null', { type: 'map', values: 'bytes' }] },
    ],
  })
  const bytes = requestType.toBuffer({
    clientHash: Buffer.alloc(16, 1),
    clientProtocol: '{"protocol":"é"}',
    serverHash: Buffer.alloc(16, 2),
    meta: { a: Buffer.from('x'), b: Buffer.alloc(100) },
  })
  const args = new AvroReader(bytes)
  const request = readHandshakeRequest(args)
  assert.equal(request.clientProtocol, '{"protocol":"é"}')
  assert.ok(request.clientHash.equals(Buffer.alloc(16, 1)))
  assert.ok(request.serverHash.equals(Buffer.alloc(16, 2)))
  assert.equal(args.left, 0)
  const writer = new AvroWriter()
  writeHandshakeRequest(writer, request)
  assert.equal(
    (requestType.fromBuffer(writer.finish()) as { clientProtocol: string }).clientProtocol,
    '{"protocol":"é"}',
  )
})
