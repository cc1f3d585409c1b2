/*
 * Records as bytes, so that they cross to another thread as a few buffers and not as objects.
 *
 * - Texts lie in one run of Latin-1 bytes, or of UTF-16 units when one of them needs it, with their lengths.
 * - Numbers lie as 32-bit integers where all are, else as doubles.
 * - Pairs are two columns. Flume events are the batch they lie in. Everything else is V8's own serialization.
 * - What is large lies in shared memory: sending it again, or to a third thread, copies nothing.
 * - Values come back equal, or are refused: nothing silently loses its class.
 */
import { deserialize, serialize } from 'node:v8'
import { asError } from '../../core/error.ts'
import { EventBatch } from '../../core/event-batch.ts'
import { FlumeEvents, SparkFlumeEvent } from '../receiver/flume-event.ts'
import type { Items } from './push.ts'

export type Column =
  | { readonly kind: 'same'; readonly count: number; readonly value: null | undefined | boolean | number }
  | { readonly kind: 'numbers'; readonly values: Int32Array | Float64Array }
  | { readonly kind: 'texts'; readonly lengths: Uint32Array; readonly bytes: Uint8Array; readonly isWide: boolean }
  | { readonly kind: 'pairs'; readonly keys: Column; readonly values: Column }
  | {
      readonly kind: 'events'
      readonly body: Uint8Array
      readonly starts: Uint32Array
      readonly ends: Uint32Array
      readonly headers: EventBatch['headers']
    }
  | { readonly kind: 'any'; readonly count: number; readonly bytes: Uint8Array }

/** Bytes from which on memory is shared: for less, copying is cheaper than a block of its own. */
const sharedBytesMin = 16_384
/** Characters that one run of texts may have; V8's strings hold little more. */
const textsCharactersMax = 2 ** 28
/** How deep a record may nest; deeper ones, circles among them, do not cross. */
const depthMax = 100

/** Records that only the thread which made them can use. */
export class CannotCross extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'CannotCross'
  }
}

function allocate(byteLength: number): ArrayBuffer | SharedArrayBuffer {
  return byteLength < sharedBytesMin ? new ArrayBuffer(byteLength) : new SharedArrayBuffer(byteLength)
}

function sharedBytes(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(allocate(bytes.length))
  copy.set(bytes)
  return copy
}

function sharedNumbers(numbers: Uint32Array): Uint32Array {
  const copy = new Uint32Array(allocate(numbers.byteLength))
  copy.set(numbers)
  return copy
}

/** Throws CannotCross for records that would come back as something else. */
export function encodeRecords(items: Items<unknown>): Column {
  if (items instanceof FlumeEvents) return encodeEvents(items.batch)
  return encodeList(Array.isArray(items) ? items : [...items])
}

/** The pairs of two lists of one length. */
export function encodePairs(keys: readonly unknown[], values: readonly unknown[]): Column {
  return { kind: 'pairs', keys: encodeList(keys), values: encodeList(values) }
}

function encodeList(items: readonly unknown[]): Column {
  const [first] = items
  switch (typeof first) {
    case 'string':
      if (items.every((item) => typeof item === 'string')) return encodeTexts(items as readonly string[])
      break
    case 'number':
      if (items.every((item) => typeof item === 'number')) return encodeNumbers(items as readonly number[])
      break
    case 'undefined':
    case 'boolean':
      if (items.every((item) => item === first)) return { kind: 'same', count: items.length, value: first as undefined }
      break
    case 'object':
      if (first === null) {
        if (items.every((item) => item === null)) return { kind: 'same', count: items.length, value: null }
      } else if (Array.isArray(first)) {
        if (items.every((item) => Array.isArray(item) && item.length === 2)) return encodeAllPairs(items as unknown[][])
      } else if (first instanceof SparkFlumeEvent && items.every((item) => item instanceof SparkFlumeEvent)) {
        return encodeEvents(EventBatch.of(items as readonly SparkFlumeEvent[]))
      }
  }
  return encodeAny(items)
}

function encodeAllPairs(pairs: readonly (readonly unknown[])[]): Column {
  const keys = new Array<unknown>(pairs.length)
  const values = new Array<unknown>(pairs.length)
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i] as readonly unknown[]
    keys[i] = pair[0]
    values[i] = pair[1]
  }
  return encodePairs(keys, values)
}

function encodeNumbers(items: readonly number[]): Column {
  const [first] = items as [number]
  // -0 is a double, and differs from 0 for Object.is.
  const areSmall = items.every((item) => (item | 0) === item && !Object.is(item, -0))
  if (areSmall && items.every((item) => item === first)) return { kind: 'same', count: items.length, value: first }
  const values = areSmall ? new Int32Array(allocate(items.length * 4)) : new Float64Array(allocate(items.length * 8))
  for (let i = 0; i < items.length; i++) values[i] = items[i] as number
  return { kind: 'numbers', values }
}

function encodeTexts(items: readonly string[]): Column {
  const lengths = new Uint32Array(allocate(items.length * 4))
  let total = 0
  for (let i = 0; i < items.length; i++) total += lengths[i] = (items[i] as string).length
  if (total > textsCharactersMax) return encodeAny(items)
  const joined = items.join('')
  const isWide = /[^\u0000-\u00ff]/.test(joined)
  const bytes = new Uint8Array(allocate(isWide ? total * 2 : total))
  Buffer.from(bytes.buffer).write(joined, isWide ? 'utf16le' : 'latin1')
  return { kind: 'texts', lengths, bytes, isWide }
}

function encodeEvents({ body, starts, ends, headers }: EventBatch): Column {
  return {
    kind: 'events',
    body: sharedBytes(body),
    starts: sharedNumbers(starts),
    ends: sharedNumbers(ends),
    headers,
  }
}

function encodeAny(items: readonly unknown[]): Column {
  for (const item of items) checkCrossing(item, 0)
  let bytes: Buffer
  try {
    bytes = serialize(items)
  } catch (error) {
    throw new CannotCross(asError(error).message)
  }
  return { kind: 'any', count: items.length, bytes: sharedBytes(bytes) }
}

/** Objects that come back as they were, apart from lists, plain objects, maps and sets, whose contents count. */
const plainPrototypes = new Set<unknown>(
  [
    ...[Date, RegExp, ArrayBuffer, SharedArrayBuffer, DataView, Buffer, Uint8Array, Int8Array, Uint8ClampedArray],
    ...[Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array],
  ].map((type) => type.prototype),
)

/** Throws CannotCross for what would come back as something else. */
function checkCrossing(value: unknown, depth: number): void {
  if (typeof value === 'function' || typeof value === 'symbol') throw new CannotCross(`a ${typeof value}`)
  if (typeof value !== 'object' || value === null) return
  if (depth > depthMax) throw new CannotCross(`an object that nests more than ${depthMax} deep`)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Array.prototype) {
    for (const item of value as readonly unknown[]) checkCrossing(item, depth + 1)
    return
  }
  if (prototype === Object.prototype) {
    for (const name in value) checkCrossing((value as Record<string, unknown>)[name], depth + 1)
  } else if (prototype === Map.prototype || prototype === Set.prototype) {
    for (const [key, item] of (value as Map<unknown, unknown>).entries()) {
      checkCrossing(key, depth + 1)
      checkCrossing(item, depth + 1)
    }
  } else if (!plainPrototypes.has(prototype)) {
    throw new CannotCross(
      prototype === null
        ? 'an object without prototype'
        : `an object of class ${(prototype as object).constructor?.name}`,
    )
  }
}

/** Records in a column. */
export function countOf(column: Column): number {
  switch (column.kind) {
    case 'numbers':
      return column.values.length
    case 'texts':
      return column.lengths.length
    case 'pairs':
      return countOf(column.keys)
    case 'events':
      return column.starts.length
    default:
      return column.count
  }
}

/** Bytes in the buffers of a column. */
export function bytesOf(column: Column): number {
  switch (column.kind) {
    case 'same':
      return 0
    case 'numbers':
      return column.values.byteLength
    case 'texts':
      return column.lengths.byteLength + column.bytes.byteLength
    case 'pairs':
      return bytesOf(column.keys) + bytesOf(column.values)
    case 'events':
      return column.body.byteLength + column.starts.byteLength + column.ends.byteLength
    case 'any':
      return column.bytes.byteLength
  }
}

/** A column in parts of at most `countMax` records, in order and without a copy; one that cannot be cut is one part. */
export function* piecesOf(column: Column, countMax: number): IterableIterator<Column> {
  const count = countOf(column)
  const cut = count > countMax ? cutter(column) : undefined
  if (!cut) {
    if (count > 0) yield column
    return
  }
  for (let at = 0; at < count; at += countMax) yield cut(at, Math.min(count, at + countMax))
}

/** Cuts parts that follow each other; undefined for what cannot be cut. */
function cutter(column: Column): ((from: number, to: number) => Column) | undefined {
  switch (column.kind) {
    case 'same':
      return (from, to) => ({ ...column, count: to - from })
    case 'numbers':
      return (from, to) => ({ kind: 'numbers', values: column.values.subarray(from, to) })
    case 'texts':
      return textCutter(column)
    case 'pairs': {
      const keys = cutter(column.keys)
      const values = cutter(column.values)
      return keys && values && ((from, to) => ({ kind: 'pairs', keys: keys(from, to), values: values(from, to) }))
    }
    default:
      return undefined
  }
}

function textCutter({
  lengths,
  bytes,
  isWide,
}: Extract<Column, { kind: 'texts' }>): (from: number, to: number) => Column {
  let begin = 0
  return (from, to) => {
    let end = begin
    for (let i = from; i < to; i++) end += (lengths[i] as number) * (isWide ? 2 : 1)
    const piece = bytes.subarray(begin, end)
    begin = end
    return { kind: 'texts', lengths: lengths.subarray(from, to), bytes: piece, isWide }
  }
}

/** The records of a column, made anew at each call. */
export function decodeRecords(column: Column): Items<unknown> {
  if (column.kind === 'events') {
    const { body, starts, ends, headers } = column
    return new FlumeEvents(new EventBatch(body, starts, ends, headers))
  }
  return decodeList(column)
}

/** The same as a list of its own. */
export function decodeList(column: Column): unknown[] {
  switch (column.kind) {
    case 'same':
      return new Array<unknown>(column.count).fill(column.value)
    case 'numbers':
      return Array.from(column.values)
    case 'texts':
      return decodeTexts(column)
    case 'pairs': {
      const keys = decodeList(column.keys)
      const values = decodeList(column.values)
      for (let i = 0; i < keys.length; i++) keys[i] = [keys[i], values[i]]
      return keys
    }
    case 'events':
      return [...decodeRecords(column)]
    case 'any':
      // V8 reads from memory of its own only.
      return deserialize(Buffer.from(column.bytes)) as unknown[]
  }
}

/** The halves of a column of pairs. */
export function decodePairs(column: Column): { readonly keys: unknown[]; readonly values: unknown[] } {
  if (column.kind === 'pairs') return { keys: decodeList(column.keys), values: decodeList(column.values) }
  const pairs = decodeList(column) as readonly (readonly [unknown, unknown])[]
  return { keys: pairs.map(([key]) => key), values: pairs.map(([, value]) => value) }
}

function decodeTexts({ lengths, bytes, isWide }: Extract<Column, { kind: 'texts' }>): string[] {
  const joined = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(isWide ? 'utf16le' : 'latin1')
  const texts = new Array<string>(lengths.length)
  let at = 0
  for (let i = 0; i < lengths.length; i++) {
    const end = at + (lengths[i] as number)
    texts[i] = joined.slice(at, end)
    at = end
  }
  return texts
}
