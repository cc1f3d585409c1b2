// Avro schemas, as far as needed to step over values and to name a schema by its fingerprint.
import { FlumeError } from '../../core/error.ts'
import type { AvroReader } from './binary.ts'

/** Types inside types that a schema may have, and records inside records that a value may have. */
const schemaDepthMax = 200
const valueDepthMax = 1000

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

interface Type {
  /** Bytes that every value has at least; 0 only for types whose values have none at all. */
  bytesMin: number
  skip(reader: AvroReader, depth: number): void
  /** The type in the form that fingerprints are made of; a named type is written out the first time only. */
  print(seen: Set<string>): string
}

/** A schema that was understood. */
export class AvroSchema {
  /** Parsing Canonical Form: what two schemas that read the same bytes have in common. */
  readonly canonical: string
  readonly #type: Type

  private constructor(type: Type) {
    this.#type = type
    this.canonical = type.print(new Set())
  }

  /** Rejects INVALID_DATA for what is no schema. */
  static parse(text: string): AvroSchema {
    let json: Json
    try {
      json = JSON.parse(text) as Json
    } catch (cause) {
      throw new FlumeError('INVALID_DATA', `an Avro schema that is no JSON: ${(cause as Error).message}`, { cause })
    }
    return new AvroSchema(new Builder().build(json, '', 0))
  }

  /** True when values of it take no bytes. */
  get isEmpty(): boolean {
    return this.#type.bytesMin === 0
  }

  /** Steps over one value. Throws PROTOCOL where the bytes are none, LIMIT where records lie in records without end. */
  skip(reader: AvroReader): void {
    this.#type.skip(reader, 0)
  }

  /** CRC-64-AVRO of the canonical form, as Java's library gives its bytes: the lowest first. */
  fingerprint(): Buffer {
    let value = emptyFingerprint
    for (const byte of Buffer.from(this.canonical)) {
      value = (value >> 8n) ^ (fingerprintTable()[Number((value ^ BigInt(byte)) & 0xffn)] as bigint)
    }
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(value)
    return bytes
  }
}

const emptyFingerprint = 0xc15d213aa4d7a795n
let table: readonly bigint[] | undefined

function fingerprintTable(): readonly bigint[] {
  table ??= Array.from({ length: 256 }, (_, byte) => {
    let value = BigInt(byte)
    for (let bit = 0; bit < 8; bit++) value = (value >> 1n) ^ (value & 1n ? emptyFingerprint : 0n)
    return value
  })
  return table
}

const primitives: Readonly<Record<string, readonly [bytesMin: number, skip: (reader: AvroReader) => void]>> = {
  null: [0, () => undefined],
  boolean: [1, (reader) => void reader.boolean('a boolean')],
  int: [1, (reader) => reader.skipNumber()],
  long: [1, (reader) => reader.skipNumber()],
  float: [4, (reader) => void reader.fixed(4, 'a float')],
  double: [8, (reader) => void reader.fixed(8, 'a double')],
  bytes: [1, (reader) => void reader.skipData('bytes')],
  string: [1, (reader) => void reader.skipData('a string')],
}

class Builder {
  readonly #named = new Map<string, Type>()

  build(json: Json, namespace: string, depth: number): Type {
    if (depth > schemaDepthMax) throw broken(`types lie more than ${schemaDepthMax} deep in each other`)
    if (typeof json === 'string') return this.#byName(json, namespace)
    if (isList(json)) return this.#union(json.map((branch) => this.build(branch, namespace, depth + 1)))
    if (json === null || typeof json !== 'object') throw broken(`${JSON.stringify(json)} is no type`)
    const type = own(json, 'type')
    switch (type) {
      case 'record':
      case 'error':
        return this.#record(json, namespace, depth)
      case 'enum':
        return this.#enum(json, namespace)
      case 'fixed':
        return this.#fixed(json, namespace)
      case 'array':
        return this.#collection('array', 'items', json, namespace, depth)
      case 'map':
        return this.#collection('map', 'values', json, namespace, depth)
      case undefined:
        throw broken('a type without "type"')
      default:
        // {"type": "long", "logicalType": "timestamp-millis"} is a long.
        return this.build(type, namespace, depth + 1)
    }
  }

  #byName(name: string, namespace: string): Type {
    if (Object.hasOwn(primitives, name)) {
      const [bytesMin, skip] = primitives[name] as (typeof primitives)['null']
      return { bytesMin, skip, print: () => `"${name}"` }
    }
    const found = this.#named.get(fullName(name, namespace)) ?? this.#named.get(name)
    if (!found) throw broken(`there is no type ${JSON.stringify(name)}`)
    return found
  }

  #union(branches: readonly Type[]): Type {
    return {
      bytesMin: 1,
      skip: (reader, depth) =>
        (branches[reader.index(branches.length, 'a union branch')] as Type).skip(reader, depth + 1),
      print: (seen) => `[${branches.map((branch) => branch.print(seen)).join(',')}]`,
    }
  }

  #record(json: Json, namespace: string, depth: number): Type {
    const name = this.#declare(json, namespace)
    const fields: { readonly name: string; readonly type: Type }[] = []
    const record: Type = {
      // As long as it is not known: a record that holds itself has at least one byte.
      bytesMin: 1,
      skip: (reader, level) => {
        if (level > valueDepthMax) {
          throw new FlumeError('LIMIT', `an Avro value with records more than ${valueDepthMax} deep in each other`)
        }
        for (const { type } of fields) type.skip(reader, level + 1)
      },
      print: (seen) =>
        once(name, seen, () => {
          const parts = fields.map((field) => `{"name":"${field.name}","type":${field.type.print(seen)}}`)
          return `"type":"record","fields":[${parts.join(',')}]`
        }),
    }
    this.#named.set(name, record)
    const list = own(json, 'fields')
    if (!isList(list)) throw broken(`the record ${name} has no fields`)
    const space = namespaceOf(name)
    for (const field of list) {
      const fieldName = own(field, 'name')
      const type = own(field, 'type')
      if (typeof fieldName !== 'string' || !simpleName.test(fieldName))
        throw broken(`a field of ${name} has no right name`)
      if (type === undefined) throw broken(`the field ${fieldName} of ${name} has no type`)
      fields.push({ name: fieldName, type: this.build(type, space, depth + 1) })
    }
    record.bytesMin = fields.reduce((sum, field) => sum + field.type.bytesMin, 0)
    return record
  }

  #enum(json: Json, namespace: string): Type {
    const name = this.#declare(json, namespace)
    const symbols = own(json, 'symbols')
    if (!isList(symbols) || symbols.length === 0) throw broken(`the enum ${name} has no symbols`)
    for (const symbol of symbols) {
      if (typeof symbol !== 'string' || !simpleName.test(symbol))
        throw broken(`the enum ${name} has a symbol that is no name`)
    }
    const { length } = symbols
    const type: Type = {
      bytesMin: 1,
      skip: (reader) => void reader.index(length, `a symbol of ${name}`),
      print: (seen) =>
        once(name, seen, () => `"type":"enum","symbols":[${symbols.map((symbol) => `"${symbol}"`).join(',')}]`),
    }
    this.#named.set(name, type)
    return type
  }

  #fixed(json: Json, namespace: string): Type {
    const name = this.#declare(json, namespace)
    const size = own(json, 'size')
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw broken(`${name} has no size`)
    const type: Type = {
      bytesMin: size,
      skip: (reader) => void reader.fixed(size, name),
      print: (seen) => once(name, seen, () => `"type":"fixed","size":${size}`),
    }
    this.#named.set(name, type)
    return type
  }

  #collection(kind: 'array' | 'map', member: 'items' | 'values', json: Json, namespace: string, depth: number): Type {
    const inner = own(json, member)
    if (inner === undefined) throw broken(`a ${kind} without ${member}`)
    const item = this.build(inner, namespace, depth + 1)
    const keyed = kind === 'map'
    return {
      bytesMin: 1,
      skip: (reader, level) => {
        const bytesMin = item.bytesMin + (keyed ? 1 : 0)
        for (let count = reader.block(bytesMin, kind); count > 0; count = reader.block(bytesMin, kind)) {
          // However many items without bytes there are, there is nothing to step over.
          for (let i = 0; bytesMin > 0 && i < count; i++) {
            if (keyed) reader.skipData('a key')
            item.skip(reader, level + 1)
          }
        }
      },
      print: (seen) => `{"type":"${kind}","${member}":${item.print(seen)}}`,
    }
  }

  /** The full name of a named type, which no other one has. */
  #declare(json: Json, outer: string): string {
    const name = own(json, 'name')
    const space = own(json, 'namespace')
    if (typeof name !== 'string') throw broken('a named type without a name')
    if (space !== undefined && space !== null && typeof space !== 'string') throw broken(`a namespace that is no text`)
    const full = fullName(name, space ?? outer)
    if (!dottedName.test(full)) throw broken(`${JSON.stringify(full)} is no name`)
    if (this.#named.has(full)) throw broken(`the type ${full} is there twice`)
    return full
  }
}

/** A name as the format has it; Java's library takes letters of all languages. */
const simpleName = /^[\p{L}_][\p{L}\p{Nd}_]*$/u
const dottedName = /^[\p{L}_][\p{L}\p{Nd}_]*(\.[\p{L}_][\p{L}\p{Nd}_]*)*$/u

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}

function namespaceOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('.')))
}

function once(name: string, seen: Set<string>, print: () => string): string {
  if (seen.has(name)) return `"${name}"`
  seen.add(name)
  return `{"name":"${name}",${print()}}`
}

function isList(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json)
}

function own(json: Json, name: string): Json | undefined {
  if (typeof json !== 'object' || json === null || isList(json) || !Object.hasOwn(json, name)) return undefined
  return (json as { readonly [name: string]: Json })[name]
}

function broken(problem: string): FlumeError {
  return new FlumeError('INVALID_DATA', `an Avro schema that is none: ${problem}`)
}
