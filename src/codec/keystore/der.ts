import { FlumeError } from '../../core/error.ts'

/** Tags of the values that key stores are made of (X.690). */
export const derTag = {
  integer: 0x02,
  octets: 0x04,
  oid: 0x06,
  sequence: 0x30,
  set: 0x31,
  /** `[0]` and `[1]`, holding a value of their own. */
  explicit0: 0xa0,
} as const

/** One value: its tag and the bytes inside. */
export interface DerValue {
  readonly tag: number
  readonly content: Buffer
}

/** The bytes are no DER, or not what should be there. */
export function notDer(what: string): FlumeError {
  return new FlumeError('INVALID_DATA', `is damaged, or no such store: ${what}`)
}

/** Reads values one after the other; every length is checked against the bytes that are there. */
export class DerReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** The next value, whatever it is; throws INVALID_DATA at the end and for a length that is too large. */
  next(): DerValue {
    const bytes = this.#bytes
    if (this.#at + 2 > bytes.length) throw notDer('a value is cut short')
    const tag = bytes[this.#at] as number
    let length = bytes[this.#at + 1] as number
    let at = this.#at + 2
    if (length >= 0x80) {
      const lengthBytes = length & 0x7f
      if (lengthBytes === 0) throw notDer('a value has no length')
      if (lengthBytes > 4 || at + lengthBytes > bytes.length) throw notDer('a length makes no sense')
      length = bytes.readUIntBE(at, lengthBytes)
      at += lengthBytes
    }
    if (length > bytes.length - at) throw notDer('a value is cut short')
    this.#at = at + length
    return { tag, content: bytes.subarray(at, at + length) }
  }

  /** The bytes inside the next value, which must have this tag. */
  take(tag: number): Buffer {
    const value = this.next()
    if (value.tag !== tag) throw notDer(`a value has tag ${value.tag} instead of ${tag}`)
    return value.content
  }

  /** What is inside the next value, which must have this tag. */
  enter(tag: number = derTag.sequence): DerReader {
    return new DerReader(this.take(tag))
  }

  /** The next value's tag; undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#at]
  }

  /** A whole number of up to six bytes. */
  integer(): number {
    const content = this.take(derTag.integer)
    if (content.length === 0 || content.length > 6) throw notDer('a number makes no sense')
    return content.readIntBE(0, content.length)
  }

  /** An object identifier in dots. */
  oid(): string {
    const content = this.take(derTag.oid)
    if (content.length === 0 || content.length > 64) throw notDer('an identifier makes no sense')
    const arcs: number[] = []
    let arc = 0
    for (const byte of content) {
      if (arc > 2 ** 40) throw notDer('an identifier makes no sense')
      arc = arc * 128 + (byte & 0x7f)
      if (byte & 0x80) continue
      if (arcs.length === 0) arcs.push(Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40)))
      else arcs.push(arc)
      arc = 0
    }
    return arcs.join('.')
  }
}
