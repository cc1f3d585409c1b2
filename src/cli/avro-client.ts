import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { readPart } from '../agent/config/read-part.ts'
import { Report } from '../agent/config/report.ts'
import { TypeIndex } from '../agent/config/type-index.ts'
import type { Delivered, SourceContext, SourceSpec } from '../agent/contract.ts'
import { decodeProperties, parseProperties } from '../codec/properties.ts'
import { TextLineCutter, type TextLines } from '../codec/text-lines.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import { asError, FlumeError } from '../core/error.ts'
import { EventBatch } from '../core/event-batch.ts'
import { systemRandom } from '../core/random.ts'
import { SourceCounters } from '../monitor/counters.ts'
import { createLogger, type Logger } from '../monitor/logger.ts'
import { openRpcClient, type RpcClient, type RpcClientProperties } from '../net/flume-rpc/rpc-client.ts'
import { formatFinding } from '../spec/finding.ts'
import { parseArguments, quiet } from './arguments.ts'
import type { Terminal } from './verb.ts'

interface Given {
  readonly rpcProps: string | undefined
  readonly host: string | undefined
  readonly port: string | undefined
  readonly filename: string | undefined
  readonly dirname: string | undefined
  readonly headerFile: string | undefined
  readonly batchSize: string | undefined
}

/** Events per call when only host and port are given (L-09). */
const batchSizeDefault = 5
/** Far above any line that a channel takes. */
const lineBytesMax = 64 * 1024 * 1024

/**
 * `flume-ts avro-client`: sends the lines of standard input, of a file or of the files of a folder to an Avro source
 * (L-08, L-09). Unlike Flume (L-10), what went wrong is the exit code: 1, and the line says how many events were
 * delivered before.
 */
export async function avroClient(
  argv: readonly string[],
  terminal: Terminal,
  input: AsyncIterable<Uint8Array> = process.stdin,
): Promise<number> {
  const command = avroClientCommand()
  const asked = parseArguments(command, argv)
  if (asked) {
    terminal.stdout.write(asked.help)
    return 0
  }
  const given = command.opts<Given>()
  const properties = await propertiesOf(given)
  if (given.filename !== undefined && given.dirname !== undefined) {
    throw new FlumeError('USAGE', '--filename and --dirname exclude each other')
  }
  const headers = given.headerFile === undefined ? new Map<string, string>() : await readProperties(given.headerFile)
  const log = createLogger({ level: 'warn', stream: terminal.stderr })
  const client = await openRpcClient(properties, {
    clock: systemClock,
    random: systemRandom,
    log,
    settings: { env: process.env, properties: new Map() },
  })
  const shipment = new Shipment(client, headers)
  try {
    if (given.dirname !== undefined) await sendFolder(given.dirname, shipment, log)
    else if (given.filename !== undefined) await sendLines(createReadStream(given.filename), false, shipment)
    else await sendLines(input, true, shipment)
  } catch (thrown) {
    throw shipment.explained(asError(thrown))
  } finally {
    await client.close()
    log.flush()
  }
  terminal.stdout.write(`sent ${shipment.sent} ${shipment.sent === 1 ? 'event' : 'events'}\n`)
  return 0
}

export function avroClientCommand(): Command {
  return quiet(new Command('flume-ts avro-client'))
    .description("Sends lines to an agent's Avro source, each an event.")
    .option('-P, --rpcProps <file>', 'properties file of the client: hosts, client.type, batch-size, …')
    .option('-H, --host <host>', 'host of the Avro source')
    .option('-p, --port <port>', 'port of the Avro source')
    .option('-F, --filename <file>', 'send the lines of this file; standard input when left out')
    .option('--dirname <dir>', 'send the lines of the files in this folder, and rename each to NAME.COMPLETED')
    .option('-R, --headerFile <file>', 'properties file; its entries become headers of every event')
    .option('--batch-size <events>', `most events in a call; ${batchSizeDefault} with host and port`)
}

/** The client's properties, from the file or from host and port. Throws USAGE. */
async function propertiesOf({ rpcProps, host, port, batchSize }: Given): Promise<RpcClientProperties> {
  if (batchSize !== undefined && !/^[1-9]\d{0,8}$/.test(batchSize)) {
    throw new FlumeError('USAGE', `--batch-size ${batchSize} is not a whole number, 1 or more`)
  }
  if (rpcProps !== undefined) {
    const read = Object.fromEntries(await readProperties(rpcProps))
    return batchSize === undefined ? read : { ...read, 'batch-size': batchSize }
  }
  if (host === undefined || port === undefined) {
    throw new FlumeError('USAGE', 'where to send is not given', {
      hint: 'name it with -H HOST -p PORT, or with -P FILE',
    })
  }
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return { hosts: 'h1', 'hosts.h1': place, 'batch-size': batchSize ?? batchSizeDefault }
}

async function readProperties(file: string): Promise<ReadonlyMap<string, string>> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (cause) {
    throw new FlumeError('USAGE', `${file} cannot be read`, { cause })
  }
  const { entries, problems } = parseProperties(decodeProperties(bytes))
  const [problem] = problems
  if (problem) throw new FlumeError('USAGE', `${file}:${problem.line}: ${problem.message}`)
  return new Map(entries.map(({ key, value }) => [key, value]))
}

/** Events on their way, with the headers that all of them get. */
class Shipment {
  readonly #client: RpcClient
  readonly #headers: ReadonlyMap<string, string>
  sent = 0

  constructor(client: RpcClient, headers: ReadonlyMap<string, string>) {
    this.#client = client
    this.#headers = headers
  }

  get batchSize(): number {
    return this.#client.batchSize
  }

  /** Sends a batch in as many calls as it takes; `sent` counts what was acknowledged. */
  async send(batch: EventBatch): Promise<void> {
    const headers = new Map([...batch.headers, ...this.#headers])
    const whole = new EventBatch(batch.body, batch.starts, batch.ends, headers)
    for (let i = 0; i < whole.count; i += this.batchSize) {
      const piece = whole.slice(i, i + this.batchSize)
      await this.#client.appendBatch(piece)
      this.sent += piece.count
    }
  }

  /** The error with what had been delivered before it. */
  explained(error: Error): FlumeError {
    const { code, hint, retry } =
      error instanceof FlumeError ? error : { code: 'IO' as const, hint: undefined, retry: false }
    const words = `${error.message}; ${this.sent} ${this.sent === 1 ? 'event was' : 'events were'} delivered before`
    return new FlumeError(code === 'USAGE' ? 'IO' : code, words, { cause: error, retry, ...(hint ? { hint } : {}) })
  }
}

/** Sends lines in full batches, or `eager`ly as they come: who types into a pipe need not wait for a full batch. */
async function sendLines(input: AsyncIterable<Uint8Array>, eager: boolean, shipment: Shipment): Promise<void> {
  const cutter = new TextLineCutter(lineBytesMax)
  let waiting: EventBatch[] = []
  let count = 0
  const take = ({ batch, cuts }: TextLines): void => {
    if (cuts > 0) throw new FlumeError('LIMIT', `a line is longer than ${lineBytesMax} bytes`)
    if (batch.count > 0) waiting.push(batch)
    count += batch.count
  }
  const sendAllBut = async (kept: number): Promise<void> => {
    const batch = EventBatch.concat(waiting)
    waiting = kept > 0 ? [batch.slice(count - kept)] : []
    const ready = batch.slice(0, count - kept)
    count = kept
    await shipment.send(ready)
  }
  for await (const chunk of input) {
    take(cutter.cut(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)))
    if (eager || count >= shipment.batchSize) await sendAllBut(eager ? 0 : count % shipment.batchSize)
  }
  take(cutter.end())
  await sendAllBut(0)
}

/** Drives the spooldir source with its defaults over the folder, until it has read everything. */
async function sendFolder(folder: string, shipment: Shipment, log: Logger): Promise<void> {
  const stop = new AbortController()
  let failure: Error | undefined
  const deliver = async (batch: EventBatch): Promise<void> => {
    try {
      await shipment.send(batch)
    } catch (thrown) {
      failure = asError(thrown)
      stop.abort()
      throw thrown
    }
  }
  const { spec, options } = await spooldirOver(folder)
  const context: SourceContext = {
    name: 'avro-client',
    clock: untilIdle(() => stop.abort()),
    random: systemRandom,
    log,
    settings: { mounts: new Map(), env: {}, properties: new Map() },
    counters: new SourceCounters(),
    signal: stop.signal,
    deliver,
    deliverEach: async (batch): Promise<Delivered> => {
      const before = shipment.sent
      const error = await deliver(batch).then(() => undefined, asError)
      return { accepted: shipment.sent - before, ...(error ? { error } : {}) }
    },
    transactionCapacity: shipment.batchSize,
    ready: () => undefined,
    console: undefined,
  }
  const source = await spec.create(options, context)
  await source.run()
  if (failure) throw failure
}

/** A clock whose sleeper is done: the source sleeps once there is nothing left to read, and here that is the end. */
function untilIdle(end: () => void): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic(),
    after: (delayMs, act) => systemClock.after(delayMs, act),
    sleep: async () => end(),
  }
}

async function spooldirOver(
  folder: string,
): Promise<{ readonly spec: SourceSpec; readonly options: Readonly<Record<string, unknown>> }> {
  const { components } = await import('../agent/components.ts')
  const report = new Report('normal')
  const place = { file: '--dirname', line: 0, column: 0 }
  const part = await readPart(
    {
      kind: 'source',
      type: { ...place, text: 'spooldir' },
      raws: new Map([['spoolDir', { ...place, text: folder }]]),
      empty: new Map(),
      path: '',
      place,
    },
    { types: new TypeIndex(components), report, loadModule: undefined, filters: undefined },
  )
  if (part?.spec.kind !== 'source') {
    throw new FlumeError('USAGE', report.findings.map(formatFinding).join('; ') || 'there is no spooldir source')
  }
  return { spec: part.spec, options: part.options }
}
