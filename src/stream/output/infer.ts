// An Avro schema for records that bring none: every field may be null, so that what the next record lacks is no error.
//   whole numbers long · other numbers double · bigint long · Date timestamp-millis · Uint8Array bytes
//   list, Set array · Map map · object record
import { FlumeError } from '../../core/error.ts'
import { isPlainEnough, rowOf } from './row.ts'

/** What the values of one field have in common. */
interface Seen {
  kind: string | undefined
  readonly fields: Map<string, Seen>
  item: Seen | undefined
}

const depthMax = 100
const hint = 'give saveAsFiles a schema'

/** The schema of these records, as JSON. Throws INVALID_DATA when no schema has them all. */
export function inferSchema(records: readonly unknown[]): string {
  const seen = nothingSeen()
  for (const record of records) note(seen, rowOf(record), 'a record', 0)
  if (seen.fields.size === 0) throw new FlumeError('INVALID_DATA', 'the records have no fields', { hint })
  return JSON.stringify(typeOf(seen, { count: 0 }))
}

function nothingSeen(): Seen {
  return { kind: undefined, fields: new Map(), item: undefined }
}

function note(seen: Seen, value: unknown, name: string, depth: number): void {
  if (value === null || value === undefined) return
  if (depth > depthMax) throw new FlumeError('LIMIT', `values lie more than ${depthMax} deep in each other`)
  const kind = kindOf(value)
  if (kind === undefined) {
    throw new FlumeError('INVALID_DATA', `${name} is a ${typeof value}, which cannot be saved`, { hint })
  }
  if (seen.kind === undefined) seen.kind = kind
  else if (seen.kind !== kind) {
    if (![seen.kind, kind].every((one) => one === 'long' || one === 'double')) {
      throw new FlumeError('INVALID_DATA', `${name} is ${seen.kind} in one record and ${kind} in another`, { hint })
    }
    seen.kind = 'double'
  }
  if (kind === 'array' || kind === 'map') {
    seen.item ??= nothingSeen()
    const items = value instanceof Map ? value.values() : (value as Iterable<unknown>)
    for (const item of items) note(seen.item, item, `an item of ${name}`, depth + 1)
  } else if (kind === 'record') {
    for (const [field, inner] of Object.entries(value as object)) {
      let known = seen.fields.get(field)
      if (!known) {
        known = nothingSeen()
        seen.fields.set(field, known)
      }
      note(known, inner, depth === 0 ? field : `${name}.${field}`, depth + 1)
    }
  }
}

function kindOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'boolean':
      return 'boolean'
    case 'number':
      return Number.isSafeInteger(value) ? 'long' : 'double'
    case 'bigint':
      return 'long'
    case 'object':
      if (value instanceof Date) return 'date'
      if (value instanceof Uint8Array) return 'bytes'
      if (Array.isArray(value) || value instanceof Set) return 'array'
      if (value instanceof Map) return 'map'
      return isPlainEnough(value) ? 'record' : undefined
    default:
      return undefined
  }
}

type Schema = string | readonly Schema[] | { readonly [name: string]: unknown }

/** Names of records must differ within a schema. */
interface Names {
  count: number
}

function nullable(seen: Seen, names: Names): Schema {
  return ['null', typeOf(seen, names)]
}

function typeOf(seen: Seen, names: Names): Schema {
  switch (seen.kind) {
    // Only nulls so far: text is what most things can be read as.
    case undefined:
      return 'string'
    case 'date':
      return { type: 'long', logicalType: 'timestamp-millis' }
    case 'array':
      return { type: 'array', items: nullable(seen.item ?? nothingSeen(), names) }
    case 'map':
      return { type: 'map', values: nullable(seen.item ?? nothingSeen(), names) }
    case 'record':
      return {
        type: 'record',
        name: names.count++ === 0 ? 'row' : `row${names.count}`,
        fields: [...seen.fields].map(([field, inner]) => {
          if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(field)) {
            throw new FlumeError('INVALID_DATA', `${JSON.stringify(field)} cannot be the name of a field in a schema`, {
              hint: 'take letters, digits and underscores, a digit not first',
            })
          }
          return { name: field, type: nullable(inner, names), default: null }
        }),
      }
    default:
      return seen.kind
  }
}
