import { CommittedFile } from '../../../net/hdfs/committed-file.ts'
import { type FileSystem, FileSystemError, reasonOf } from '../../../net/hdfs/file-system.ts'
import {
  type Clock,
  EventBatch,
  type HeaderColumn,
  type Serializer,
  type SinkContext,
  type Timer,
} from '../../contract.ts'
import type { Closer } from './closer.ts'
import type { OpenFiles } from './open-files.ts'
import type { Pool } from './pool.ts'

export interface BucketSettings {
  /** Milliseconds until a file is closed, counted from its first event; 0 is never. */
  readonly rollIntervalMs: number
  /** Body bytes that make a file full; 0 is never. */
  readonly rollSizeBytes: number
  /** Events that make a file full; 0 is never. */
  readonly rollCount: number
  /** Milliseconds without a batch after which a file is closed; 0 is never. */
  readonly idleTimeoutMs: number
  readonly inUsePrefix: string
  readonly inUseSuffix: string
  readonly fileSuffix: string
  /** Copies of a block below which a file counts as full; what the file should have when left out (H-05). */
  readonly minBlockReplicas: number | undefined
}

/** What all buckets of a sink share. */
export interface BucketTools {
  readonly settings: BucketSettings
  readonly fileSystem: FileSystem
  readonly closer: Closer
  /** Notes files in use where there are no leases. */
  readonly openFiles: OpenFiles | undefined
  readonly pool: Pool
  readonly clock: Clock
  readonly counters: SinkContext['counters']
  newSerializer(): Promise<Serializer>
  /** What must be the same for all events of a file; undefined when any may stand together. */
  fileKeys(batch: EventBatch): HeaderColumn | undefined
}

/** The file that takes events now. */
interface OpenFile {
  number: number
  file: CommittedFile
  readonly serializer: Serializer
  /** What its events have in common, where that matters. */
  readonly key: string | undefined
  events: number
  bodyBytes: number
  rollTimer: Timer | undefined
  idleTimer: Timer | undefined
}

/** A run of a batch's events and the file it goes to. */
interface Step {
  readonly target: OpenFile | undefined
  readonly batch: EventBatch
  readonly key: string | undefined
}

/** A batch that waits for the write before it, and joins the others that wait. */
interface Waiting {
  readonly batch: EventBatch
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Files in a row that are closed because a data node is missing; then the files stay open without it, as in Flume (H-05). */
const underReplicatedMax = 30
/** Names in a row that may be taken before a write fails. */
const takenNamesMax = 100

/** One place that events go to: a directory and a file prefix, with at most one open file (H-01). */
export class Bucket {
  readonly #directory: string
  readonly #prefix: string
  readonly #tools: BucketTools
  readonly #expire: () => void
  /** Counts up before each file; the first file is the bucket's creation time plus one (H-02). */
  #counter: number
  #open: OpenFile | undefined
  #underReplicatedInARow = 0
  #tail: Promise<unknown> = Promise.resolve()
  #waiting: Waiting[] = []

  /** `expire` is called when the file's time is up: the bucket should be forgotten and closed. */
  constructor(directory: string, prefix: string, tools: BucketTools, expire: () => void) {
    this.#directory = directory
    this.#prefix = prefix
    this.#tools = tools
    this.#expire = expire
    this.#counter = tools.clock.now()
  }

  /**
   * Resolves when every file that the batch touched has confirmed its bytes. Writes and closes run one after the other;
   * batches that come while one is under way are written together, and share its outcome. When a write fails, so do
   * the batches behind it: they come back in order.
   */
  write(batch: EventBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject })
      if (this.#waiting.length === 1) void this.#enqueue(() => this.#writeWaiting())
    })
  }

  /** Closes the open file, if there is one; resolves after the first try. */
  close(): Promise<void> {
    return this.#enqueue(async () => {
      const open = this.#open
      this.#open = undefined
      if (open) await this.#tools.pool.run(() => this.#finish(open))
    })
  }

  #enqueue(act: () => Promise<void>): Promise<void> {
    const done = this.#tail.then(act)
    this.#tail = done.catch(() => undefined)
    return done
  }

  async #writeWaiting(): Promise<void> {
    const together = this.#waiting.splice(0)
    if (together.length === 0) return
    try {
      await this.#write(EventBatch.concat(together.map(({ batch }) => batch)))
    } catch (error) {
      for (const { reject } of [...together, ...this.#waiting.splice(0)]) reject(error)
      return
    }
    for (const { resolve } of together) resolve()
  }

  async #write(batch: EventBatch): Promise<void> {
    const { pool } = this.#tools
    const steps = this.#plan(batch)
    const counterBefore = this.#counter
    const leftover = this.#open !== steps[0]?.target ? this.#open : undefined
    const files = await Promise.all(steps.map(({ target, key }) => target ?? this.#next(key)))
    // The files of a batch that fills several do not depend on each other.
    const results = await Promise.allSettled(
      steps.map((step, index) => pool.run(() => this.#fill(files[index] as OpenFile, step.batch))),
    )
    // The last file goes on taking events. One whose write failed is closed (H-12), unless HDFS was away and nothing arrived.
    const goesOn = (index: number): boolean => {
      const result = results[index] as PromiseSettledResult<void>
      if (result.status === 'fulfilled' || !(result.reason instanceof FileSystemError)) return true
      return result.reason.reason === 'unreachable'
    }
    const last = files.findLast((file, index) => file.file.state === 'clean' && goesOn(index))
    this.#open = last
    const done = files.filter((file) => file !== last && file.file.state !== 'absent')
    if (leftover) done.push(leftover)
    await Promise.all(done.map((file) => pool.run(() => this.#finish(file))))
    const failed = results.find((result) => result.status === 'rejected')
    if (!failed) return
    // While HDFS is away nothing is created: the next try may use the same names.
    if (files.every(({ file }) => file.state === 'absent')) this.#counter = counterBefore
    throw failed.reason
  }

  /** Cuts a batch into runs, one per file. A file is full before the event that comes after its limit was reached (H-04). */
  #plan(batch: EventBatch): readonly Step[] {
    const { rollCount, rollSizeBytes } = this.#tools.settings
    let target = this.#hasTooFewCopies() ? undefined : this.#open
    let events = target?.events ?? 0
    let bytes = target?.bodyBytes ?? 0
    const keys = this.#tools.fileKeys(batch)
    const keyAt = (index: number): string | undefined => (typeof keys === 'object' ? keys[index] : keys)
    let key = target ? target.key : keyAt(0)
    const fits =
      typeof keys !== 'object' &&
      key === keys &&
      (rollCount === 0 || events + batch.count <= rollCount) &&
      (rollSizeBytes === 0 || bytes + batch.bodyBytes < rollSizeBytes)
    if (fits) return [{ target, batch, key }]
    const steps: Step[] = []
    let from = 0
    for (let i = 0; i < batch.count; i++) {
      const isFull =
        events > 0 &&
        ((rollCount > 0 && events >= rollCount) || (rollSizeBytes > 0 && bytes >= rollSizeBytes) || keyAt(i) !== key)
      if (isFull) {
        if (i > from) steps.push({ target, batch: batch.slice(from, i), key })
        target = undefined
        key = keyAt(i)
        from = i
        events = 0
        bytes = 0
      }
      events++
      bytes += (batch.ends[i] as number) - (batch.starts[i] as number)
    }
    steps.push({ target, batch: batch.slice(from), key })
    return steps
  }

  #hasTooFewCopies(): boolean {
    const replicas = this.#open?.file.replicas
    if (!replicas) return false
    if (replicas.actual >= (this.#tools.settings.minBlockReplicas ?? replicas.wanted)) {
      this.#underReplicatedInARow = 0
      return false
    }
    return this.#underReplicatedInARow++ < underReplicatedMax
  }

  async #next(key: string | undefined): Promise<OpenFile> {
    const number = ++this.#counter
    const serializer = await this.#tools.newSerializer()
    const file = this.#file(number)
    return { number, file, serializer, key, events: 0, bodyBytes: 0, rollTimer: undefined, idleTimer: undefined }
  }

  /** Writes one run of events as one create or append. */
  async #fill(open: OpenFile, batch: EventBatch): Promise<void> {
    const { counters, clock, settings } = this.#tools
    if (open.events > 0) {
      await open.file.write([await open.serializer.encode(batch)])
      open.idleTimer?.cancel()
    } else {
      const begin = open.serializer.begin()
      const body = await open.serializer.encode(batch)
      await this.#createFile(open, begin.length > 0 ? [begin, body] : [body])
      counters.connectionCreated++
      if (settings.rollIntervalMs > 0) open.rollTimer = clock.after(settings.rollIntervalMs, this.#expire)
    }
    open.events += batch.count
    open.bodyBytes += batch.bodyBytes
    if (settings.idleTimeoutMs > 0) open.idleTimer = clock.after(settings.idleTimeoutMs, this.#expire)
  }

  async #createFile(open: OpenFile, parts: readonly Uint8Array[]): Promise<void> {
    const { fileSystem, openFiles, counters } = this.#tools
    for (let taken = 0; ; taken++) {
      const { path } = open.file
      try {
        // Looked at first: a create that fails midway must know that what it finds afterwards is its own.
        if (await fileSystem.status(path)) throw new NameTaken()
        await openFiles?.opened(path, this.#finalPath(open.number))
        return await open.file.write(parts)
      } catch (error) {
        if (open.file.state === 'absent') await openFiles?.closed(path)
        const isTaken = error instanceof NameTaken || reasonOf(error) === 'exists'
        if (!isTaken || taken === takenNamesMax) {
          counters.connectionFailed++
          throw error
        }
        open.number = ++this.#counter
        open.file = this.#file(open.number)
      }
    }
  }

  #finish(open: OpenFile): Promise<void> {
    open.rollTimer?.cancel()
    open.idleTimer?.cancel()
    return this.#tools.closer.close({
      file: open.file,
      end: open.file.committedBytes > 0 ? open.serializer.end() : new Uint8Array(0),
      finalPath: this.#finalPath(open.number),
      nextPath: () => this.#finalPath(++this.#counter),
    })
  }

  #file(number: number): CommittedFile {
    const { settings, fileSystem, clock } = this.#tools
    const { inUsePrefix, inUseSuffix } = settings
    return new CommittedFile(fileSystem, `${this.#directory}/${inUsePrefix}${this.#name(number)}${inUseSuffix}`, clock)
  }

  #finalPath(number: number): string {
    return `${this.#directory}/${this.#name(number)}`
  }

  #name(number: number): string {
    return `${this.#prefix}.${number}${this.#tools.settings.fileSuffix}`
  }
}

class NameTaken extends Error {
  constructor() {
    super('every name that was tried is taken')
  }
}
