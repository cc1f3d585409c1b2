/*
 * The write-ahead log of received blocks: `receivedData/<operator>/log-<first block>`.
 *
 * - A block is acknowledged to its receiver only when its record is on disk.
 * - Blocks of an operator have rising numbers without gaps; a batch has a run of them. Which, says the checkpoint.
 * - A file is deleted when a checkpoint no longer needs any of its blocks.
 */
import type { Clock } from '../../core/clock.ts'
import { asError } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import { blockItems, type PlainBlock, plainBlock } from '../receiver/block-codec.ts'
import type { ReceivedBlock } from '../receiver/tracker.ts'
import { encodeRecord, readRecords } from '../state/framed-file.ts'
import { type CheckpointFolder, type FolderLog, FolderUnusable } from './folder.ts'

interface LoggedBlock {
  readonly number: number
  readonly recordCount: number
  readonly metadata: unknown
  readonly block: PlainBlock
}

interface LogFile {
  readonly name: string
  /** The first block that is not in it any more; Infinity while it is written. */
  end: number
}

/** Where the log of an operator lies. */
export function logFolder(operator: string): string {
  return `receivedData/${operator}`
}

/** The log of one receiver. */
export class BlockLog {
  readonly #folder: CheckpointFolder
  readonly #operator: string
  readonly #clock: Clock
  readonly #rollingMs: number
  readonly #logger: Logger
  #next = 0
  #files: LogFile[] = []
  #log: FolderLog | undefined
  #openedMs = 0
  #waiting: { readonly bytes: Uint8Array[]; readonly done: (error?: unknown) => void }[] = []
  #writing: Promise<void> | undefined

  constructor(folder: CheckpointFolder, operator: string, clock: Clock, rollingMs: number, logger: Logger) {
    this.#folder = folder
    this.#operator = operator
    this.#clock = clock
    this.#rollingMs = rollingMs
    this.#logger = logger
  }

  /** Reads the blocks from `from` on that earlier runs have left, in order. */
  async recover(from: number): Promise<Map<number, Omit<ReceivedBlock, 'streamId'>>> {
    const blocks = new Map<number, Omit<ReceivedBlock, 'streamId'>>()
    const folder = logFolder(this.#operator)
    const names = (await this.#folder.names(folder)).filter((name) => name.startsWith('log-')).sort()
    for (const name of names.map((one) => `${folder}/${one}`)) {
      const path = this.#folder.pathOf(name)
      try {
        await this.#folder.recover(name)
        for await (const record of readRecords(this.#folder.read(name), path, true)) {
          const { number, recordCount, metadata, block } = record as LoggedBlock
          this.#next = Math.max(this.#next, number + 1)
          if (number < from) continue
          const items = blockItems(block)
          blocks.set(number, { items, recordCount, logNumber: number, ...(metadata !== undefined && { metadata }) })
        }
      } catch (error) {
        // What cannot be read now may be whole: no block is given up for it.
        if (error instanceof FolderUnusable) throw error
        this.#logger.error('a write-ahead log is damaged: the blocks behind the damage are lost', {
          path,
          error: asError(error).message,
        })
      }
      this.#files.push({ name, end: this.#next })
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
        const log = await this.#file(this.#next - group.length)
        await log.append(group.flatMap(({ bytes }) => bytes))
        for (const { done } of group) done()
      } catch (error) {
        await this.#close().catch(() => undefined)
        for (const { done } of group) done(error)
      }
    }
  }

  async #file(first: number): Promise<FolderLog> {
    if (this.#log && this.#clock.now() - this.#openedMs < this.#rollingMs) return this.#log
    await this.#close(first)
    // A second file with the same first block would overwrite the first: a write that failed has used up its numbers.
    const name = `${logFolder(this.#operator)}/log-${String(first).padStart(12, '0')}-${this.#files.length}`
    this.#log = await this.#folder.openLog(name)
    this.#openedMs = this.#clock.now()
    this.#files.push({ name, end: Number.POSITIVE_INFINITY })
    return this.#log
  }

  async #close(end = this.#next): Promise<void> {
    const last = this.#files.at(-1)
    if (last) last.end = Math.min(last.end, end)
    const log = this.#log
    this.#log = undefined
    await log?.close()
  }

  /** Blocks before `from` are not needed any more: files that hold no others are deleted. */
  async release(from: number): Promise<void> {
    const [done, needed] = [this.#files.filter(({ end }) => end <= from), this.#files.filter(({ end }) => end > from)]
    this.#files = needed
    for (const { name } of done) await this.#folder.remove(name)
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#close()
  }
}
