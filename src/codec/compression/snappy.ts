// Snappy's raw format.
//
//   stream  := varint length of the data, element…
//   literal := (n-1) << 2 | 0                        n bytes follow; n-1 of 60 to 63: it stands in the next 1 to 4 bytes
//   copy    := 1: (n-4) << 2 | offset >> 8 << 5 | 1, offset & 255      n = 4…11, offset below 2048
//              2: (n-1) << 2 | 2, uint16 offset                        n = 1…64
//              3: (n-1) << 2 | 3, uint32 offset
import { FlumeError } from '../../core/error.ts'
import { asBuffer } from '../text-range.ts'

/** Copies reach back within a block of this size, so that two bytes hold every offset. */
const blockBytes = 65_536
const hashBits = 14
/** The last bytes of a block are a literal: the search reads four bytes at once. */
const tailBytes = 15
/** Up to so many bytes are copied one by one: cheaper than a call into the runtime. */
const shortCopy = 24
/** Most data that a byte can stand for: a copy of 64 bytes takes three. */
const expansionMax = 64

/** The bytes in Snappy's raw form. */
export function snappyCompress(data: Uint8Array): Buffer {
  const input = asBuffer(data)
  const out = Buffer.allocUnsafe(5 + input.length + Math.ceil(input.length / 6) + 32)
  let at = 0
  for (let rest = input.length; ; rest >>>= 7) {
    if (rest < 0x80) {
      out[at++] = rest
      break
    }
    out[at++] = (rest & 0x7f) | 0x80
  }
  const table = new Uint16Array(1 << hashBits)
  for (let start = 0; start < input.length; start += blockBytes) {
    if (start > 0) table.fill(0)
    at = compressBlock(input, start, Math.min(start + blockBytes, input.length), table, out, at)
  }
  return out.subarray(0, at)
}

function compressBlock(
  input: Buffer,
  start: number,
  end: number,
  table: Uint16Array,
  out: Buffer,
  outAt: number,
): number {
  let at = outAt
  let literalStart = start
  const searchEnd = end - tailBytes
  // What does not compress is looked at in ever longer steps.
  for (let position = start + 1, misses = 32; position < searchEnd; ) {
    const word = wordAt(input, position)
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - hashBits)
    const candidate = start + (table[slot] as number)
    table[slot] = position - start
    if (candidate >= position || wordAt(input, candidate) !== word) {
      position += misses++ >>> 5
      continue
    }
    at = writeLiteral(input, literalStart, position, out, at)
    let length = 4
    while (position + length < end && input[candidate + length] === input[position + length]) length++
    at = writeCopies(position - candidate, length, out, at)
    position += length
    literalStart = position
    misses = 32
    // What was just passed is a likely beginning of the next match.
    if (position < searchEnd)
      table[Math.imul(wordAt(input, position - 1), 0x1e35a7bd) >>> (32 - hashBits)] = position - 1 - start
  }
  return writeLiteral(input, literalStart, end, out, at)
}

function wordAt(input: Buffer, at: number): number {
  return (
    (input[at] as number) |
    ((input[at + 1] as number) << 8) |
    ((input[at + 2] as number) << 16) |
    ((input[at + 3] as number) << 24)
  )
}

function writeLiteral(input: Buffer, start: number, end: number, out: Buffer, outAt: number): number {
  const length = end - start
  let at = outAt
  if (length === 0) return at
  // A block has 64 KiB at most: two bytes hold every length.
  if (length <= 60) out[at++] = (length - 1) << 2
  else if (length <= 256) {
    out[at++] = 60 << 2
    out[at++] = length - 1
  } else {
    out[at++] = 61 << 2
    at = out.writeUInt16LE(length - 1, at)
  }
  if (length <= shortCopy) for (let i = start; i < end; i++) out[at++] = input[i] as number
  else at += input.copy(out, at, start, end)
  return at
}

function writeCopies(offset: number, length: number, out: Buffer, outAt: number): number {
  let at = outAt
  let left = length
  // The last copy must not have fewer than four bytes.
  while (left >= 68) {
    out[at++] = (63 << 2) | 2
    at = out.writeUInt16LE(offset, at)
    left -= 64
  }
  if (left > 64) {
    out[at++] = (59 << 2) | 2
    at = out.writeUInt16LE(offset, at)
    left -= 60
  }
  if (left < 12 && offset < 2048) {
    out[at++] = ((left - 4) << 2) | ((offset >>> 8) << 5) | 1
    out[at++] = offset & 0xff
  } else {
    out[at++] = ((left - 1) << 2) | 2
    at = out.writeUInt16LE(offset, at)
  }
  return at
}

/** What raw Snappy bytes stand for. Rejects INVALID_DATA, and LIMIT when it has more than `bytesMax`. */
export function snappyUncompress(data: Uint8Array, bytesMax: number): Buffer {
  const input = asBuffer(data)
  let at = 0
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = input[at++]
    if (byte === undefined || shift > 28) throw broken('its length cannot be read')
    length += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (length > bytesMax)
    throw new FlumeError('LIMIT', `Snappy data of ${length} bytes, more than the ${bytesMax} that are allowed`)
  if (length > expansionMax * input.length) throw broken(`${input.length} bytes cannot stand for ${length}`)
  const out = Buffer.allocUnsafeSlow(length)
  let outAt = 0
  while (at < input.length) {
    const tag = input[at++] as number
    const kind = tag & 3
    if (kind === 0) {
      let size = tag >>> 2
      if (size >= 60) {
        const bytes = size - 59
        if (at + bytes > input.length) throw broken('a literal is cut off')
        size = input.readUIntLE(at, bytes)
        at += bytes
      }
      size++
      if (at + size > input.length || outAt + size > length) throw broken('a literal is too long')
      if (size > shortCopy) input.copy(out, outAt, at, at + size)
      else for (let i = 0; i < size; i++) out[outAt + i] = input[at + i] as number
      at += size
      outAt += size
      continue
    }
    const offsetBytes = kind === 1 ? 1 : kind === 2 ? 2 : 4
    if (at + offsetBytes > input.length) throw broken('a copy is cut off')
    const size = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1
    const offset = kind === 1 ? ((tag >>> 5) << 8) | (input[at] as number) : input.readUIntLE(at, offsetBytes)
    at += offsetBytes
    if (offset === 0 || offset > outAt) throw broken('a copy reaches before the beginning')
    if (outAt + size > length) throw broken('a copy is too long')
    if (offset >= size && size > shortCopy) out.copyWithin(outAt, outAt - offset, outAt - offset + size)
    else for (let i = 0; i < size; i++) out[outAt + i] = out[outAt + i - offset] as number
    outAt += size
  }
  if (outAt !== length) throw broken(`it has ${outAt} bytes and announces ${length}`)
  return out
}

function broken(problem: string): FlumeError {
  return new FlumeError('INVALID_DATA', `broken Snappy data: ${problem}`)
}
