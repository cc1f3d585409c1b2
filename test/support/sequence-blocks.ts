import assert from 'node:assert/strict'
import { inflateSync } from 'node:zlib'
import { readSequenceHeader, sequenceBlockEnd } from '../../src/codec/sequence-file.ts'

export interface SequenceBlock {
  readonly keys: readonly bigint[]
  readonly values: readonly string[]
}

/** The blocks of a SequenceFile that is compressed with DEFLATE. */
export function sequenceBlocksOf(file: Buffer, format: 'Writable' | 'Text'): readonly SequenceBlock[] {
  const header = readSequenceHeader(file)
  assert.ok(header?.inBlocks)
  const blocks: SequenceBlock[] = []
  for (let at = header.endBytes; at < file.length; ) {
    const end = sequenceBlockEnd(file, at) as number
    assert.equal(file.readInt32BE(at), -1)
    assert.deepEqual(file.subarray(at + 4, at + 20), header.sync)
    blocks.push(readBlock(file.subarray(at + 20, end), format))
    at = end
  }
  return blocks
}

function readBlock(block: Buffer, format: 'Writable' | 'Text'): SequenceBlock {
  let at = 0
  const vint = (from: Buffer): number => {
    const first = from.readInt8(at++)
    if (first >= -112) return first
    at += -112 - first
    return from.readUIntBE(at - (-112 - first), -112 - first)
  }
  const count = vint(block)
  const buffers = [0, 1, 2, 3].map(() => {
    const length = vint(block)
    at += length
    return inflateSync(block.subarray(at - length, at))
  }) as [Buffer, Buffer, Buffer, Buffer]
  assert.equal(at, block.length)
  assert.deepEqual(buffers[0], Buffer.alloc(count, 8))
  const keys = Array.from({ length: count }, (_, i) => buffers[1].readBigInt64BE(8 * i))
  at = 0
  const lengths = Array.from({ length: count }, () => vint(buffers[2]))
  at = 0
  const values = lengths.map((serialized) => {
    const start = at
    let length: number
    if (format === 'Text') length = vint(buffers[3])
    else {
      length = buffers[3].readInt32BE(at)
      at += 4
    }
    at += length
    assert.equal(at - start, serialized)
    return buffers[3].toString('utf8', at - length, at)
  })
  assert.equal(at, buffers[3].length)
  return { keys, values }
}
