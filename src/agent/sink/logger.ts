import { count, type Options } from '../../spec/option.ts'
import { defineSink, type EventBatch, type Sink, type SinkContext } from '../contract.ts'

const options = {
  maxBytesToLog: count({ default: 16, min: 0, doc: 'How many bytes of each body are shown.' }),
}
type LoggerOptions = Options<typeof options>

export const logger = defineSink({
  type: 'logger',
  aliases: ['org.apache.flume.sink.LoggerSink'],
  summary: "Writes each event into the agent's log.",
  options,
  create: (options, context) => new LoggerSink(options, context),
})

/** Flume takes them one by one; what is logged is the same, the channel is asked less often. */
const eventsPerTake = 100

class LoggerSink implements Sink {
  readonly batchSize = eventsPerTake
  readonly #bytesMax: number
  readonly #context: SinkContext

  constructor(options: LoggerOptions, context: SinkContext) {
    this.#bytesMax = options.maxBytesToLog
    this.#context = context
  }

  async write(batch: EventBatch): Promise<void> {
    for (let i = 0; i < batch.count; i++) this.#context.log.info(this.#lineOf(batch, i))
  }

  /** `Event: { headers:{k=v} body: 68 65 6C 6C 6F … hello }` (N-01). */
  #lineOf(batch: EventBatch, index: number): string {
    const headers = Object.entries(batch.headersAt(index)).map(([name, value]) => `${name}=${value}`)
    return `Event: { headers:{${headers.join(', ')}} body:${this.#dump(batch.bodyAt(index))} }`
  }

  /** Rows of 16 bytes, in hex and then as text; rows after the first begin with their offset (commons-io's HexDump). */
  #dump(body: Uint8Array): string {
    const shown = Math.min(body.length, this.#bytesMax)
    const rows: string[] = []
    for (let row = 0; row < shown; row += bytesPerRow) {
      const bytes = body.subarray(row, Math.min(row + bytesPerRow, shown))
      const offset = row === 0 ? '' : row.toString(16).toUpperCase().padStart(8, '0')
      const pairs = Array.from(bytes, (byte) => `${byte.toString(16).toUpperCase().padStart(2, '0')} `).join('')
      rows.push(`${offset} ${pairs.padEnd(3 * bytesPerRow)}${Array.from(bytes, printable).join('')}`)
    }
    return rows.join('\n')
  }
}

const bytesPerRow = 16

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'
}
