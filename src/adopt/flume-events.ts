import { frameBytes, readFlumeEvent, readFlumeRecord, recordMark, voidMark } from '../codec/flume-log/record.ts'
import { asError, FlumeError } from '../core/error.ts'
import { BatchBuilder, type EventBatch } from '../core/event-batch.ts'
import type { Disk } from '../storage/disk.ts'
import type { FlumeLog } from './flume-directory.ts'
import { type FlumePointers, PointerList } from './pointers.ts'

const windowBytes = 256 * 1024
/** Transactions of several threads lie mixed in a log, and their events are read one transaction after the other. */
const windowsMax = 64
const batchCountMax = 1000
const batchBytesMax = 1024 * 1024

export interface FlumeEventsOptions {
  readonly disk: Disk
  readonly logs: ReadonlyMap<number, FlumeLog>
  /** An event that cannot be read; throws when it is not to be left out. */
  readonly onBroken: (path: string, offset: number, problem: string) => void
  /** An event whose record Flume's integrity tool made void. */
  readonly onVoid: (path: string, offset: number) => void
}

/** Reads events of Flume's logs by their places, through a few windows on the files: memory does not grow with the logs. */
export class FlumeEvents {
  readonly #options: FlumeEventsOptions
  /** The one used last is the last one. */
  readonly #windows = new Map<string, Buffer>()

  constructor(options: FlumeEventsOptions) {
    this.#options = options
  }

  /** The events in the order of the pointers, in batches. Rejects when the disk does, or when `onBroken` throws. */
  async *batches(pointers: FlumePointers): AsyncGenerator<EventBatch, void, void> {
    const builder = new BatchBuilder()
    for (let i = 0; i < pointers.count; i++) {
      const record = await this.#record(pointers.fileAt(i), pointers.offsetAt(i))
      if (!record) continue
      const { bytes, event } = record
      builder.addRange(bytes, event.start, event.end)
      for (const name of Object.keys(event.headers)) builder.setHeader(name, event.headers[name] as string)
      if (builder.count >= batchCountMax || builder.bytes >= batchBytesMax) yield builder.build()
    }
    if (builder.count > 0) yield builder.build()
  }

  /** The same pointers in the order in which the events were put. */
  async inOrder(pointers: FlumePointers): Promise<PointerList> {
    const found: { readonly file: number; readonly offset: number; readonly order: number }[] = []
    for (let i = 0; i < pointers.count; i++) {
      const file = pointers.fileAt(i)
      const offset = pointers.offsetAt(i)
      found.push({ file, offset, order: await this.#orderOf(file, offset) })
    }
    found.sort((a, b) => a.order - b.order || a.file - b.file || a.offset - b.offset)
    const sorted = new PointerList()
    for (const { file, offset } of found) sorted.push(file, offset)
    return sorted
  }

  async #record(file: number, offset: number) {
    const log = this.#log(file)
    try {
      const bytes = await this.#payload(log, offset)
      if (bytes) return { bytes, event: readFlumeEvent(bytes, 0, bytes.length) }
      this.#options.onVoid(log.path, offset)
    } catch (error) {
      if (!(error instanceof FlumeError && error.code === 'INVALID_DATA')) throw error
      this.#options.onBroken(log.path, offset, error.message)
    }
    return undefined
  }

  /** Of an event that cannot be read, none: that is told when it is read. */
  async #orderOf(file: number, offset: number): Promise<number> {
    try {
      const bytes = await this.#payload(this.#log(file), offset)
      return bytes ? readFlumeRecord(bytes, 0, bytes.length).order : 0
    } catch (error) {
      if (error instanceof FlumeError && error.code === 'INVALID_DATA') return 0
      throw error
    }
  }

  #log(file: number): FlumeLog {
    const log = this.#options.logs.get(file)
    if (!log) throw new FlumeError('INVALID_STATE', `log-${file} is not there`)
    return log
  }

  /** The payload of the record; undefined when it is void. Rejects INVALID_DATA when there is none. */
  async #payload(log: FlumeLog, offset: number): Promise<Buffer | undefined> {
    const frame = await this.#bytes(log, offset, frameBytes)
    const mark = frame[0]
    const length = frame.length < frameBytes ? -1 : frame.readInt32BE(1)
    if (mark === voidMark) return undefined
    if (mark !== recordMark || length < 0 || offset + frameBytes + length > log.bytes) {
      throw new FlumeError('INVALID_DATA', 'no record begins there')
    }
    const payload = await this.#bytes(log, offset + frameBytes, length)
    if (payload.length < length) throw new FlumeError('INVALID_DATA', 'the record is cut off')
    return payload
  }

  /** Bytes of a log; fewer when it ends. A range within one window is not copied. */
  async #bytes(log: FlumeLog, from: number, length: number): Promise<Buffer> {
    const first = Math.floor(from / windowBytes)
    const last = Math.floor((from + Math.max(0, length - 1)) / windowBytes)
    if (first === last) {
      const window = await this.#window(log, first)
      return window.subarray(from - first * windowBytes, from - first * windowBytes + length)
    }
    if (last - first <= 1) {
      const pieces = [await this.#window(log, first), await this.#window(log, last)] as const
      return Buffer.concat([
        pieces[0].subarray(from - first * windowBytes),
        pieces[1].subarray(0, from + length - last * windowBytes),
      ])
    }
    return this.#read(log, from, length)
  }

  async #window(log: FlumeLog, index: number): Promise<Buffer> {
    const key = `${log.file}:${index}`
    let window = this.#windows.get(key)
    if (window) this.#windows.delete(key)
    else window = await this.#read(log, index * windowBytes, windowBytes)
    this.#windows.set(key, window)
    if (this.#windows.size > windowsMax) this.#windows.delete(this.#windows.keys().next().value as string)
    return window
  }

  async #read(log: FlumeLog, from: number, length: number): Promise<Buffer> {
    const file = await this.#options.disk.openToRead(log.path)
    try {
      const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, log.bytes - from)))
      return bytes.subarray(0, await file.read(bytes, from))
    } catch (error) {
      throw new FlumeError('IO', `${log.path} cannot be read: ${asError(error).message}`, { cause: error })
    } finally {
      await file.close()
    }
  }
}
