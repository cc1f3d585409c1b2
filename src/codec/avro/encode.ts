// Values of the language into Avro's binary form, by a schema.
//   null, undefined → null · boolean · number, bigint → int, long · number → float, double · string → string, enum
//   Uint8Array → bytes, fixed · list, Set → array · object, Map → map · object → record · Date → the logical types of time
import { FlumeError } from '../../core/error.ts'
import type { AvroWriter } from './binary.ts'
import { AvroSchema } from './schema.ts'

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }
type JsonObject = { readonly [name: string]: Json }

/** Values inside values, so that one that holds itself ends. */
const depthMax = 1000
const dayMs = 86_400_000

/** How values of one type are written, and which values it takes. */
interface Codec {
  readonly name: string
  /** Is it a value for this branch of a union? Looks no deeper than it must to tell branches apart. */
  fits(value: unknown): boolean
  write(writer: AvroWriter, value: unknown, path: Path): void
}

/** Where in a record a value stands, for messages. */
interface Path {
  readonly name: string
  readonly outer: Path | undefined
  readonly depth: number
}

/** Writes values of one schema. */
export class AvroEncoder {
  readonly #codec: Codec

  private constructor(codec: Codec) {
    this.#codec = codec
  }

  /** Throws INVALID_DATA for what is no schema. */
  static of(schema: string): AvroEncoder {
    AvroSchema.parse(schema)
    return new AvroEncoder(new Builder().build(JSON.parse(schema) as Json, ''))
  }

  /** Adds one value. Throws INVALID_DATA, naming the field, for one that the schema does not have; the writer is then of no use. */
  write(writer: AvroWriter, value: unknown): void {
    this.#codec.write(writer, value, { name: 'a record', outer: undefined, depth: 0 })
  }
}

class Builder {
  readonly #named = new Map<string, Codec>()

  build(json: Json, namespace: string): Codec {
    if (typeof json === 'string') return this.#byName(json, namespace)
    if (Array.isArray(json)) return union(json.map((branch: Json) => this.build(branch, namespace)))
    const type = json as JsonObject
    const kind = type['type'] as Json
    switch (kind) {
      case 'record':
      case 'error':
        return this.#record(type, namespace)
      case 'enum':
        return this.#name(type, namespace, enumeration(type))
      case 'fixed':
        return this.#name(type, namespace, fixed(type))
      case 'array':
        return array(this.build(type['items'] as Json, namespace))
      case 'map':
        return map(this.build(type['values'] as Json, namespace))
      default: {
        const logical = typeof kind === 'string' ? logicalTypes[`${type['logicalType']} ${kind}`] : undefined
        return logical ?? this.build(kind, namespace)
      }
    }
  }

  #byName(name: string, namespace: string): Codec {
    const primitive = Object.hasOwn(primitives, name) ? primitives[name] : undefined
    return primitive ?? ((this.#named.get(fullName(name, namespace)) ?? this.#named.get(name)) as Codec)
  }

  #record(type: JsonObject, outer: string): Codec {
    const fields: { readonly name: string; readonly codec: Codec }[] = []
    const codec: Codec = {
      name: String(type['name']),
      // Told apart by their fields: all that have to be there are.
      fits: (value) => isObject(value) && fields.every(({ name, codec: field }) => field.fits(value[name])),
      write: (writer, value, path) => {
        if (!isObject(value)) throw unfit(value, codec.name, path)
        if (path.depth > depthMax) throw new FlumeError('LIMIT', `values lie more than ${depthMax} deep in each other`)
        for (const { name, codec: field } of fields) field.write(writer, value[name], inside(path, name))
        checkNoMore(value, fields, path)
      },
    }
    this.#name(type, outer, codec)
    const space = namespaceOf(type, outer)
    for (const field of type['fields'] as readonly JsonObject[]) {
      fields.push({ name: field['name'] as string, codec: this.build(field['type'] as Json, space) })
    }
    return codec
  }

  #name(type: JsonObject, outer: string, codec: Codec): Codec {
    const name = type['name'] as string
    this.#named.set(fullName(name, namespaceOf(type, outer)), codec)
    return codec
  }
}

/** A field that the schema does not have would be lost without a word. */
function checkNoMore(
  value: Readonly<Record<string, unknown>>,
  fields: readonly { readonly name: string }[],
  path: Path,
): void {
  let known = 0
  for (const { name } of fields) if (Object.hasOwn(value, name)) known++
  const names = Object.keys(value)
  if (names.length <= known) return
  for (const name of names) {
    if (value[name] !== undefined && !fields.some((field) => field.name === name)) {
      throw new FlumeError('INVALID_DATA', `${textOf(path)} has ${JSON.stringify(name)}, and the schema has not`)
    }
  }
}

function primitive(name: string, fits: (value: unknown) => boolean, write: (writer: AvroWriter, value: never) => void) {
  return {
    name,
    fits,
    write: (writer: AvroWriter, value: unknown, path: Path) => {
      if (!fits(value)) throw unfit(value, name, path)
      write(writer, value as never)
    },
  }
}

const isNothing = (value: unknown): boolean => value === null || value === undefined
const isWhole = (value: unknown): boolean =>
  typeof value === 'number'
    ? Number.isSafeInteger(value)
    : typeof value === 'bigint' && BigInt.asIntN(64, value) === value
const isInt = (value: unknown): boolean => isWhole(value) && Number(value) >= -(2 ** 31) && Number(value) < 2 ** 31
const isNumber = (value: unknown): boolean => typeof value === 'number'
const isDate = (value: unknown): boolean => value instanceof Date && !Number.isNaN(value.getTime())

const primitives: Readonly<Record<string, Codec>> = {
  null: primitive('null', isNothing, () => undefined),
  boolean: primitive(
    'boolean',
    (value) => typeof value === 'boolean',
    (writer, value: boolean) => writer.boolean(value),
  ),
  int: primitive('int', isInt, (writer, value: number | bigint) => writer.long(Number(value))),
  long: primitive('long', isWhole, writeLong),
  float: primitive('float', isNumber, (writer, value: number) => {
    const bytes = Buffer.allocUnsafe(4)
    bytes.writeFloatLE(value)
    writer.fixed(bytes)
  }),
  double: primitive('double', isNumber, (writer, value: number) => {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeDoubleLE(value)
    writer.fixed(bytes)
  }),
  bytes: primitive(
    'bytes',
    (value) => value instanceof Uint8Array,
    (writer, value: Uint8Array) => writer.data(value, 0, value.length),
  ),
  string: primitive(
    'string',
    (value) => typeof value === 'string',
    (writer, value: string) => writer.string(value),
  ),
}

function dated(name: string, of: (timeMs: number) => number, fitsOtherwise: (value: unknown) => boolean): Codec {
  return primitive(
    name,
    (value) => isDate(value) || fitsOtherwise(value),
    (writer, value: Date | number | bigint) => writeLong(writer, value instanceof Date ? of(value.getTime()) : value),
  )
}

const logicalTypes: Readonly<Record<string, Codec>> = {
  'date int': dated('date', (timeMs) => Math.floor(timeMs / dayMs), isInt),
  'timestamp-millis long': dated('timestamp-millis', (timeMs) => timeMs, isWhole),
  'timestamp-micros long': dated('timestamp-micros', (timeMs) => timeMs * 1000, isWhole),
}

function writeLong(writer: AvroWriter, value: number | bigint): void {
  if (typeof value === 'number' && Math.abs(value) < 2 ** 51) {
    writer.long(value)
    return
  }
  // Beyond that, zig-zag numbers do not fit into doubles.
  const long = BigInt(value)
  let zigzag = BigInt.asUintN(64, (long << 1n) ^ (long >> 63n))
  const bytes: number[] = []
  for (; zigzag > 0x7fn; zigzag >>= 7n) bytes.push(Number(zigzag & 0x7fn) | 0x80)
  bytes.push(Number(zigzag))
  writer.fixed(Uint8Array.from(bytes))
}

function enumeration(type: JsonObject): Codec {
  const places = new Map((type['symbols'] as readonly string[]).map((symbol, place) => [symbol, place]))
  return primitive(
    `${type['name']}`,
    (value) => places.has(value as string),
    (writer, value: string) => writer.long(places.get(value) as number),
  )
}

function fixed(type: JsonObject): Codec {
  const size = type['size'] as number
  return primitive(
    `${type['name']} (${size} bytes)`,
    (value) => value instanceof Uint8Array && value.length === size,
    (writer, value: Uint8Array) => writer.fixed(value),
  )
}

function array(item: Codec): Codec {
  return {
    name: 'array',
    fits: (value) => Array.isArray(value) || value instanceof Set,
    write: (writer, value, path) => {
      if (!Array.isArray(value) && !(value instanceof Set)) throw unfit(value, 'array', path)
      const items = Array.isArray(value) ? value : [...value]
      if (items.length > 0) writer.long(items.length)
      for (let i = 0; i < items.length; i++) item.write(writer, items[i], inside(path, String(i)))
      writer.long(0)
    },
  }
}

function map(item: Codec): Codec {
  return {
    name: 'map',
    fits: (value) => value instanceof Map || isObject(value),
    write: (writer, value, path) => {
      if (!(value instanceof Map) && !isObject(value)) throw unfit(value, 'map', path)
      const entries = value instanceof Map ? [...value] : Object.entries(value)
      if (entries.length > 0) writer.long(entries.length)
      for (const [key, one] of entries) {
        if (typeof key !== 'string') throw unfit(key, 'the key of a map, which is text', path)
        writer.string(key)
        item.write(writer, one, inside(path, key))
      }
      writer.long(0)
    },
  }
}

function union(branches: readonly Codec[]): Codec {
  const name = branches.map((branch) => branch.name).join(' or ')
  const nothing = branches.findIndex((branch) => branch.name === 'null')
  // Of two branches, the other one takes what is not null, and says best what is wrong inside.
  const only = branches.length === 2 && nothing >= 0 ? 1 - nothing : undefined
  return {
    name,
    fits: (value) => branches.some((branch) => branch.fits(value)),
    write: (writer, value, path) => {
      const place =
        isNothing(value) && nothing >= 0 ? nothing : (only ?? branches.findIndex((branch) => branch.fits(value)))
      if (place < 0) throw unfit(value, name, path)
      writer.long(place)
      ;(branches[place] as Codec).write(writer, value, path)
    },
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array || value instanceof Date || value instanceof Map || value instanceof Set)
  )
}

function inside(outer: Path, name: string): Path {
  return { name, outer, depth: outer.depth + 1 }
}

function textOf(path: Path): string {
  const names: string[] = []
  for (let at: Path | undefined = path; at?.outer; at = at.outer) names.unshift(at.name)
  return names.length === 0 ? 'a record' : `the field ${names.join('.')} of a record`
}

function unfit(value: unknown, wanted: string, path: Path): FlumeError {
  return new FlumeError('INVALID_DATA', `${textOf(path)} is ${described(value)}, and the schema wants ${wanted}`)
}

/** A value in short. */
function described(value: unknown): string {
  if (value === undefined) return 'missing'
  if (typeof value === 'string') return `the text ${JSON.stringify(value.slice(0, 40))}`
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (Array.isArray(value)) return 'a list'
  if (typeof value !== 'object') return `a ${typeof value}`
  return value.constructor?.name === 'Object' ? 'an object' : `a ${value.constructor?.name ?? 'object'}`
}

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}

function namespaceOf(type: JsonObject, outer: string): string {
  const name = type['name'] as string
  if (name.includes('.')) return name.slice(0, name.lastIndexOf('.'))
  return (type['namespace'] as string | null | undefined) ?? outer
}
