import { type FileHandle, open } from 'node:fs/promises'
import { TimeZone } from '../../codec/time-zone.ts'
import { count, nested, type Options, parsed, seconds, text } from '../../spec/option.ts'
import {
  defineSink,
  type EventBatch,
  FlumeError,
  type Serializer,
  type SerializerContext,
  type Sink,
  type SinkContext,
} from '../contract.ts'

type PathManager = 'default' | 'rolltime'

const options = {
  'sink.directory': text({ doc: 'Directory of the files; it must exist.' }),
  'sink.rollInterval': seconds({ default: 30, doc: 'A new file each time so much has passed; 0 is never.' }),
  'sink.batchSize': count({ default: 100, min: 1, doc: 'Most events taken at once.' }),
  'sink.serializer': nested<Serializer, SerializerContext>('serializer', {
    default: 'text',
    doc: 'How events become bytes.',
  }),
  'sink.pathManager': parsed<PathManager>(
    'default | rolltime',
    'one of default, rolltime',
    {
      default: 'default',
      doc: 'How files are named: by the time of the start and a number, or by the time they are begun.',
    },
    (name) => {
      const known = name.toLowerCase().replace(/^org\.apache\.flume\.formatter\.output\.|pathmanager(\$builder)?$/g, '')
      return known === 'default' || known === 'rolltime' ? { value: known } : { problem: 'is not a path manager' }
    },
  ),
  'sink.pathManager.prefix': text({ default: '', doc: 'Beginning of the names.' }),
  'sink.pathManager.extension': text({ default: '', doc: 'End of the names, behind a dot.' }),
}
type FileRollOptions = Options<typeof options>

export const fileRoll = defineSink({
  type: 'file_roll',
  aliases: ['org.apache.flume.sink.RollingFileSink'],
  summary: 'Writes events into local files, a new one every half minute.',
  options,
  batchSizeOption: 'sink.batchSize',
  describe: (options) => options['sink.directory'],
  create: (options, context) => new FileRollSink(options, context),
})

/** The file that takes events now. */
interface OpenFile {
  readonly handle: FileHandle
  readonly path: string
  readonly serializer: Serializer
  /** What its events have in common, where that matters; not known before the first. */
  key: string | undefined
  /** Bytes up to the end of the last whole batch. */
  length: number
}

/** Names in a row that may be taken before opening fails. */
const takenNamesMax = 1000

class FileRollSink implements Sink {
  readonly batchSize: number
  readonly #options: FileRollOptions
  readonly #context: SinkContext
  readonly #rollMs: number
  readonly #nextName: () => string
  #rollAtMs = Number.POSITIVE_INFINITY
  #open: OpenFile | undefined

  constructor(options: FileRollOptions, context: SinkContext) {
    this.#options = options
    this.#context = context
    this.batchSize = options['sink.batchSize']
    this.#rollMs = 1000 * options['sink.rollInterval']
    this.#nextName = options['sink.pathManager'] === 'rolltime' ? this.#timedNames() : this.#countedNames()
  }

  async start(): Promise<void> {
    if (this.#rollMs > 0) this.#rollAtMs = this.#context.clock.monotonic() + this.#rollMs
  }

  /** Before each take, so that files change, and empty ones appear, also while no event comes (N-05). */
  async connect(): Promise<void> {
    const nowMs = this.#context.clock.monotonic()
    if (nowMs >= this.#rollAtMs) {
      this.#rollAtMs += this.#rollMs * (1 + Math.floor((nowMs - this.#rollAtMs) / this.#rollMs))
      await this.#close()
    }
    this.#open ??= await this.#begin()
  }

  async write(batch: EventBatch): Promise<void> {
    await this.connect()
    for (const { key, events } of this.#runs(batch)) {
      if (this.#open?.key !== undefined && this.#open.key !== key) await this.#close()
      const file = (this.#open ??= await this.#begin())
      file.key = key
      await this.#append(file, await file.serializer.encode(events))
    }
  }

  /** The batch in runs of events that may share a file. */
  *#runs(batch: EventBatch): Iterable<{ readonly key: string | undefined; readonly events: EventBatch }> {
    const keys = this.#open?.serializer.fileKeys?.(batch)
    if (typeof keys !== 'object') return yield { key: keys, events: batch }
    for (let from = 0, to = 1; from < batch.count; from = to++) {
      while (to < batch.count && keys[to] === keys[from]) to++
      yield { key: keys[from], events: batch.slice(from, to) }
    }
  }

  async stop(): Promise<void> {
    await this.#close()
  }

  async #begin(): Promise<OpenFile> {
    const directory = this.#options['sink.directory']
    const serializer = await this.#options['sink.serializer'].create(this.#context)
    for (let taken = 0; taken < takenNamesMax; taken++) {
      const path = `${directory}/${this.#nextName()}`
      const handle = await open(path, 'wx').catch((cause: NodeJS.ErrnoException) => {
        // Never over a file that is there: what it holds was confirmed.
        if (cause.code === 'EEXIST') return undefined
        this.#context.counters.connectionFailed++
        throw new FlumeError('IO', `cannot open ${path}`, {
          cause,
          retry: true,
          hint: 'sink.directory must exist and allow files to be written',
        })
      })
      if (!handle) continue
      this.#context.counters.connectionCreated++
      const file = { handle, path, serializer, key: undefined, length: 0 }
      await this.#append(file, serializer.begin())
      return file
    }
    throw new FlumeError('IO', `the names of the next ${takenNamesMax} files in ${directory} are taken`, {
      retry: true,
    })
  }

  /** Ends the file in order; its bytes are on the disk then. */
  async #close(): Promise<void> {
    const file = this.#open
    if (!file) return
    this.#open = undefined
    try {
      await writeAt(file, file.serializer.end())
      await file.handle.datasync()
    } finally {
      await file.handle.close()
      this.#context.counters.connectionClosed++
    }
  }

  /** Writes all of it or, as far as a reader sees, nothing: what failed comes again in the next file. */
  async #append(file: OpenFile, bytes: Uint8Array): Promise<void> {
    try {
      await writeAt(file, bytes)
    } catch (cause) {
      this.#open = undefined
      await file.handle.truncate(file.length).catch(() => undefined)
      await file.handle.close().catch(() => undefined)
      this.#context.counters.connectionClosed++
      throw new FlumeError('IO', `cannot write to ${file.path}`, { cause, retry: true, hint: 'check the free space' })
    }
  }

  /** `<prefix><start>-<n>`: the start is when the sink was configured (N-04). */
  #countedNames(): () => string {
    const startMs = this.#context.clock.now()
    let number = 0
    return () => this.#name(String(startMs), ++number)
  }

  /** `<prefix><yyyyMMddHHmmss>-<n>`: numbers begin anew each second (N-04). */
  #timedNames(): () => string {
    const zone = TimeZone.local()
    let last = ''
    let number = 0
    return () => {
      const nowMs = this.#context.clock.now()
      const wall = new Date(nowMs + zone.offsetMsAt(nowMs)).toISOString()
      const stamp = wall.slice(0, 19).replaceAll(/\D/g, '')
      number = stamp === last ? number + 1 : 1
      last = stamp
      return this.#name(stamp, number)
    }
  }

  #name(stamp: string, number: number): string {
    const extension = this.#options['sink.pathManager.extension']
    return `${this.#options['sink.pathManager.prefix']}${stamp}-${number}${extension === '' ? '' : `.${extension}`}`
  }
}

async function writeAt(file: OpenFile, bytes: Uint8Array): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    done += (await file.handle.write(bytes, done, bytes.length - done, file.length + done)).bytesWritten
  }
  file.length += bytes.length
}
