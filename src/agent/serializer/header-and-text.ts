import { flag, type Options } from '../../spec/option.ts'
import { defineSerializer, type EventBatch, type Serializer } from '../contract.ts'

const options = {
  appendNewline: flag({ default: true, doc: 'End every event with a newline.' }),
}
type HeaderAndTextOptions = Options<typeof options>

export const headerAndText = defineSerializer({
  type: 'header_and_text',
  aliases: ['org.apache.flume.serialization.HeaderAndBodyTextEventSerializer', 'HeaderAndBodyTextEventSerializer'],
  summary: 'Writes the headers as {name=value, …}, a blank, and the body, one event a line.',
  options,
  create: (options) => new HeaderAndTextSerializer(options),
})

const newline = 10
const nothing = new Uint8Array(0)

class HeaderAndTextSerializer implements Serializer {
  readonly appendable = true
  readonly #appendNewline: boolean

  constructor({ appendNewline }: HeaderAndTextOptions) {
    this.#appendNewline = appendNewline
  }

  begin(): Uint8Array {
    return nothing
  }

  end(): Uint8Array {
    return nothing
  }

  encode(batch: EventBatch): Uint8Array {
    const { count, body, starts, ends } = batch
    if (count === 0) return nothing
    const gap = this.#appendNewline ? 1 : 0
    const heads = headersOf(batch)
    let size = batch.bodyBytes + gap * count
    if (Array.isArray(heads)) for (const head of heads) size += head.length
    else size += heads.length * count
    const out = new Uint8Array(size)
    let at = 0
    for (let i = 0; i < count; i++) {
      const head = Array.isArray(heads) ? (heads[i] as Uint8Array) : heads
      out.set(head, at)
      at += head.length
      const start = starts[i] as number
      const end = ends[i] as number
      if (end > start) out.set(body.subarray(start, end), at)
      at += end - start
      if (gap) out[at++] = newline
    }
    return out
  }
}

/** `{a=1, b=2} ` in UTF-8: one for all events when they share every header, else one each. */
function headersOf({ count, headers }: EventBatch): Uint8Array | Uint8Array[] {
  const columns = [...headers]
  if (columns.every(([, column]) => typeof column === 'string')) {
    return print(
      columns.map(([name]) => name),
      (name) => headers.get(name) as string,
    )
  }
  // Events with the same names share their order; most batches know one or two sets of names.
  const orders = new Map<string, readonly string[]>()
  const heads: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    let present = ''
    for (const [, column] of columns) present += typeof column === 'string' || column[i] !== undefined ? '1' : '0'
    let order = orders.get(present)
    if (!order) {
      order = hashMapOrder(columns.filter((_, index) => present[index] === '1').map(([name]) => name))
      orders.set(present, order)
    }
    heads.push(
      printOrdered(order, (name) => {
        const column = headers.get(name)
        return (typeof column === 'string' ? column : column?.[i]) as string
      }),
    )
  }
  return heads
}

function print(names: readonly string[], valueOf: (name: string) => string): Uint8Array {
  return printOrdered(hashMapOrder(names), valueOf)
}

function printOrdered(names: readonly string[], valueOf: (name: string) => string): Uint8Array {
  return Buffer.from(`{${names.map((name) => `${name}=${valueOf(name)}`).join(', ')}} `)
}

/** The order in which a java.util.HashMap that was copied from these keys lists them, so that files are equal byte for byte. */
export function hashMapOrder(names: readonly string[]): readonly string[] {
  let tableSize = 1
  while (tableSize < Math.floor(names.length / 0.75 + 1)) tableSize *= 2
  const buckets = names.map((name) => {
    let hash = 0
    for (let i = 0; i < name.length; i++) hash = (Math.imul(31, hash) + name.charCodeAt(i)) | 0
    return (hash ^ (hash >>> 16)) & (tableSize - 1)
  })
  return names
    .map((name, index) => ({ name, bucket: buckets[index] as number }))
    .sort((a, b) => a.bucket - b.bucket)
    .map(({ name }) => name)
}
