/** What a data set knows about the shape of its records, so that a list of two is not taken for a pair. */
export type Shape = 'list' | 'pair-of-list' | 'pair-of-lists' | undefined

/**
 * A value as `print` and the text files show it. A pair is `(a,1)`, nested pairs nest, null is `null`, strings have no
 * quotes, other lists are `[1, 2, 3]`, plain objects are JSON, bytes are hex, and a class's own `toString` is honoured.
 */
export function textForm(value: unknown, shape?: Shape): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return arrayForm(value, shape)
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (value instanceof Map)
    return `{${[...value].map(([key, item]) => `${textForm(key)}: ${textForm(item)}`).join(', ')}}`
  if (value instanceof Set) return listForm([...value])
  // An object without a prototype has no toString at all.
  if (typeof value.toString === 'function' && value.toString !== Object.prototype.toString) return String(value)
  return JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? String(item) : item)) ?? String(value)
}

function arrayForm(items: readonly unknown[], shape: Shape): string {
  if (items.length !== 2 || shape === 'list') return listForm(items)
  const [key, value] = items
  if (shape === 'pair-of-list' && Array.isArray(value)) return `(${textForm(key)},${listForm(value)})`
  if (shape === 'pair-of-lists' && Array.isArray(value)) {
    return `(${textForm(key)},(${value.map((list) => (Array.isArray(list) ? listForm(list) : textForm(list))).join(',')}))`
  }
  return `(${textForm(key)},${textForm(value)})`
}

function listForm(items: readonly unknown[]): string {
  return `[${items.map((item) => textForm(item)).join(', ')}]`
}
