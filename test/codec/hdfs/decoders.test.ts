import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import {
  isWhole,
  packet,
  readAck,
  readBlockReply,
  readPacket,
  stages,
  writeBlockRequest,
} from '../../../src/codec/hdfs/data-transfer.ts'
import {
  type Block,
  readBlock,
  readFileStatus,
  readListing,
  readLocatedBlock,
  readLocatedBlocks,
  readServerDefaults,
  writeBlock,
} from '../../../src/codec/hdfs/messages.ts'
import { delimited, delimitedEnd, ProtoReader, ProtoWriter } from '../../../src/codec/hdfs/protobuf.ts'
import { callFrame, connectionPreamble, RpcFrames, readReply, replyMaxBytes } from '../../../src/codec/hdfs/rpc.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { fuzzRuns } from '../../support/fuzz-runs.ts'

const block: Block = { poolId: 'BP-1', id: -4_611_686_018_427_387_904n, stamp: 1001n, lengthBytes: 70_000 }

const dataNode = new ProtoWriter()
  .message(1, (id) =>
    id.text(1, '10.0.0.7').text(2, 'worker').text(3, 'uuid-1').uint(4, 9866).uint(5, 9864).uint(6, 9867),
  )
  .uint(2, 1 << 30)
  .text(99, 'what a newer server adds')
  .finish()

const located = new ProtoWriter()
  .message(1, (m) => writeBlock(m, block))
  .uint(2, 2n ** 64n - 1n)
  .bytes(3, dataNode)
  .bool(4, false)
  .message(5, (token) => token.bytes(1, Buffer.alloc(0)).bytes(2, Buffer.alloc(0)).text(3, '').text(4, ''))
  .uint(7, 1)
  .text(8, 'DS-1')
  .finish()

const fileStatus = new ProtoWriter()
  .uint(1, 2)
  .text(2, 'größe')
  .uint(3, 5_000_000_000)
  .message(4, (m) => m.uint(1, 0o644))
  .text(5, 'flume')
  .text(6, 'supergroup')
  .uint(7, 1_700_000_000_123)
  .uint(8, 0)
  .uint(10, 3)
  .uint(11, 134_217_728)
  .uint(13, 16_390)
  .finish()

const reply = (status: number, response?: Uint8Array): Buffer => {
  const header = new ProtoWriter().uint(1, 7).uint(2, status).uint(3, 9)
  if (status !== 0) header.text(4, 'org.apache.hadoop.ipc.StandbyException').text(5, 'standby\n\tat x.y(Z.java:1)')
  return delimited(header.finish(), ...(response ? [response] : []))
}

describe('Hadoop’s messages', () => {
  it('keep negative 64-bit block ids, and data nodes and tokens as the bytes that came', () => {
    const found = readLocatedBlock(new ProtoReader(located))
    assert.deepEqual(found.block, block)
    assert.equal(found.offset, -1)
    assert.deepEqual(found.storageIds, ['DS-1'])
    const [node] = found.nodes
    assert.deepEqual(Buffer.from(node?.info ?? []), dataNode)
    assert.deepEqual(
      [node?.address, node?.hostName, node?.uuid, node?.port, node?.ipcPort],
      ['10.0.0.7', 'worker', 'uuid-1', 9866, 9867],
    )
    const again = new ProtoWriter().message(1, (m) => writeBlock(m, found.block)).finish()
    const reader = new ProtoReader(again)
    reader.next()
    assert.deepEqual(readBlock(reader.message()), block)
  })

  it('read a file’s status, with a length above 2^32', () => {
    const found = readFileStatus(new ProtoReader(fileStatus))
    assert.equal(found.name, 'größe')
    assert.equal(found.lengthBytes, 5_000_000_000)
    assert.equal(found.mode, 0o644)
    assert.equal(found.modifiedMs, 1_700_000_000_123)
    assert.equal(found.isErasureCoded || found.isEncrypted, false)
    const coded = Buffer.concat([
      fileStatus,
      new ProtoWriter().bytes(17, Buffer.alloc(0)).bytes(15, Buffer.alloc(0)).finish(),
    ])
    assert.deepEqual(
      [readFileStatus(new ProtoReader(coded)).isErasureCoded, readFileStatus(new ProtoReader(coded)).isEncrypted],
      [true, true],
    )
  })

  it('refuse numbers beyond 2^53 where a number is needed', () => {
    const huge = new ProtoWriter()
      .uint(1, 2)
      .uint(3, 2n ** 60n)
      .finish()
    assert.throws(() => readFileStatus(new ProtoReader(huge)), { code: 'PROTOCOL' })
  })

  it('zigzag signed numbers', () => {
    for (const value of [0, -1, 1, -3, 2 ** 31 - 1, -(2 ** 31)]) {
      const reader = new ProtoReader(new ProtoWriter().sint(3, value).finish())
      assert.ok(reader.next())
      assert.equal(reader.sint(), value)
    }
  })

  it('end with an error at every byte at which they are cut', () => {
    const whole = delimited(located)
    for (let end = 0; end < whole.length; end++) {
      assert.throws(() => new ProtoReader(whole.subarray(0, end)).delimited(), { code: 'PROTOCOL' }, `${end}`)
    }
    // Inside of a field, that is; between two of them a shorter message ends.
    const lastField = located.length - 'DS-1'.length - 2
    for (let end = lastField + 1; end < located.length; end++) {
      assert.throws(() => readLocatedBlock(new ProtoReader(located.subarray(0, end))), { code: 'PROTOCOL' }, `${end}`)
    }
  })
})

describe('Hadoop RPC', () => {
  it('begins as the protocol says, with the proxied user before the real one', () => {
    const clientId = Buffer.alloc(16, 1)
    const bytes = connectionPreamble('some.Protocol', clientId, { user: 'flume', proxyUser: 'alice' })
    assert.equal(bytes.subarray(0, 4).toString(), 'hrpc')
    assert.deepEqual([...bytes.subarray(4, 7)], [9, 0, 0])
    assert.equal(bytes.readInt32BE(7), bytes.length - 11)
    const reader = new ProtoReader(bytes, 11)
    const header = reader.delimited()
    const fields: Record<number, number> = {}
    while (header.next()) if (header.field === 3 || header.field === 5) fields[header.field] = header.sint()
    assert.deepEqual(fields, { 3: -3, 5: -1 })
    const context = reader.delimited()
    const users: string[] = []
    while (context.next()) {
      if (context.field !== 2) continue
      const user = context.message()
      while (user.next()) users.push(user.text())
    }
    assert.deepEqual(users, ['alice', 'flume'])
  })

  it('numbers a call and its retries', () => {
    const bytes = callFrame('p', 'getFileInfo', Buffer.from([1]), { callId: 300, retry: 2, clientId: Buffer.alloc(16) })
    assert.equal(bytes.readInt32BE(0), bytes.length - 4)
    const header = new ProtoReader(bytes, 4).delimited()
    const fields: Record<number, number> = {}
    while (header.next()) if (header.field === 3 || header.field === 5) fields[header.field] = header.sint()
    assert.deepEqual(fields, { 3: 300, 5: 2 })
  })

  it('reads replies however they are cut, several in one piece too', () => {
    const frame = (payload: Buffer): Buffer => {
      const head = Buffer.alloc(4)
      head.writeInt32BE(payload.length)
      return Buffer.concat([head, payload])
    }
    const bytes = Buffer.concat([frame(reply(0, located)), frame(reply(1)), frame(reply(0, fileStatus))])
    for (let cut = 0; cut <= bytes.length; cut++) {
      const frames = new RpcFrames()
      const found: Buffer[] = []
      for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        frames.push(piece)
        for (let next = frames.next(); next; next = frames.next()) found.push(Buffer.from(next))
      }
      assert.equal(found.length, 3, `${cut}`)
      assert.deepEqual(found[1], reply(1))
    }
  })

  it('tells an exception by class, without its stack trace, and a fatal one', () => {
    const { callId, response, error } = readReply(reply(2))
    assert.equal(callId, 7)
    assert.equal(response, undefined)
    assert.deepEqual(
      [error?.exception, error?.message, error?.fatal],
      ['org.apache.hadoop.ipc.StandbyException', 'standby', true],
    )
  })

  it('refuses a reply of a gigabyte before anything is kept for it', () => {
    const frames = new RpcFrames()
    frames.push(Buffer.from('HTTP/1.1 404'))
    assert.throws(() => frames.next(), { code: 'LIMIT', hint: /8020/ })
    const most = new RpcFrames()
    const head = Buffer.alloc(4)
    head.writeInt32BE(replyMaxBytes)
    most.push(head)
    assert.equal(most.next(), undefined)
  })
})

describe('a packet', () => {
  const make = (bytes: number, head = {}): Buffer =>
    packet(
      { offset: 5_000_000_512, number: 4_294_967_297, isLast: false, sync: false, ...head },
      bytes,
      512,
      (target, at) => target.fill('abcdefg', at, at + bytes),
    )

  for (const bytes of [0, 1, 511, 512, 513, 1024, 64_512]) {
    it(`of ${bytes} bytes is read as it was written`, () => {
      const found = readPacket(make(bytes, { isLast: bytes === 0 }), 512, true)
      assert.equal(found?.offset, 5_000_000_512)
      assert.equal(found?.isLast, bytes === 0)
      assert.deepEqual(found?.data, Buffer.alloc(bytes, 'abcdefg'))
      assert.equal(found?.checksums.length, 4 * Math.ceil(bytes / 512))
      assert.ok(isWhole(found, { type: 2, chunkBytes: 512 }, crc32))
      assert.equal(found?.totalBytes, make(bytes).length)
    })
  }

  it('asks for the disk with two bytes more', () => {
    const synced = make(10, { sync: true })
    assert.equal(synced.length, make(10).length + 2)
    assert.deepEqual(readPacket(synced, 512, true)?.data, Buffer.from('abcdefgabc'))
  })

  it('with a damaged byte is told by either kind of checksum', () => {
    const bytes = make(1000)
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
    const found = readPacket(bytes, 512, true)
    assert.ok(found)
    assert.equal(isWhole(found, { type: 2, chunkBytes: 512 }, crc32), false)
    const checksums = Buffer.alloc(8)
    checksums.writeInt32BE(crc32(found.data.subarray(0, 512)) | 0, 0)
    checksums.writeInt32BE(crc32(found.data.subarray(512)) | 0, 4)
    assert.equal(isWhole({ ...found, checksums }, { type: 1, chunkBytes: 512 }, crc32), true)
    assert.equal(isWhole(found, { type: 1, chunkBytes: 512 }, crc32), false)
  })

  it('is waited for until its last byte is there, and refused when it is huge', () => {
    const bytes = make(600)
    for (let end = 0; end < bytes.length; end++) assert.equal(readPacket(bytes.subarray(0, end), 512, true), undefined)
    const huge = Buffer.from(bytes)
    huge.writeInt32BE(1 << 30, 0)
    assert.throws(() => readPacket(huge, 512, true), { code: 'LIMIT' })
  })
})

describe('an ack', () => {
  const ack = (number: number, replies: readonly number[], flags?: readonly number[]): Buffer => {
    const writer = new ProtoWriter().sint(1, number)
    for (const status of replies) writer.uint(2, status)
    if (flags) {
      const packed = new ProtoWriter()
      for (const flag of flags) packed.raw(Buffer.from([flag]))
      writer.bytes(4, packed.finish())
    }
    return writer.finish()
  }
  const cases: [string, Buffer, { number: number; badIndex: number; isRestarting: boolean }][] = [
    ['of all nodes', ack(3, [0, 0, 0]), { number: 3, badIndex: -1, isRestarting: false }],
    ['of a heartbeat', ack(-1, [0]), { number: -1, badIndex: -1, isRestarting: false }],
    ['names the last node that failed', ack(3, [1, 1, 0]), { number: 3, badIndex: 1, isRestarting: false }],
    ['tells a node that will be back', ack(3, [0, 8]), { number: 3, badIndex: 1, isRestarting: true }],
    [
      'goes by its flags, congestion aside',
      ack(3, [1, 1], [0x60, 0x61]),
      { number: 3, badIndex: 1, isRestarting: false },
    ],
    [
      'with congested nodes only is a good one',
      ack(3, [0, 0], [0x60, 0x20]),
      { number: 3, badIndex: -1, isRestarting: false },
    ],
  ]
  for (const [name, bytes, expected] of cases) it(name, () => assert.deepEqual(readAck(bytes), expected))
})

describe('the decoders', () => {
  const blockReply = new ProtoWriter()
    .uint(1, 0)
    .text(2, '127.0.0.1:9866')
    .message(4, (info) => info.message(1, (m) => m.uint(1, 2).uint(2, 512)).uint(2, 1024))
    .text(5, 'fine')
    .finish()
  const ack = new ProtoWriter()
    .sint(1, 5)
    .uint(2, 0)
    .uint(2, 1)
    .uint(3, 99)
    .bytes(4, Buffer.from([0, 1]))
    .finish()
  const listing = new ProtoWriter().bytes(1, fileStatus).bytes(1, fileStatus).uint(2, 1).finish()
  const blocks = new ProtoWriter().uint(1, 9).bytes(2, located).bool(3, true).bytes(4, located).bool(5, false).finish()
  const defaults = new ProtoWriter()
    .uint(1, 1)
    .uint(2, 512)
    .uint(3, 65_536)
    .uint(4, 3)
    .bool(6, true)
    .uint(8, 2)
    .finish()
  const data = packet({ offset: 0, number: 1, isLast: false, sync: true }, 1500, 512, () => undefined)
  const seeds: [name: string, valid: Buffer, decode: (bytes: Buffer) => unknown][] = [
    ['a reply', reply(0, located), (bytes) => readReply(bytes)],
    ['an error', reply(1), (bytes) => readReply(bytes)],
    ['a located block', located, (bytes) => readLocatedBlock(new ProtoReader(bytes))],
    ['located blocks', blocks, (bytes) => readLocatedBlocks(new ProtoReader(bytes))],
    ['a file status', fileStatus, (bytes) => readFileStatus(new ProtoReader(bytes))],
    ['a listing', listing, (bytes) => readListing(new ProtoReader(bytes))],
    ['server defaults', defaults, (bytes) => readServerDefaults(new ProtoReader(bytes))],
    ['a data node’s answer', blockReply, (bytes) => readBlockReply(bytes)],
    ['an ack', ack, (bytes) => readAck(bytes)],
    ['a packet', data, (bytes) => readPacket(bytes, 512, true)],
    ['a length', delimited(ack), (bytes) => delimitedEnd(bytes, 1 << 20)],
  ]
  const runs = fuzzRuns(4000)

  for (const [name, valid, decode] of seeds) {
    it(`reads ${name}, and never fails with anything but our own error when its bytes are changed`, () => {
      decode(valid)
      const random = seededRandom(11)
      const below = (max: number): number => Math.floor(random() * max)
      let refused = 0
      for (let run = 0; run < runs; run++) {
        let bytes: Buffer = Buffer.from(valid)
        for (let changes = 1 + below(4); changes > 0 && bytes.length > 0; changes--) {
          const kind = below(4)
          if (kind === 0) bytes = bytes.subarray(0, below(bytes.length))
          else if (kind === 1)
            bytes = Buffer.concat([bytes.subarray(0, below(bytes.length)), Buffer.from([below(256), 255])])
          else bytes[below(bytes.length)] = kind === 2 ? below(256) : 255
        }
        try {
          decode(bytes)
        } catch (error) {
          assert.ok(error instanceof FlumeError, `${String(error)} for ${bytes.toString('hex')}`)
          refused++
        }
      }
      assert.ok(refused > 0)
    })
  }

  it('are not led beyond a request either: what we send can be read back', () => {
    const node = readLocatedBlock(new ProtoReader(located)).nodes[0]
    assert.ok(node)
    const request = writeBlockRequest({
      block,
      token: Buffer.alloc(0),
      clientName: 'c',
      nodes: [node, node],
      storageTypes: [1, 1],
      storageIds: ['a', 'b'],
      stage: stages.streaming,
      minBytes: 1,
      maxBytes: 2,
      latestStamp: 1002n,
      checksum: { type: 2, chunkBytes: 512 },
    })
    assert.deepEqual([...request.subarray(0, 3)], [0, 28, 80])
    const found = delimitedEnd(request.subarray(3), 1 << 20)
    assert.equal(found?.to, request.length - 3)
    const reader = new ProtoReader(request, 3 + (found?.from ?? 0))
    const fields = new Map<number, number>()
    while (reader.next()) if ([4, 5, 6, 7, 8, 11].includes(reader.field)) fields.set(reader.field, reader.uint())
    assert.deepEqual(
      [...fields],
      [
        [4, 3],
        [5, 2],
        [6, 1],
        [7, 2],
        [8, 1002],
        [11, 1],
      ],
    )
  })
})
