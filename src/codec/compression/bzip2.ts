// bzip2. Bits are written from the highest down, numbers likewise.
//
//   stream  := "BZh" '1'…'9'  block…  0x177245385090  uint32 checksum of the blocks' checksums  padding to a byte
//   block   := 0x314159265359  uint32 checksum  0 (1 bit)  place of the data in the sorted rotations (24 bits)
//              used bytes: 16 bits for the groups of sixteen, 16 bits for each group that is used
//              tables (3 bits)  selectors (15 bits)  selectors, moved to front, in unary
//              for each table: first length (5 bits), then for each symbol 10 (longer), 11 (shorter) … 0
//              symbols, 50 for each selector, to the end-of-block symbol
//   symbols := runs of the front byte as digits 0 and 1 of a bijective number; then place of the byte in the list, + 1
//   data    := four equal bytes are followed by a byte that says how many more there are (0…255)
import { FlumeError } from '../../core/error.ts'
import { sortRotations } from './block-sort.ts'

const level = 9
/** Bytes of a block at the highest level, less what the reference program keeps free. */
const blockBytesMax = level * 100_000 - 19
const runMax = 255
const symbolsPerSelector = 50
/** Longest code that is written; readers take 20. */
const codeBitsMax = 17
const codeBitsReadMax = 20
const tablesMax = 6
const selectorsMax = 18_002
const endMagicHigh = 0x177245
const endMagicLow = 0x385090
const blockMagicHigh = 0x314159
const blockMagicLow = 0x265359

/** The bytes as one bzip2 stream. */
export function bzip2Compress(data: Uint8Array): Buffer {
  const out = new BitWriter(Math.max(64, Math.ceil(data.length / 3)))
  for (const byte of Buffer.from(`BZh${level}`)) out.write(8, byte)
  let combined = 0
  for (let at = 0; at < data.length; ) {
    const runs = encodeRuns(data, at)
    at = runs.to
    combined = ((combined << 1) | (combined >>> 31)) ^ runs.checksum
    writeBlock(out, runs.block, runs.checksum)
  }
  out.write(24, endMagicHigh)
  out.write(24, endMagicLow)
  out.write32(combined)
  return out.finish()
}

/** The first step: long runs of one byte are shortened. Takes as much of the data as a block holds. */
function encodeRuns(
  data: Uint8Array,
  from: number,
): { readonly block: Uint8Array; readonly to: number; readonly checksum: number } {
  const block = new Uint8Array(Math.min(blockBytesMax, Math.ceil((data.length - from) * 1.25) + 5))
  const checksum = new Checksum()
  let used = 0
  let at = from
  while (at < data.length) {
    const byte = data[at] as number
    const most = Math.min(data.length, at + runMax)
    let end = at + 1
    while (end < most && data[end] === byte) end++
    const length = end - at
    if (used + (length >= 4 ? 5 : length) > block.length) break
    for (let i = 0; i < Math.min(length, 4); i++) block[used++] = byte
    if (length >= 4) block[used++] = length - 4
    checksum.repeat(byte, length)
    at = end
  }
  return { block: block.subarray(0, used), to: at, checksum: checksum.value }
}

function writeBlock(out: BitWriter, block: Uint8Array, checksum: number): void {
  const { length } = block
  const order = sortRotations(block, length)
  const last = new Uint8Array(length)
  let origin = 0
  for (let place = 0; place < length; place++) {
    const rotation = order[place] as number
    if (rotation === 0) origin = place
    last[place] = block[rotation === 0 ? length - 1 : rotation - 1] as number
  }
  const used = usedBytes(block)
  const symbols = moveToFront(last, used)
  const alphabet = used.length + 2
  const { tables, selectors } = chooseTables(symbols, alphabet)

  out.write(24, blockMagicHigh)
  out.write(24, blockMagicLow)
  out.write32(checksum)
  out.write(1, 0)
  out.write(24, origin)
  writeUsed(out, used)
  out.write(3, tables.length)
  out.write(15, selectors.length)
  const places = tables.map((_, table) => table)
  for (const table of selectors) {
    const place = places.indexOf(table)
    places.splice(place, 1)
    places.unshift(table)
    for (let i = 0; i < place; i++) out.write(1, 1)
    out.write(1, 0)
  }
  for (const lengths of tables) writeLengths(out, lengths)
  const codes = tables.map((lengths) => codesOf(lengths))
  for (let i = 0; i < symbols.length; i++) {
    const table = selectors[Math.floor(i / symbolsPerSelector)] as number
    const symbol = symbols[i] as number
    out.write((tables[table] as Uint8Array)[symbol] as number, (codes[table] as Int32Array)[symbol] as number)
  }
}

function usedBytes(block: Uint8Array): readonly number[] {
  const seen = new Uint8Array(256)
  for (const byte of block) seen[byte] = 1
  const used: number[] = []
  for (let byte = 0; byte < 256; byte++) if (seen[byte]) used.push(byte)
  return used
}

function writeUsed(out: BitWriter, used: readonly number[]): void {
  const bits = new Uint16Array(16)
  for (const byte of used) bits[byte >>> 4] = (bits[byte >>> 4] as number) | (0x8000 >>> (byte & 15))
  let groups = 0
  for (let group = 0; group < 16; group++) if (bits[group]) groups |= 0x8000 >>> group
  out.write(16, groups)
  for (const group of bits) if (group) out.write(16, group)
}

/** The sorted bytes as places in a list that moves each byte to its front, runs of its front as numbers, and the end. */
function moveToFront(last: Uint8Array, used: readonly number[]): Uint16Array {
  const list = Uint8Array.from(used)
  const symbols = new Uint16Array(last.length + 1)
  let count = 0
  let run = 0
  const endRun = (): void => {
    for (; run > 0; run = (run - 1) >>> 1) symbols[count++] = run & 1 ? 0 : 1
  }
  for (const byte of last) {
    if (list[0] === byte) {
      run++
      continue
    }
    endRun()
    let place = 1
    while (list[place] !== byte) place++
    list.copyWithin(1, 0, place)
    list[0] = byte
    symbols[count++] = place + 1
  }
  endRun()
  symbols[count++] = used.length + 1
  return symbols.subarray(0, count)
}

/** Code lengths for up to six tables, and which table each run of fifty symbols takes. */
function chooseTables(
  symbols: Uint16Array,
  alphabet: number,
): { readonly tables: readonly Uint8Array[]; readonly selectors: Uint8Array } {
  const { length } = symbols
  const count = length < 200 ? 2 : length < 600 ? 3 : length < 1200 ? 4 : length < 2400 ? 5 : tablesMax
  const total = new Uint32Array(alphabet)
  for (const symbol of symbols) total[symbol] = (total[symbol] as number) + 1
  // Each table begins with a share of the alphabet that stands for about as many symbols as any other's.
  let tables: Uint8Array[] = []
  for (let table = 0, symbol = 0, left = length; table < count; table++) {
    const goal = left / (count - table)
    const lengths = new Uint8Array(alphabet).fill(15)
    for (let sum = 0; symbol < alphabet && (sum === 0 || sum + (total[symbol] as number) / 2 < goal); symbol++) {
      lengths[symbol] = 1
      sum += total[symbol] as number
      left -= total[symbol] as number
    }
    tables.push(lengths)
  }
  const selectors = new Uint8Array(Math.ceil(length / symbolsPerSelector))
  for (let round = 0; round < 4; round++) {
    const frequencies = tables.map(() => new Uint32Array(alphabet))
    for (let selector = 0; selector < selectors.length; selector++) {
      const from = selector * symbolsPerSelector
      const to = Math.min(from + symbolsPerSelector, length)
      let best = 0
      let bestCost = Number.POSITIVE_INFINITY
      for (let table = 0; table < count; table++) {
        const lengths = tables[table] as Uint8Array
        let cost = 0
        for (let i = from; i < to; i++) cost += lengths[symbols[i] as number] as number
        if (cost < bestCost) {
          bestCost = cost
          best = table
        }
      }
      selectors[selector] = best
      const frequency = frequencies[best] as Uint32Array
      for (let i = from; i < to; i++) {
        const symbol = symbols[i] as number
        frequency[symbol] = (frequency[symbol] as number) + 1
      }
    }
    tables = frequencies.map((frequency) => codeLengths(frequency))
  }
  return { tables, selectors }
}

/** Lengths of a prefix code for these frequencies, every symbol having one, none above the limit. */
function codeLengths(frequency: Uint32Array): Uint8Array {
  const symbols = frequency.length
  const lengths = new Uint8Array(symbols)
  for (let scale = 0; ; scale++) {
    const weights = Float64Array.from(frequency, (value) => Math.max(1, Math.floor(value / 2 ** scale)))
    const leaves = Array.from(weights.keys()).sort((a, b) => (weights[a] as number) - (weights[b] as number))
    // Leaves by weight and the nodes made of them, which come in order of weight too: the lightest two are at the fronts.
    const nodeWeights: number[] = []
    const parents = new Int32Array(2 * symbols)
    let leaf = 0
    let node = 0
    const lightest = (): number => {
      const leafWeight = leaf < symbols ? (weights[leaves[leaf] as number] as number) : Number.POSITIVE_INFINITY
      const nodeWeight = nodeWeights[node] ?? Number.POSITIVE_INFINITY
      return leafWeight <= nodeWeight ? (leaves[leaf++] as number) : symbols + node++
    }
    for (let made = 0; made < symbols - 1; made++) {
      const [a, b] = [lightest(), lightest()]
      const weight = (id: number): number => (id < symbols ? weights[id] : nodeWeights[id - symbols]) as number
      nodeWeights.push(weight(a) + weight(b))
      parents[a] = symbols + made
      parents[b] = symbols + made
    }
    const depths = new Uint8Array(2 * symbols)
    let longest = 0
    for (let id = 2 * symbols - 3; id >= 0; id--) {
      const isRoot = id === 2 * symbols - 2
      depths[id] = isRoot ? 0 : Math.min(255, (depths[parents[id] as number] as number) + 1)
      if (id < symbols) longest = Math.max(longest, depths[id] as number)
    }
    if (longest > codeBitsMax) continue
    lengths.set(depths.subarray(0, symbols))
    return lengths
  }
}

/** The codes of these lengths: shorter ones first, then by symbol. */
function codesOf(lengths: Uint8Array): Int32Array {
  const codes = new Int32Array(lengths.length)
  let code = 0
  for (let bits = 1; bits <= codeBitsReadMax; bits++, code <<= 1) {
    for (let symbol = 0; symbol < lengths.length; symbol++) if (lengths[symbol] === bits) codes[symbol] = code++
  }
  return codes
}

function writeLengths(out: BitWriter, lengths: Uint8Array): void {
  let current = lengths[0] as number
  out.write(5, current)
  for (const length of lengths) {
    for (; current < length; current++) out.write(2, 2)
    for (; current > length; current--) out.write(2, 3)
    out.write(1, 0)
  }
}

/**
 * What one or several bzip2 streams, one behind the other, stand for. Rejects INVALID_DATA, and LIMIT when it has more than
 * `bytesMax` bytes.
 */
export function bzip2Uncompress(data: Uint8Array, bytesMax: number): Buffer {
  const parts: Uint8Array[] = []
  let total = 0
  let at = 0
  do {
    const stream = readStream(data, at, bytesMax - total)
    parts.push(...stream.parts)
    total += stream.bytes
    at = stream.end
  } while (at < data.length)
  return Buffer.concat(parts, total)
}

/**
 * Where the bzip2 stream that begins at `from` ends, undefined when the bytes end first: behind the mark of the end, which may
 * begin at any bit, and a checksum, where another stream begins or nothing does. What lies between is not looked at. Throws
 * INVALID_DATA where no stream begins.
 */
export function bzip2End(data: Uint8Array, from: number): number | undefined {
  const head = Buffer.from('BZh')
  for (let i = 0; i < head.length && from + i < data.length; i++) {
    if (data[from + i] !== head[i]) throw broken('it does not begin with BZh')
  }
  for (let at = from + 4; at + 10 <= data.length; at++) {
    const shifts = endShifts[data[at + 2] as number] as number
    for (let shift = 0; shifts >>> shift > 0; shift++) {
      if (!((shifts >>> shift) & 1)) continue
      const input = new BitReader(data, at)
      input.read(shift)
      if (input.read(24) !== endMagicHigh || input.read(24) !== endMagicLow) continue
      if (8 * (data.length - input.nextByte) < 32 - input.bitsLeft) return undefined
      input.read32()
      const end = input.nextByte
      let isEnd = true
      for (let i = 0; i < head.length && end + i < data.length; i++) isEnd &&= data[end + i] === head[i]
      if (isEnd) return end
    }
  }
  return undefined
}

/** For the third byte of what may be the mark of the end: the bits at which the mark may begin in the first. */
const endShifts = new Uint8Array(256)
for (let shift = 0; shift < 8; shift++) {
  const byte = Math.floor((endMagicHigh * 2 ** 24 + endMagicLow) / 2 ** (24 + shift)) % 256
  endShifts[byte] = (endShifts[byte] as number) | (1 << shift)
}

function readStream(
  data: Uint8Array,
  from: number,
  bytesMax: number,
): { readonly parts: readonly Uint8Array[]; readonly bytes: number; readonly end: number } {
  const input = new BitReader(data, from)
  const digit = data[from + 3] ?? 0
  if (input.read(24) !== 0x425a68 || digit < 0x31 || digit > 0x39) throw broken('it does not begin with BZh1 to BZh9')
  input.read(8)
  const blockSize = (digit - 0x30) * 100_000
  const parts: Uint8Array[] = []
  let bytes = 0
  let combined = 0
  for (;;) {
    const [high, low] = [input.read(24), input.read(24)]
    const checksum = input.read32()
    if (high === endMagicHigh && low === endMagicLow) {
      if (checksum !== combined) throw broken('the checksum of a stream is wrong')
      return { parts, bytes, end: input.nextByte }
    }
    if (high !== blockMagicHigh || low !== blockMagicLow) throw broken('a block has no beginning')
    const block = readBlock(input, blockSize)
    const sizes = decodedBytes(block)
    if (bytes + sizes > bytesMax)
      throw new FlumeError('LIMIT', 'bzip2 data of more bytes than are allowed', {
        hint: `the limit is ${bytesMax} bytes here`,
      })
    const part = decodeRuns(block, sizes)
    const actual = new Checksum()
    for (const byte of part) actual.add(byte)
    if (actual.value !== checksum) throw broken('the checksum of a block is wrong')
    combined = (((combined << 1) | (combined >>> 31)) ^ checksum) >>> 0
    parts.push(part)
    bytes += part.length
  }
}

function readBlock(input: BitReader, blockSize: number): Uint8Array {
  if (input.read(1) === 1) throw broken('its blocks are randomised, as only versions before 0.9.5 did')
  const origin = input.read(24)
  const used: number[] = []
  const groups = input.read(16)
  for (let group = 0; group < 16; group++) {
    if (!(groups & (0x8000 >>> group))) continue
    const bits = input.read(16)
    for (let bit = 0; bit < 16; bit++) if (bits & (0x8000 >>> bit)) used.push(16 * group + bit)
  }
  if (used.length === 0) throw broken('a block uses no byte')
  const alphabet = used.length + 2
  const tableCount = input.read(3)
  const selectorCount = input.read(15)
  if (tableCount < 2 || tableCount > tablesMax) throw broken(`${tableCount} tables`)
  if (selectorCount === 0) throw broken('no selectors')
  const selectors = new Uint8Array(Math.min(selectorCount, selectorsMax))
  const places = Array.from({ length: tableCount }, (_, table) => table)
  for (let i = 0; i < selectorCount; i++) {
    let place = 0
    while (input.read(1) === 1) if (++place >= tableCount) throw broken('a selector for no table')
    const [table] = places.splice(place, 1) as [number]
    places.unshift(table)
    // Some writers add selectors that nothing needs.
    if (i < selectors.length) selectors[i] = table
  }
  const tables = Array.from({ length: tableCount }, () => new Decoder(readLengths(input, alphabet)))
  const last = readSymbols(input, tables, selectors, used, blockSize)
  if (origin >= last.length) throw broken('the data begins outside of the block')
  return unsort(last, origin)
}

function readLengths(input: BitReader, alphabet: number): Uint8Array {
  const lengths = new Uint8Array(alphabet)
  let length = input.read(5)
  for (let symbol = 0; symbol < alphabet; symbol++) {
    while (true) {
      if (length < 1 || length > codeBitsReadMax) throw broken(`a code of ${length} bits`)
      if (input.read(1) === 0) break
      length += input.read(1) === 0 ? 1 : -1
    }
    lengths[symbol] = length
  }
  return lengths
}

function readSymbols(
  input: BitReader,
  tables: readonly Decoder[],
  selectors: Uint8Array,
  used: readonly number[],
  blockSize: number,
): Uint8Array {
  const list = Uint8Array.from(used)
  const end = used.length + 1
  let last = new Uint8Array(Math.min(blockSize, 65_536))
  let count = 0
  const reserve = (more: number): void => {
    if (count + more > blockSize) throw broken(`a block of more than ${blockSize} bytes`)
    if (count + more <= last.length) return
    const grown = new Uint8Array(Math.min(blockSize, Math.max(count + more, 2 * last.length)))
    grown.set(last)
    last = grown
  }
  let run = 0
  let digit = 1
  for (let index = 0; ; index++) {
    const selector = Math.floor(index / symbolsPerSelector)
    if (selector >= selectors.length) throw broken('a block has more symbols than selectors')
    const symbol = (tables[selectors[selector] as number] as Decoder).read(input)
    if (symbol < 2) {
      run += digit << symbol
      digit <<= 1
      if (run > blockSize) throw broken('a run is longer than a block')
      continue
    }
    if (run > 0) {
      reserve(run)
      last.fill(list[0] as number, count, count + run)
      count += run
      run = 0
      digit = 1
    }
    if (symbol === end) return last.subarray(0, count)
    reserve(1)
    const place = symbol - 1
    const byte = list[place] as number
    list.copyWithin(1, 0, place)
    list[0] = byte
    last[count++] = byte
  }
}

/** Undoes the sorting. */
function unsort(last: Uint8Array, origin: number): Uint8Array {
  const { length } = last
  const starts = new Int32Array(257)
  for (const byte of last) starts[byte + 1] = (starts[byte + 1] as number) + 1
  for (let byte = 0; byte < 256; byte++) starts[byte + 1] = (starts[byte + 1] as number) + (starts[byte] as number)
  const next = new Int32Array(length)
  for (let place = 0; place < length; place++) {
    const byte = last[place] as number
    const at = starts[byte] as number
    starts[byte] = at + 1
    next[at] = place
  }
  const block = new Uint8Array(length)
  for (let i = 0, place = next[origin] as number; i < length; i++, place = next[place] as number)
    block[i] = last[place] as number
  return block
}

/** Calls back for each run of a block's bytes. */
function eachRun(block: Uint8Array, take: (byte: number, length: number) => void): void {
  for (let at = 0; at < block.length; ) {
    const byte = block[at] as number
    let end = at + 1
    while (end < block.length && end - at < 4 && block[end] === byte) end++
    const more = end - at === 4 && end < block.length ? (block[end++] as number) : 0
    take(byte, (end - at === 5 ? 4 : end - at) + more)
    at = end
  }
}

function decodedBytes(block: Uint8Array): number {
  let bytes = 0
  eachRun(block, (_, length) => {
    bytes += length
  })
  return bytes
}

function decodeRuns(block: Uint8Array, bytes: number): Uint8Array {
  const out = new Uint8Array(bytes)
  let at = 0
  eachRun(block, (byte, length) => {
    out.fill(byte, at, at + length)
    at += length
  })
  return out
}

/** Reads codes of a table bit by bit, as canonical codes allow: a code of n bits is below the limit for n. */
class Decoder {
  readonly #limits = new Int32Array(codeBitsReadMax + 1)
  readonly #offsets = new Int32Array(codeBitsReadMax + 1)
  readonly #symbols: Uint16Array
  readonly #least: number

  constructor(lengths: Uint8Array) {
    this.#symbols = new Uint16Array(lengths.length)
    this.#least = lengths.reduce((least, length) => Math.min(least, length), codeBitsReadMax)
    let code = 0
    let count = 0
    for (let bits = 1; bits <= codeBitsReadMax; bits++) {
      code <<= 1
      this.#offsets[bits] = count - code
      for (let symbol = 0; symbol < lengths.length; symbol++) {
        if (lengths[symbol] !== bits) continue
        this.#symbols[count++] = symbol
        code++
      }
      if (code > 2 ** bits) throw broken('a table has more codes than there are')
      this.#limits[bits] = code
    }
  }

  read(input: BitReader): number {
    let bits = this.#least
    let code = input.read(bits)
    while (code >= (this.#limits[bits] as number)) {
      if (++bits > codeBitsReadMax) throw broken('a code that no symbol has')
      code = (code << 1) | input.read(1)
    }
    const symbol = this.#symbols[code + (this.#offsets[bits] as number)]
    if (symbol === undefined) throw broken('a code that no symbol has')
    return symbol
  }
}

const checksumTable = new Int32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let value = byte << 24
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1
  checksumTable[byte] = value
}

/** CRC-32 from the highest bit down, unlike the one of gzip. */
class Checksum {
  #value = -1

  get value(): number {
    return ~this.#value >>> 0
  }

  add(byte: number): void {
    const value = this.#value
    this.#value = (value << 8) ^ (checksumTable[(value >>> 24) ^ byte] as number)
  }

  repeat(byte: number, times: number): void {
    for (let i = 0; i < times; i++) this.add(byte)
  }
}

class BitWriter {
  #bytes: Buffer
  #at = 0
  #word = 0
  #bits = 0

  constructor(bytesHint: number) {
    this.#bytes = Buffer.allocUnsafe(bytesHint)
  }

  /** The lowest `count` bits of a value, 24 at most. */
  write(count: number, value: number): void {
    this.#word = (this.#word << count) | value
    this.#bits += count
    while (this.#bits >= 8) {
      this.#bits -= 8
      this.#push((this.#word >>> this.#bits) & 0xff)
    }
    this.#word &= 0xff
  }

  write32(value: number): void {
    this.write(16, value >>> 16)
    this.write(16, value & 0xffff)
  }

  finish(): Buffer {
    if (this.#bits > 0) this.write(8 - this.#bits, 0)
    return this.#bytes.subarray(0, this.#at)
  }

  #push(byte: number): void {
    if (this.#at === this.#bytes.length) {
      const grown = Buffer.allocUnsafe(2 * this.#bytes.length)
      this.#bytes.copy(grown)
      this.#bytes = grown
    }
    this.#bytes[this.#at++] = byte
  }
}

class BitReader {
  readonly #bytes: Uint8Array
  #at: number
  #word = 0
  #bits = 0

  constructor(bytes: Uint8Array, from: number) {
    this.#bytes = bytes
    this.#at = from
  }

  /** Place of the first byte of which nothing was read. */
  get nextByte(): number {
    return this.#at
  }

  /** Bits of the byte before that are not read yet. */
  get bitsLeft(): number {
    return this.#bits
  }

  /** The next bits as a number, 24 at most. */
  read(count: number): number {
    while (this.#bits < count) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined) throw broken('it is cut off')
      this.#at++
      this.#word = (this.#word << 8) | byte
      this.#bits += 8
    }
    this.#bits -= count
    const value = (this.#word >>> this.#bits) & (2 ** count - 1)
    this.#word &= 2 ** this.#bits - 1
    return value
  }

  read32(): number {
    return this.read(16) * 65_536 + this.read(16)
  }
}

function broken(problem: string): FlumeError {
  return new FlumeError('INVALID_DATA', `broken bzip2 data: ${problem}`)
}
