import { FlumeError } from '../../core/error.ts'

/**
 * A record as one line of JSON. Dates are ISO texts, bytes base64, a Map is an object, a Set a list, a bigint its digits
 * as text, and NaN and the infinities are their names as text, as in Spark: JSON itself would make them null.
 */
export function jsonLine(record: unknown): string {
  const line = isJson(record, 0) ? JSON.stringify(record) : JSON.stringify(record, replacement)
  if (line === undefined) throw new FlumeError('INVALID_DATA', `a ${typeof record} cannot be saved as JSON`)
  return line
}

/** How deep a value is looked into before it is left to the slow way. */
const depthMax = 50

/** True when JSON has all of it as it is, so that the fast way will do. */
function isJson(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return true
    case 'number':
      return Number.isFinite(value)
    case 'object': {
      if (value === null) return true
      if (depth > depthMax) return false
      if (Array.isArray(value)) return value.every((item) => isJson(item, depth + 1))
      if (Object.getPrototypeOf(value) !== Object.prototype) return false
      for (const name in value) if (!isJson((value as Record<string, unknown>)[name], depth + 1)) return false
      return true
    }
    default:
      return false
  }
}

/** `value` may have gone through `toJSON` already; `this` still has it as it was. */
function replacement(this: Readonly<Record<string, unknown>>, name: string, value: unknown): unknown {
  const original = this[name]
  if (original instanceof Uint8Array) return base64(original)
  return typeof value === 'object' && value !== null ? plainObject(value) : plainOne(value)
}

function plainObject(value: object): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), item]))
  return value instanceof Set ? [...value] : value
}

function plainOne(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
