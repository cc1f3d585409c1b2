// Feeds changed and random bytes to every decoder that reads what others send: `npm run fuzz [-- INPUTS [NAME]]`, 200,000
// inputs for each by default. An input gives data whose ranges lie inside its bytes, or one error of this project's own.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AvroReader, AvroWriter } from '../../src/codec/avro/binary.ts'
import { readEvent, readEvents, writeEvents } from '../../src/codec/avro/events.ts'
import { FrameDecoder } from '../../src/codec/avro/frame.ts'
import { readFlumeJson } from '../../src/codec/flume-json.ts'
import { scanFlumeJson } from '../../src/codec/flume-json-scanner.ts'
import { readAck, readBlockReply, readPacket } from '../../src/codec/hdfs/data-transfer.ts'
import { RpcFrames, readReply } from '../../src/codec/hdfs/rpc.ts'
import { readTokenFile, readTokenIdentity, readUrlToken } from '../../src/codec/hdfs/tokens.ts'
import { parseHead } from '../../src/codec/http-request.ts'
import { readJsonLines } from '../../src/codec/json-lines.ts'
import { readAssignment, readSubscription } from '../../src/codec/kafka/membership.ts'
import { decodeRecords, encodeRecords, headersAt, valueAt } from '../../src/codec/kafka/record-batch.ts'
import { readKeyStore } from '../../src/codec/keystore/key-store.ts'
import { LineCutter } from '../../src/codec/lines.ts'
import { decodeProperties, parseProperties } from '../../src/codec/properties.ts'
import { readSequenceHeader, sequenceBlockEnd, sequenceFileHeader } from '../../src/codec/sequence-file.ts'
import { readSparkEventBatch } from '../../src/codec/sparksink.ts'
import { keepFieldsOf, SyslogReader } from '../../src/codec/syslog.ts'
import { readAppend, readAppendBatch, writeAppendBatch } from '../../src/codec/thrift/flume.ts'
import { ThriftFrameDecoder } from '../../src/codec/thrift/frame.ts'
import { thriftReader, thriftWriter } from '../../src/codec/thrift/open.ts'
import type { ThriftProtocol } from '../../src/codec/thrift/protocol.ts'
import { readLog } from '../../src/codec/thrift/scribe.ts'
import { TimeZone } from '../../src/codec/time-zone.ts'
import { systemClock } from '../../src/core/clock.ts'
import { FlumeError } from '../../src/core/error.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { type Random, seededRandom } from '../../src/core/random.ts'
import { recordedRpc } from '../support/recorded-rpc.ts'

const fixtures = fileURLToPath(new URL('../../../test/fixture', import.meta.url))
const frameBytesMax = 100_000

interface Fuzzed {
  /** Good input, to be changed. */
  readonly seeds: readonly Buffer[]
  /** Reads one input; throws what it finds wrong as a FlumeError. */
  readonly read: (bytes: Buffer, random: Random) => void
  /** Inputs that are asked for here where one of them costs far more than elsewhere. */
  readonly share?: number
}

const events = EventBatch.of([
  { body: 'one', headers: { host: 'h', timestamp: '1700000000000' } },
  { body: 'two' },
  { body: 'x'.repeat(150), headers: { grün: '€' } },
])

function avroEvents(): Buffer {
  const writer = new AvroWriter(1000)
  writeEvents(writer, events)
  return Buffer.from(writer.finish())
}

function checkRanges(batch: EventBatch): void {
  for (let i = 0; i < batch.count; i++) {
    const [start, end] = [batch.starts[i] as number, batch.ends[i] as number]
    assert.ok(start <= end && end <= batch.body.length, 'a body lies outside of the bytes')
  }
  for (const column of batch.headers.values()) if (typeof column !== 'string') assert.equal(column.length, batch.count)
}

/** The bytes in pieces of up to 60. */
function* pieces(bytes: Buffer, random: Random): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + Math.floor(random() * 60))
    yield Buffer.from(bytes.subarray(at, end))
    at = end
  }
}

const recordedCalls = ['flume-1.9-avro-sink', 'flume-1.11-avro-sink', 'spark-2.4-poll'].map((name) =>
  Buffer.concat(recordedRpc(name, 'client')).subarray(0, 4000),
)
const syslogLines = Buffer.from(
  '<34>Oct 11 22:14:15 mymachine su: hello\n<13>1 2003-08-24T05:14:15.000003-07:00 h b - - - x\n<13\n11 <13>octets\n<> \r\n',
)
const json = '[{"headers":{"a":"b","n":1},"body":"gr\\u00fcn"},{"body":"x"},{},{\'headers\':{c:d}}]'

const decoders: Readonly<Record<string, Fuzzed>> = {
  'syslog-utils': {
    seeds: [syslogLines],
    read: (bytes, random) => {
      const reader = new SyslogReader({
        dialect: 'utils',
        keepFields: keepFieldsOf('all'),
        eventSize: 60,
        now: () => 1_700_000_000_000,
        zone: TimeZone.utc,
      })
      for (const piece of pieces(bytes, random)) checkRanges(reader.read(piece))
      checkRanges(reader.readDatagrams([bytes]))
    },
  },
  'syslog-parser': {
    seeds: [syslogLines],
    read: (bytes, random) => {
      const reader = new SyslogReader({
        dialect: 'parser',
        keepFields: keepFieldsOf('none'),
        eventSize: 60,
        now: () => 1_700_000_000_000,
        zone: TimeZone.utc,
      })
      for (const piece of pieces(bytes, random)) checkRanges(reader.read(piece))
    },
  },
  'avro-frames': {
    seeds: recordedCalls,
    read: (bytes, random) => {
      const decoder = new FrameDecoder({ frameBytesMax })
      for (const piece of pieces(bytes, random)) {
        decoder.push(piece)
        for (let frame = decoder.next(); frame; frame = decoder.next()) assert.ok(frame.payload.length <= frameBytesMax)
      }
    },
  },
  'avro-events': {
    seeds: [avroEvents()],
    read: (bytes, random) =>
      checkRanges(random() < 0.5 ? readEvents(new AvroReader(bytes)) : readEvent(new AvroReader(bytes))),
  },
  sparksink: {
    seeds: [Buffer.concat([Buffer.from([0, 2, 0x31]), avroEvents()])],
    read: (bytes) => checkRanges(readSparkEventBatch(new AvroReader(bytes)).events),
  },
  'netcat-lines': {
    seeds: [Buffer.from('one\ntwo\r\n\ngrün €\n🚰\nunfinished')],
    read: (bytes, random) => {
      const unit = random() < 0.5 ? ('bytes' as const) : ('characters' as const)
      const cutter = new LineCutter({ lineMax: 40, unit, checkUtf8: true })
      for (const piece of pieces(bytes, random)) {
        const { batch, end } = cutter.cut(piece)
        checkRanges(batch)
        assert.ok(cutter.carryBytes <= 120)
        if (end) break
      }
    },
  },
  'http-json': {
    seeds: [Buffer.from(json), Buffer.from('[{"headers":{"a":"b"},"body":"c"},{"body":"d"}]')],
    read: (bytes) => {
      const scanned = scanFlumeJson(Buffer.from(bytes))
      if (scanned) checkRanges(scanned)
      checkRanges(readFlumeJson(bytes.toString()))
    },
  },
  'http-lines': {
    seeds: [
      Buffer.from('{"date":1.5,"log":"one"}\n{"log":"zwei grün"}\r\n\n\r\n{"log":"no end"}'),
      Buffer.from('\n\r\r\n\rx\n'),
    ],
    read: (bytes) => {
      const batch = readJsonLines(bytes)
      checkRanges(batch)
      const expected = bytes.toString('latin1').split('\n')
      const lines = expected.map((line, i) => {
        // A CR is the line's end only in front of an LF, or of the end.
        return line.endsWith('\r') && (i < expected.length - 1 || line.length > 0) ? line.slice(0, -1) : line
      })
      const read = Array.from({ length: batch.count }, (_, i) => Buffer.from(batch.bodyAt(i)).toString('latin1'))
      assert.deepEqual(
        read,
        lines.filter((line) => line !== ''),
      )
    },
  },
  'http-head': {
    seeds: [
      Buffer.from(
        'POST /logs?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-Tag: a\r\nx-tag: grün\r\nConnection: close',
      ),
      Buffer.from('GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nContent-Encoding: gzip'),
    ],
    read: (bytes) => {
      const { headers } = parseHead(bytes.toString('latin1'), new Set(['x-tag', 'content-encoding']))
      for (const [name, value] of headers) {
        assert.ok(name === 'x-tag' || name === 'content-encoding')
        assert.doesNotMatch(value, /[\r\n\0]/)
      }
    },
  },
  'thrift-frames': {
    seeds: [framed(Buffer.from('80010001000000066170706e64', 'hex')), framed(Buffer.alloc(50, 7))],
    read: (bytes, random) => {
      const decoder = new ThriftFrameDecoder(frameBytesMax)
      for (const piece of pieces(bytes, random)) {
        decoder.push(piece)
        for (let frame = decoder.next(); frame; frame = decoder.next()) assert.ok(frame.length <= frameBytesMax)
      }
    },
  },
  'thrift-compact': thriftEvents('compact'),
  'thrift-binary': thriftEvents('binary'),
  'kafka-records': {
    seeds: kafkaBatches(),
    read: (bytes) => {
      const decompress = (): Buffer => {
        throw new FlumeError('UNSUPPORTED', 'not looked at here')
      }
      const { slices } = decodeRecords(bytes, { from: 0, decompress, decompressedBytesMax: 10_000, checkCrc: false })
      for (const slice of slices) {
        for (let i = 0; i < slice.count; i++) {
          assert.ok((valueAt(slice, i)?.length ?? 0) <= bytes.length)
          headersAt(slice, i)
        }
      }
    },
  },
  'kafka-membership': {
    seeds: [Buffer.from('000000000001000561707073310000000000', 'hex'), Buffer.alloc(40)],
    read: (bytes, random) => void (random() < 0.5 ? readSubscription(bytes) : readAssignment(bytes)),
  },
  'hdfs-rpc': {
    seeds: [framed(Buffer.from('0a0804100018093a0012', 'hex')), framed(Buffer.alloc(30, 8))],
    read: (bytes, random) => {
      const frames = new RpcFrames()
      for (const piece of pieces(bytes, random)) {
        frames.push(piece)
        for (let frame = frames.next(); frame; frame = frames.next()) readReply(frame)
      }
    },
  },
  'hdfs-data': {
    seeds: [Buffer.from('0408001000180022000a', 'hex'), Buffer.from(`00000010${'0018'}${'0800'.repeat(20)}`, 'hex')],
    read: (bytes, random) => {
      const what = Math.floor(random() * 3)
      if (what === 0) readAck(bytes)
      else if (what === 1) readBlockReply(bytes)
      else readPacket(bytes, 512, random() < 0.5)
    },
  },
  'hdfs-tokens': {
    seeds: [
      ...['tokens-writable.bin', 'tokens-protobuf.bin'].map((name) =>
        readFileSync(join(fixtures, 'hdfs-tokens', name)),
      ),
      Buffer.from(readFileSync(join(fixtures, 'hdfs-tokens/token.url'), 'latin1'), 'base64url'),
    ],
    read: (bytes, random) => {
      const tokens = random() < 0.5 ? readTokenFile(bytes) : [readUrlToken(bytes.toString('base64url'))]
      for (const token of tokens) readTokenIdentity(token)
    },
  },
  'sequence-file': {
    seeds: [sequenceHead()],
    read: (bytes) => {
      readSequenceHeader(bytes)
      const end = sequenceBlockEnd(bytes, 0)
      assert.ok(end === undefined || end >= 0)
    },
  },
  properties: {
    seeds: [Buffer.from('a.b = c\\\n  d\n# x\nk\\u0041 : \\t v\n! y\nempty\n\\ = \\\\\r\n')],
    read: (bytes) => void parseProperties(decodeProperties(bytes)),
  },
  'key-stores': {
    seeds: readdirSync(join(fixtures, 'keystore'))
      .filter((name) => /\.(p12|pem|jks)$/.test(name))
      .map((name) => readFileSync(join(fixtures, 'keystore', name))),
    read: (bytes) => void readKeyStore(bytes, 'changeit', 10),
    share: 0.25,
  },
}

function thriftEvents(protocol: ThriftProtocol): Fuzzed {
  const writer = thriftWriter(protocol, 64)
  writeAppendBatch(writer, events)
  return {
    seeds: [Buffer.from(writer.finish())],
    read: (bytes, random) => {
      const reader = thriftReader(protocol, bytes)
      const value = [readAppend, readAppendBatch, readAppendBatch, readLog][Math.floor(random() * 4)]?.(reader)
      if (value instanceof EventBatch) checkRanges(value)
      assert.ok(reader.at <= bytes.length)
    },
  }
}

function kafkaBatches(): readonly Buffer[] {
  const { body, starts, ends, count } = events
  const indexes = Array.from({ length: count }, (_, i) => i)
  const records = {
    bytes: Buffer.from(body),
    starts,
    ends,
    keys: ['k', undefined, 'key'],
    timestamps: Float64Array.of(1, 2, 3),
    headers: [['h', ['v', undefined, 'w']] as const],
  }
  const batch = Buffer.from(encodeRecords(records as never, indexes, {}))
  return [batch, Buffer.concat([batch, batch])]
}

function sequenceHead(): Buffer {
  const sync = Uint8Array.from({ length: 16 }, (_, i) => i)
  const block = Buffer.concat([Buffer.from([255, 255, 255, 255]), sync, Buffer.from([2, 4, 1, 2, 3, 4, 4, 9, 9, 9, 9])])
  return Buffer.concat([sequenceFileHeader('Text', sync, 'org.apache.hadoop.io.compress.GzipCodec'), block])
}

function framed(bytes: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(bytes.length)
  return Buffer.concat([head, bytes])
}

/** Bytes that were changed, cut, repeated, or are nothing but chance. */
function broken(seed: Buffer, random: Random): Buffer {
  const below = (limit: number): number => Math.floor(random() * limit)
  if (random() < 0.05) return Buffer.from(Array.from({ length: below(200) }, () => below(256)))
  let bytes = Buffer.from(seed)
  for (let changes = 1 + below(4); changes > 0 && bytes.length > 0; changes--) {
    const at = below(bytes.length)
    const way = below(6)
    if (way === 0) bytes[at] = below(256)
    else if (way === 1) bytes[at] = (bytes[at] as number) ^ (1 << below(8))
    // Lengths that are huge or negative.
    else if (way === 2) bytes.fill(random() < 0.5 ? 0xff : 0x7f, at, Math.min(bytes.length, at + 1 + below(5)))
    else if (way === 3) bytes = bytes.subarray(0, at)
    else if (way === 4) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(at + 1))])
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + below(8)))])
  }
  return bytes
}

export interface FuzzOutcome {
  readonly name: string
  readonly inputs: number
  readonly refused: number
  readonly ms: number
}

/** The decoders that are fed. */
export const fuzzedNames: readonly string[] = Object.keys(decoders)

/** Feeds one decoder; throws with the input in hex when it answers anything but data or an error of ours. */
export function fuzz(name: string, asked: number, seed: number): FuzzOutcome {
  const decoder = decoders[name]
  if (!decoder) throw new Error(`there is no decoder ${name}: ${fuzzedNames.join(', ')}`)
  const inputs = Math.ceil(asked * (decoder.share ?? 1))
  const random = seededRandom(seed)
  const began = systemClock.monotonic()
  let refused = 0
  for (let i = 0; i < inputs; i++) {
    const bytes = broken(decoder.seeds[i % decoder.seeds.length] as Buffer, random)
    const hex = bytes.toString('hex')
    try {
      decoder.read(bytes, random)
    } catch (error) {
      if (!(error instanceof FlumeError)) throw new Error(`${name}, input ${i}: ${hex}`, { cause: error })
      refused++
    }
  }
  return { name, inputs, refused, ms: Math.round(systemClock.monotonic() - began) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [inputs = '200000', only] = process.argv.slice(2)
  for (const name of only === undefined ? fuzzedNames : [only]) {
    const outcome = fuzz(name, Number(inputs), 1)
    console.log(`${name.padEnd(18)} ${outcome.inputs} inputs, ${outcome.refused} refused, ${outcome.ms} ms`)
  }
}
