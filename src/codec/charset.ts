import { isUtf8 } from 'node:buffer'

/**
 * Charsets by their Java names, as far as files of events need them.
 *
 * Malformed input is found and measured as Java's decoders do it, so that U+FFFD stands as often as there: a surrogate
 * written in UTF-8 is one mistake of three bytes, not three mistakes. The tables of the old charsets are those of
 * Node's TextDecoder, corrected where WHATWG reads a name as something else (iso-8859-1 as windows-1252, for one).
 */
export interface Charset {
  readonly name: string
  /** Bytes of a line feed and the grid it stands on: 2 in UTF-16. */
  readonly unitBytes: 1 | 2
  /** Bytes below 0x80 are ASCII and nothing else. */
  readonly ascii: boolean
  /** Every sequence of bytes is a text, so there is no malformed input. */
  readonly total: boolean
  /** Most bytes of one UTF-16 unit of text. */
  readonly bytesPerUnitMax: number
  /** Bytes and UTF-16 units of the character (or of the malformed sequence) at `position`. */
  charAt(bytes: Uint8Array, position: number): { readonly bytes: number; readonly units: number }
  /** The text; malformed sequences become `replacement`, and without one the answer is undefined. */
  decode(bytes: Uint8Array, replacement: '\uFFFD' | '' | undefined): string | undefined
  /** The text's bytes, `?` for what the charset does not have; absent where only decoding is known. */
  readonly encode?: (text: string) => Uint8Array
}

const replacementUnit = 0xfffd

// ── UTF-8 ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80

/** Length of the UTF-8 sequence at `position`, negative when it is malformed (Java's `malformedN`). */
function utf8Length(bytes: Uint8Array, position: number): number {
  const first = bytes[position] as number
  if (first < 0x80) return 1
  if (first < 0xc2 || first > 0xf4) return -1
  const second = bytes[position + 1]
  if (second === undefined || !isContinuation(second)) return -1
  if (first < 0xe0) return 2
  const third = bytes[position + 2]
  if (first < 0xf0) {
    if (first === 0xe0 && second < 0xa0) return -1
    if (!isContinuation(third)) return -2
    return first === 0xed && second >= 0xa0 ? -3 : 3
  }
  if ((first === 0xf0 && second < 0x90) || (first === 0xf4 && second >= 0x90)) return -1
  if (!isContinuation(third)) return -2
  return isContinuation(bytes[position + 3]) ? 4 : -3
}

/** UTF-8 bytes with each malformed sequence replaced; the same bytes when there is none, undefined when there is one and no replacement. */
export function repairUtf8(bytes: Uint8Array, replacement: '\uFFFD' | '' | undefined): Uint8Array | undefined {
  if (isUtf8(bytes)) return bytes
  if (replacement === undefined) return undefined
  const instead = Buffer.from(replacement)
  const parts: Uint8Array[] = []
  let good = 0
  for (let position = 0; position < bytes.length; ) {
    const length = utf8Length(bytes, position)
    if (length < 0) {
      parts.push(bytes.subarray(good, position), instead)
      good = position - length
    }
    position += Math.abs(length)
  }
  parts.push(bytes.subarray(good))
  return Buffer.concat(parts)
}

const utf8: Charset = {
  name: 'UTF-8',
  unitBytes: 1,
  ascii: true,
  total: false,
  bytesPerUnitMax: 3,
  charAt(bytes, position) {
    const length = utf8Length(bytes, position)
    return { bytes: Math.abs(length), units: length === 4 ? 2 : 1 }
  },
  decode(bytes, replacement) {
    const repaired = repairUtf8(bytes, replacement)
    // Unlike TextDecoder, Buffer keeps a byte order mark (S-83).
    return repaired && asBuffer(repaired).toString('utf8')
  },
  encode: (text) => Buffer.from(text),
}

// ── UTF-16 ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function utf16(name: string, littleEndian: boolean): Charset {
  const unitAt = (bytes: Uint8Array, position: number): number => {
    const low = bytes[littleEndian ? position : position + 1]
    const high = bytes[littleEndian ? position + 1 : position]
    return low === undefined || high === undefined ? -1 : (high << 8) | low
  }
  /** UTF-16 units of the character at `position`; 0 when it is malformed. */
  const unitsAt = (bytes: Uint8Array, position: number): number => {
    const unit = unitAt(bytes, position)
    if (unit < 0 || (unit >= 0xdc00 && unit < 0xe000)) return 0
    if (unit < 0xd800 || unit >= 0xe000) return 1
    const next = unitAt(bytes, position + 2)
    return next >= 0xdc00 && next < 0xe000 ? 2 : 0
  }
  return {
    name,
    unitBytes: 2,
    ascii: false,
    total: false,
    bytesPerUnitMax: 2,
    charAt(bytes, position) {
      const units = unitsAt(bytes, position)
      return { bytes: Math.min(2 * Math.max(1, units), bytes.length - position), units: Math.max(1, units) }
    },
    decode(bytes, replacement) {
      const units = new Uint16Array(Math.ceil(bytes.length / 2))
      let used = 0
      for (let position = 0; position < bytes.length; ) {
        const count = unitsAt(bytes, position)
        if (count === 0) {
          if (replacement === undefined) return undefined
          if (replacement !== '') units[used++] = replacementUnit
        }
        for (let i = 0; i < count; i++) units[used++] = unitAt(bytes, position + 2 * i)
        position += 2 * Math.max(1, count)
      }
      return textOf(units.subarray(0, used))
    },
    encode(text) {
      const bytes = Buffer.from(text, 'utf16le')
      return littleEndian ? bytes : bytes.swap16()
    },
  }
}

const utf16be = utf16('UTF-16BE', false)
const utf16le = utf16('UTF-16LE', true)
const byteOrderMark = Buffer.from([0xfe, 0xff])
/** Java's UTF-16: the byte order mark decides and is no part of the text, big endian without one; written with a mark. */
const utf16Marked: Charset = {
  ...utf16be,
  name: 'UTF-16',
  encode: (text) => Buffer.concat([byteOrderMark, Buffer.from(text, 'utf16le').swap16()]),
}

/** What a file that begins with `head` is really written in, and how many bytes of mark come first. */
export function charsetOfFile(
  charset: Charset,
  head: Uint8Array,
): { readonly charset: Charset; readonly skip: number } {
  if (charset.name !== 'UTF-16') return { charset, skip: 0 }
  if (head[0] === 0xff && head[1] === 0xfe) return { charset: utf16le, skip: 2 }
  return { charset: utf16be, skip: head[0] === 0xfe && head[1] === 0xff ? 2 : 0 }
}

// ── One byte, one character ────────────────────────────────────────────────────────────────────────────────────────

const oneByte = { bytes: 1, units: 1 } as const

/** A charset of 256 characters; U+FFFD in the table is a byte without meaning. */
function singleByte(name: string, table: Uint16Array): Charset {
  let codes: Map<number, number> | undefined
  return {
    name,
    unitBytes: 1,
    ascii: true,
    total: !table.includes(replacementUnit),
    bytesPerUnitMax: 1,
    charAt: () => oneByte,
    decode(bytes, replacement) {
      const units = new Uint16Array(bytes.length)
      let used = 0
      for (const byte of bytes) {
        const unit = table[byte] as number
        if (unit !== replacementUnit) units[used++] = unit
        else if (replacement === undefined) return undefined
        else if (replacement !== '') units[used++] = unit
      }
      return textOf(units.subarray(0, used))
    },
    encode(text) {
      codes ??= new Map(
        Array.from(table, (unit, byte) => [unit, byte] as const).filter(([unit]) => unit !== replacementUnit),
      )
      const bytes = Buffer.allocUnsafe(text.length)
      let used = 0
      for (const character of text) bytes[used++] = codes.get(character.codePointAt(0) as number) ?? 0x3f
      return bytes.subarray(0, used)
    },
  }
}

const latin1Table = Uint16Array.from({ length: 256 }, (_, byte) => byte)
/** Node 20's TextDecoder reads windows-1252 as ISO-8859-1, so its own part is written here. */
const windows1252Special =
  '\u20AC\uFFFD\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\uFFFD\u017D\uFFFD\uFFFD\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\uFFFD\u017E\u0178'
const asciiTable = latin1Table.map((unit) => (unit < 0x80 ? unit : replacementUnit))

/** Java gives the C1 range (0x80 to 0x9f) its control characters in ISO charsets, and in the others leaves such bytes without meaning. */
function tableOf(label: string, iso: boolean): Uint16Array {
  const decoder = new TextDecoder(label)
  return latin1Table.map((byte) => {
    if (byte < 0x80) return byte
    if (label === 'windows-1252') return byte < 0xa0 ? windows1252Special.charCodeAt(byte - 0x80) : byte
    const unit = decoder.decode(Uint8Array.of(byte)).charCodeAt(0)
    if (iso) return byte < 0xa0 ? byte : unit
    return unit >= 0x80 && unit < 0xa0 ? replacementUnit : unit
  })
}

// ── Several bytes, one character ───────────────────────────────────────────────────────────────────────────────────

/** East Asian charsets: no line feed byte ever stands inside a character. */
function multiByte(
  name: string,
  label: string,
  bytesMax: number,
  length: (bytes: Uint8Array, position: number) => number,
): Charset {
  const strict = new TextDecoder(label, { fatal: true, ignoreBOM: true })
  const lenient = new TextDecoder(label, { ignoreBOM: true })
  return {
    name,
    unitBytes: 1,
    ascii: true,
    total: false,
    bytesPerUnitMax: bytesMax,
    charAt: (bytes, position) => ({
      bytes: Math.min((bytes[position] as number) < 0x80 ? 1 : length(bytes, position), bytes.length - position),
      units: 1,
    }),
    decode(bytes, replacement) {
      try {
        return strict.decode(bytes)
      } catch {
        if (replacement === undefined) return undefined
        const text = lenient.decode(bytes)
        return replacement === '' ? text.replaceAll('\uFFFD', '') : text
      }
    },
  }
}

const two = (): number => 2

// ── By name ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Entry {
  readonly name: string
  readonly aliases: readonly string[]
  readonly make: () => Charset
}

function entry(name: string, aliases: readonly string[], make: (name: string) => Charset): Entry {
  return { name, aliases, make: () => make(name) }
}

const isoParts = [2, 3, 4, 5, 6, 7, 8, 9, 13, 15]
const windowsPages = [1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258]
const entries: readonly Entry[] = [
  entry('UTF-8', ['UTF8', 'unicode-1-1-utf-8'], () => utf8),
  entry('UTF-16', ['UTF16', 'UTF_16'], () => utf16Marked),
  entry('UTF-16BE', ['UTF_16BE', 'UnicodeBigUnmarked'], () => utf16be),
  entry('UTF-16LE', ['UTF_16LE', 'UnicodeLittleUnmarked'], () => utf16le),
  entry('US-ASCII', ['ASCII', 'ISO646-US', 'ANSI_X3.4-1968', '646'], (name) => singleByte(name, asciiTable)),
  entry('ISO-8859-1', ['ISO8859_1', 'ISO8859-1', 'ISO_8859-1', '8859_1', 'latin1', 'l1', 'Cp819'], (name) =>
    singleByte(name, latin1Table),
  ),
  ...isoParts.map((part) =>
    entry(`ISO-8859-${part}`, [`ISO8859_${part}`, `ISO8859-${part}`, `ISO_8859-${part}`, `8859_${part}`], (name) =>
      singleByte(name, tableOf(name, true)),
    ),
  ),
  ...windowsPages.map((page) =>
    entry(`windows-${page}`, [`Cp${page}`], (name) => singleByte(name, tableOf(name, false))),
  ),
  entry('KOI8-R', ['KOI8_R', 'KOI8'], (name) => singleByte(name, tableOf(name, false))),
  entry('KOI8-U', ['KOI8_U'], (name) => singleByte(name, tableOf(name, false))),
  entry('IBM866', ['Cp866', '866'], (name) => singleByte(name, tableOf(name, false))),
  entry('GBK', ['Cp936', 'windows-936', 'MS936'], (name) => multiByte(name, 'gbk', 2, two)),
  entry('GB2312', ['EUC_CN', 'EUC-CN', 'gb2312-80'], (name) => multiByte(name, 'gbk', 2, two)),
  entry('GB18030', ['gb18030-2000'], (name) =>
    multiByte(name, 'gb18030', 4, (bytes, position) => {
      const second = bytes[position + 1] ?? 0
      return second >= 0x30 && second <= 0x39 ? 4 : 2
    }),
  ),
  entry('Big5', ['Big5-HKSCS'], (name) => multiByte(name, 'big5', 2, two)),
  entry('EUC-KR', ['EUC_KR', 'KS_C_5601-1987', 'MS949'], (name) => multiByte(name, 'euc-kr', 2, two)),
  entry('EUC-JP', ['EUC_JP', 'eucjis'], (name) =>
    multiByte(name, 'euc-jp', 3, (bytes, position) => (bytes[position] === 0x8f ? 3 : 2)),
  ),
  entry('Shift_JIS', ['SJIS', 'shift-jis', 'windows-31j', 'MS932', 'Cp932'], (name) =>
    multiByte(name, 'shift_jis', 2, (bytes, position) => {
      const first = bytes[position] as number
      return first >= 0xa1 && first <= 0xdf ? 1 : 2
    }),
  ),
]
const made = new Map<Entry, Charset>()

/** The charset of that name, in any case, or undefined. */
export function charsetNamed(name: string): Charset | undefined {
  const wanted = name.toLowerCase()
  const found = entries.find((entry) => [entry.name, ...entry.aliases].some((known) => known.toLowerCase() === wanted))
  if (!found) return undefined
  const charset = made.get(found) ?? { ...found.make(), toString: () => found.name }
  made.set(found, charset)
  return charset
}

/** Names that `charsetNamed` knows, aliases left out. */
export const charsetNames: readonly string[] = entries.map(({ name }) => name)

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Text of UTF-16 units, on the little-endian machines that Node runs on. */
function textOf(units: Uint16Array): string {
  return Buffer.from(units.buffer, units.byteOffset, units.byteLength).toString('utf16le')
}
