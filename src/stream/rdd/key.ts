/** True for keys that a Map compares by value on its own. */
function isPlain(key: unknown): boolean {
  return typeof key !== 'object' || key === null
}

/**
 * A text that is the same for equal values only: type-tagged, so that 1 and "1" differ, with the length before every
 * text, so that no two shapes run into each other.
 */
export function encodeKey(key: unknown): string {
  switch (typeof key) {
    case 'string':
      return `s${key.length}:${key}`
    case 'number':
      return `n${Object.is(key, -0) ? 0 : key};`
    case 'bigint':
      return `i${key};`
    case 'boolean':
      return key ? 't' : 'f'
    case 'undefined':
      return 'u'
    case 'object':
      return key === null ? '0' : encodeObject(key)
    default:
      throw new TypeError(`a ${typeof key} cannot be a key: it has no value to compare`)
  }
}

function encodeObject(key: object): string {
  if (Array.isArray(key)) {
    let text = `a${key.length}:`
    for (const item of key) text += encodeKey(item)
    return text
  }
  if (key instanceof Date) return `d${key.getTime()};`
  if (key instanceof Uint8Array)
    return `b${Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('base64')};`
  if (key instanceof Map) return `m${encodeSorted([...key].map(([name, value]) => encodeKey(name) + encodeKey(value)))}`
  if (key instanceof Set) return `e${encodeSorted([...key].map(encodeKey))}`
  const fields = Object.keys(key).map((name) => encodeKey(name) + encodeKey((key as Record<string, unknown>)[name]))
  const type: string = Object.getPrototypeOf(key)?.constructor?.name ?? 'Object'
  // A URL, a regular expression, an object with private fields only: two of them would be one key.
  if (fields.length === 0 && type !== 'Object') {
    throw new TypeError(
      `an object of class ${type} cannot be a key: it shows no fields to compare; take a text made from it, such as String(key)`,
    )
  }
  return `o${type === 'Object' ? '' : type}{${encodeSorted(fields)}`
}

function encodeSorted(parts: string[]): string {
  return `${parts.length}:${parts.sort().join('')}`
}

/**
 * The 32-bit hash of a key, as Java has it for strings, integers, booleans and doubles, so that a key lands in the
 * partition where Spark would put it. Structured keys hash their encoded text.
 */
export function hashKey(key: unknown): number {
  switch (typeof key) {
    case 'string':
      return hashText(key)
    case 'number':
      return hashNumber(key)
    case 'boolean':
      return key ? 1231 : 1237
    case 'bigint':
      return Number(BigInt.asIntN(32, key ^ (key >> 32n)))
    case 'undefined':
      return 0
    default:
      return key === null ? 0 : hashText(encodeKey(key))
  }
}

function hashText(text: string): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return hash
}

const double = new DataView(new ArrayBuffer(8))

function hashNumber(key: number): number {
  if (Number.isInteger(key)) {
    if ((key | 0) === key) return key
    if (Number.isSafeInteger(key)) return hashKey(BigInt(key))
  }
  double.setFloat64(0, key)
  return double.getInt32(0) ^ double.getInt32(4)
}

/** Characters from which on V8 makes a part of a string a view on the whole. */
const viewCharactersMin = 13
const scratch = Buffer.allocUnsafeSlow(4096)

/** A key with characters of its own: a word would keep the file or the message alive that it was cut from. */
export function ownKey<K>(key: K): K {
  if (typeof key !== 'string' || key.length < viewCharactersMin) return key
  const narrow = copied(key, 'latin1')
  return (narrow === key ? narrow : copied(key, 'utf16le')) as K
}

function copied(text: string, encoding: 'latin1' | 'utf16le'): string {
  if (text.length * 2 > scratch.length) return Buffer.from(text, encoding).toString(encoding)
  return scratch.toString(encoding, 0, scratch.write(text, encoding))
}

/**
 * What is combined by key: keys in the order in which they came, equal by value, and a value for each in a list of its
 * own, so that a key that is known costs one look-up and no object.
 */
export class Combined<K, C> {
  readonly keys: K[] = []
  /** Value i belongs to key i. */
  readonly values: C[] = []
  readonly #plain = new Map<K, number>()
  #structured: Map<string, number> | undefined

  /** Where a key lies; one that is new lies behind the last value, and the caller adds its value before the next call. */
  place(key: K): number {
    if (!isPlain(key)) return this.#placeStructured(key)
    const place = this.#plain.get(key)
    if (place !== undefined) return place
    if (typeof key === 'symbol' || typeof key === 'function') encodeKey(key)
    const own = ownKey(key)
    this.#plain.set(own, this.keys.length)
    return this.keys.push(own) - 1
  }

  /** Where a key lies; undefined when it is not there. */
  find(key: K): number | undefined {
    return isPlain(key) ? this.#plain.get(key) : this.#structured?.get(encodeKey(key))
  }

  #placeStructured(key: K): number {
    this.#structured ??= new Map()
    const encoded = encodeKey(key)
    const place = this.#structured.get(encoded)
    if (place !== undefined) return place
    this.#structured.set(encoded, this.keys.length)
    return this.keys.push(key) - 1
  }

  pairs(): [K, C][] {
    return this.keys.map((key, i): [K, C] => [key, this.values[i] as C])
  }
}

/** A map whose keys are equal by value: `['a', 1]` from two records is one key. Keeps the order in which keys came. */
export class KeyMap<K, V> {
  readonly #plain = new Map<K, [K, V]>()
  #structured: Map<string, [K, V]> | undefined

  get size(): number {
    return this.#plain.size + (this.#structured?.size ?? 0)
  }

  /** The pair kept for `key`; its second half may be replaced in place. */
  pair(key: K): [K, V] | undefined {
    if (isPlain(key)) return this.#plain.get(key)
    return this.#structured?.get(encodeKey(key))
  }

  get(key: K): V | undefined {
    return this.pair(key)?.[1]
  }

  has(key: K): boolean {
    return this.pair(key) !== undefined
  }

  /** Adds a pair whose key is known to be absent, or replaces the pair of that key. */
  set(key: K, value: V): void {
    if (isPlain(key)) {
      if (typeof key === 'symbol' || typeof key === 'function') encodeKey(key)
      this.#plain.set(key, [key, value])
    } else {
      this.#structured ??= new Map()
      this.#structured.set(encodeKey(key), [key, value])
    }
  }

  delete(key: K): boolean {
    return isPlain(key) ? this.#plain.delete(key) : (this.#structured?.delete(encodeKey(key)) ?? false)
  }

  /** Every pair: plain keys first, each kind in the order its keys came. */
  pairs(): [K, V][] {
    const pairs = [...this.#plain.values()]
    if (this.#structured) for (const pair of this.#structured.values()) pairs.push(pair)
    return pairs
  }
}
