import { EventLines } from '../../codec/event-lines.ts'
import { hashMapOrder } from '../../codec/java-hash-order.ts'
import { flag } from '../../spec/option.ts'
import { defineSerializer, type EventBatch } from '../contract.ts'

const options = {
  appendNewline: flag({ default: true, doc: 'End every event with a newline.' }),
}

export const headerAndText = defineSerializer({
  type: 'header_and_text',
  aliases: ['org.apache.flume.serialization.HeaderAndBodyTextEventSerializer', 'HeaderAndBodyTextEventSerializer'],
  summary: 'Writes the headers as {name=value, …}, a blank, and the body, one event a line.',
  options,
  create: ({ appendNewline }) => new EventLines(appendNewline, headersOf),
})

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
