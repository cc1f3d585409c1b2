// Java clients frame Snappy: magic 82 "SNAPPY" 00, int32 version, int32 compatible version, then blocks of int32 length and
// data, each compressed by itself. Others send one raw block. Reading takes both.
import { FlumeError } from '../../core/error.ts'

const magic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const headBytes = 16

/** The raw Snappy blocks of a compressed batch. */
export function snappyBlocks(bytes: Buffer): readonly Buffer[] {
  if (bytes.length < headBytes || !bytes.subarray(0, magic.length).equals(magic)) return [bytes]
  const blocks: Buffer[] = []
  for (let at = headBytes; at < bytes.length; ) {
    const length = bytes.length - at < 4 ? -1 : bytes.readInt32BE(at)
    if (length < 0 || length > bytes.length - at - 4) {
      throw new FlumeError(
        'PROTOCOL',
        `broken Snappy data: a block of ${length} bytes where ${bytes.length - at - 4} are left`,
      )
    }
    blocks.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return blocks
}

/** Bytes that a raw Snappy block says it holds: the varint at its beginning. */
export function snappyLength(block: Buffer): number {
  let length = 0
  for (let i = 0; i < 5; i++) {
    const byte = block[i]
    if (byte === undefined) break
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return length
  }
  throw new FlumeError('PROTOCOL', 'broken Snappy data: no length')
}
