// LZ4's block format.
//
//   sequence := token (literals << 4 | match length − 4), more of the literals' length, literals, uint16 offset, more of the match's length
//   more     := 255 …, a byte below 255, when the four bits are all ones
// The last sequence is literals only, at least five; no match begins in the last twelve bytes.
import { asBuffer } from '../text-range.ts'

const hashBits = 14
const offsetMax = 65_535
const lastLiterals = 5
const matchFreeTail = 12
/** Up to so many bytes are copied one by one: cheaper than a call into the runtime. */
const shortCopy = 24

/** The bytes as one LZ4 block, which does not say how long the data is. */
export function lz4Compress(data: Uint8Array): Buffer {
  const input = asBuffer(data)
  const { length } = input
  const out = Buffer.allocUnsafe(length + Math.ceil(length / 255) + 16)
  const table = new Int32Array(1 << hashBits).fill(-1)
  let at = 0
  let literalStart = 0
  for (let position = 0, misses = 64; position < length - matchFreeTail; ) {
    const word = wordAt(input, position)
    const slot = Math.imul(word, -1640531535) >>> (32 - hashBits)
    const candidate = table[slot] as number
    table[slot] = position
    if (candidate < 0 || position - candidate > offsetMax || wordAt(input, candidate) !== word) {
      position += misses++ >>> 6
      continue
    }
    const matchEnd = length - lastLiterals
    let end = position + 4
    while (end < matchEnd && input[end - position + candidate] === input[end]) end++
    at = writeSequence(input, literalStart, position, end - position, out, at)
    at = out.writeUInt16LE(position - candidate, at)
    at = writeMore(end - position - 4, out, at)
    position = end
    literalStart = end
    misses = 64
  }
  at = writeSequence(input, literalStart, length, 0, out, at)
  return out.subarray(0, at)
}

function wordAt(input: Buffer, at: number): number {
  return (
    (input[at] as number) |
    ((input[at + 1] as number) << 8) |
    ((input[at + 2] as number) << 16) |
    ((input[at + 3] as number) << 24)
  )
}

/** The token and the literals; `match` is 0 in the last sequence. */
function writeSequence(input: Buffer, start: number, end: number, match: number, out: Buffer, outAt: number): number {
  const literals = end - start
  out[outAt] = (Math.min(literals, 15) << 4) | (match === 0 ? 0 : Math.min(match - 4, 15))
  const at = writeMore(literals, out, outAt + 1)
  if (literals > shortCopy) input.copy(out, at, start, end)
  else for (let i = 0; i < literals; i++) out[at + i] = input[start + i] as number
  return at + literals
}

function writeMore(length: number, out: Buffer, outAt: number): number {
  if (length < 15) return outAt
  let at = outAt
  let rest = length - 15
  for (; rest >= 255; rest -= 255) out[at++] = 255
  out[at++] = rest
  return at
}
