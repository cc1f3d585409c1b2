/*
 * The write-ahead log of received blocks: `receivedData/<operator>/log-<first block>`.
 *
 * - A block is acknowledged to its receiver only when its record is on disk.
 * - Blocks of an operator have rising numbers without gaps; a batch has a run of them. Which, says the checkpoint.
 * - A file is deleted when a checkpoint no longer needs any of its blocks.
 */
import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { asError } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import { blockItems, type PlainBlock, plainBlock } from '../receiver/block-codec.ts'
import type { ReceivedBlock } from '../receiver/tracker.ts'
import { encodeRecord, readRecords } from '../state/framed-file.ts'

interface LoggedBlock {
  readonly number: number
  readonly recordCount: number
  readonly metadata: unknown
  readonly block: PlainBlock
}

interface LogFile {
  readonly path: string
  /** The first block that is not in it any more; Infinity while it is written. */
  end: number
}

/** The log of one receiver. */
export class BlockLog {
  readonly #folder: string
  readonly #operator: string
  readonly #clock: Clock
  readonly #rollingMs: number
  readonly #logger: Logger
  #next = 0
  #files: LogFile[] = []
  #handle: FileHandle | undefined
  #openedMs = 0
  #waiting: { readonly bytes: Uint8Array[]; readonly done: (error?: unknown) => void }[] = []
  #writing: Promise<void> | undefined

  constructor(folder: string, operator: string, clock: Clock, rollingMs: number, logger: Logger) {
    this.#folder = join(folder, 'receivedData', operator)
    this.#operator = operator
    this.#clock = clock
    this.#rollingMs = rollingMs
    this.#logger = logger
  }

  /** Reads the blocks from `from` on that earlier runs have left, in order. */
  async recover(from: number): Promise<Map<number, Omit<ReceivedBlock, 'streamId'>>> {
    const blocks = new Map<number, Omit<ReceivedBlock, 'streamId'>>()
    const names = (await readdir(this.#folder).catch(() => [])).filter((name) => name.startsWith('log-')).sort()
    for (const name of names) {
      const path = join(this.#folder, name)
      try {
        for await (const record of readRecords(path, true)) {
          const { number, recordCount, metadata, block } = record as LoggedBlock
          this.#next = Math.max(this.#next, number + 1)
          if (number < from) continue
          const items = blockItems(block)
          blocks.set(number, { items, recordCount, logNumber: number, ...(metadata !== undefined && { metadata }) })
        }
      } catch (error) {
        this.#logger.error('a write-ahead log is damaged: the blocks behind the damage are lost', {
          path,
          error: asError(error).message,
        })
      }
      this.#files.push({ path, end: this.#next })
    }
    // Numbers go on behind everything that a checkpoint may name.
    this.#next = Math.max(this.#next, from)
    return blocks
  }

  /** Resolves to the block's number when it is on disk; rejects INVALID_DATA for records that cannot be written down. */
  append(received: ReceivedBlock): Promise<number> {
    const number = this.#next
    const { recordCount, metadata, items } = received
    const logged: LoggedBlock = { number, recordCount, metadata, block: plainBlock(items) }
    const bytes = encodeRecord(logged, `a block of ${this.#operator}`)
    this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, done: (error) => (error === undefined ? resolve(number) : reject(error)) })
      this.#writing ??= this.#drain().finally(() => {
        this.#writing = undefined
      })
    })
  }

  /** Writes what waits in one go, so that many small blocks share one sync. */
  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0)
      try {
        const handle = await this.#file(this.#next - group.length)
        await handle.appendFile(Buffer.concat(group.flatMap(({ bytes }) => bytes)))
        await handle.datasync()
        for (const { done } of group) done()
      } catch (error) {
        await this.#close()
        for (const { done } of group) done(error)
      }
    }
  }

  async #file(first: number): Promise<FileHandle> {
    if (this.#handle && this.#clock.now() - this.#openedMs < this.#rollingMs) return this.#handle
    await this.#close(first)
    await mkdir(this.#folder, { recursive: true })
    // A second file with the same first block would overwrite the first: a write that failed has used up its numbers.
    const path = join(this.#folder, `log-${String(first).padStart(12, '0')}-${this.#files.length}`)
    this.#handle = await open(path, 'a')
    this.#openedMs = this.#clock.now()
    this.#files.push({ path, end: Number.POSITIVE_INFINITY })
    return this.#handle
  }

  async #close(end = this.#next): Promise<void> {
    const last = this.#files.at(-1)
    if (last) last.end = Math.min(last.end, end)
    await this.#handle?.close()
    this.#handle = undefined
  }

  /** Blocks before `from` are not needed any more: files that hold no others are deleted. */
  async release(from: number): Promise<void> {
    const [done, needed] = [this.#files.filter(({ end }) => end <= from), this.#files.filter(({ end }) => end > from)]
    this.#files = needed
    for (const { path } of done) await rm(path, { force: true })
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#close()
  }
}
