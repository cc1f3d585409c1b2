import { asError } from '../../core/error.ts'
import { type FileEntry, type FileSystem, glob, locate } from '../files.ts'
import { InputNode, type NodeGraph } from '../graph/node.ts'
import type { FilePart } from '../rdd/plan.ts'
import { type Push, pushBlocks, type Signal } from '../rdd/push.ts'
import { RDD } from '../rdd/rdd.ts'
import { FilesPlan, type ReadPart } from '../rdd/source.ts'
import { textParts } from '../text-file.ts'

export interface FileStreamOptions<T> {
  /** Which files to take, by path. Default: not those that start with `.` or `_` or end in `._COPYING_` (B95). */
  readonly filter?: (path: string) => boolean
  /** True (default): only files that are newer than this stream. */
  readonly newFilesOnly?: boolean
  /** How a file, or a part of one, becomes records. */
  readonly read: ReadPart<T>
  /** True: files are text, and a long one is several parts. */
  readonly isText?: boolean
}

/** Records read one by one that go on together. */
const groupCount = 64

/** A reader of whole files, record by record, as a reader of parts. */
export function reading<T>(read: (files: FileSystem, path: string) => AsyncIterable<T>): ReadPart<T> {
  return async function* ({ uri, path }) {
    let group: T[] = []
    for await (const item of read(locate(uri).files, path)) {
      group.push(item)
      if (group.length < groupCount) continue
      yield group
      group = []
    }
    if (group.length > 0) yield group
  }
}

/** What a checkpoint keeps of a file stream. */
interface SavedFiles {
  readonly createdMs: number
  readonly batches: readonly (readonly [number, readonly string[]])[]
  readonly taken: readonly (readonly [string, number])[]
}

/** The files of a batch that is made again, as they are now; one that is gone fails the batch when it is read. */
function entriesOf(files: FileSystem, paths: readonly string[]): Promise<FileEntry[]> {
  return Promise.all(
    paths.map(async (path) => {
      const name = path.slice(path.lastIndexOf('/') + 1)
      return (await files.status(path)) ?? { path, name, isDirectory: false, sizeBytes: 0, modifiedMs: 0 }
    }),
  )
}

/** Takes a file by its name: neither hidden nor still being copied. */
function isFinished(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return !name.startsWith('.') && !name.startsWith('_') && !name.endsWith('._COPYING_')
}

/**
 * At each batch time, the files that have appeared in a folder (B91–B94): newer than the threshold, not newer than the
 * batch, and not taken in the batches that are remembered. Files must be moved in whole: appends are never seen.
 */
export class FileNode<T> extends InputNode<T> {
  readonly kind = 'file'
  readonly #uri: string
  readonly #options: FileStreamOptions<T>
  #createdMs: number
  readonly #selectMs: number
  /** Batch time at which each path was taken. */
  readonly #taken = new Map<string, number>()
  /** The files of each batch that may be asked for again. */
  readonly #batches = new Map<number, readonly string[]>()
  /** The last batch of an earlier run: what it does not know of up to there had no files. */
  #restoredMs = 0
  #isAbsent = false

  constructor(graph: NodeGraph, uri: string, options: FileStreamOptions<T>) {
    super(graph)
    const { sparkContext, batchMs } = graph
    this.#uri = uri
    this.#options = options
    this.#createdMs = options.newFilesOnly === false ? 0 : sparkContext.clock.now()
    const conf = sparkContext.getConf()
    const remember = conf.get(
      'spark.streaming.fileStream.minRememberDuration',
      conf.get('spark.streaming.minRememberDuration', '60s'),
    )
    // Spark: a bare number is seconds.
    const bareMs = /^\s*\d+\s*$/.test(remember) ? 1000 : 1
    const rememberMs = bareMs * conf.getTimeAsMs('spark.streaming.fileStream.minRememberDuration', remember)
    this.#selectMs = batchMs * Math.ceil(rememberMs / batchMs)
  }

  get name(): string {
    return `File stream [${this.streamId}]`
  }

  override get detail(): string {
    return this.#uri
  }

  override get isReplayable(): boolean {
    return true
  }

  /** B136. */
  override saveBatches(afterMs: number): SavedFiles {
    for (const timeMs of this.#batches.keys()) if (timeMs <= afterMs) this.#batches.delete(timeMs)
    return { createdMs: this.#createdMs, batches: [...this.#batches], taken: [...this.#taken] }
  }

  override restoreBatches(saved: SavedFiles, timeMs: number): void {
    this.#createdMs = saved.createdMs
    this.#restoredMs = timeMs
    for (const [batchMs, paths] of saved.batches) this.#batches.set(batchMs, paths)
    for (const [path, takenMs] of saved.taken) this.#taken.set(path, takenMs)
  }

  protected async compute(timeMs: number): Promise<RDD<T>> {
    const { files, path } = locate(this.#uri)
    const known = this.#batches.get(timeMs) ?? (timeMs <= this.#restoredMs ? [] : undefined)
    const entries = known ? await entriesOf(files, known) : await this.#find(files, path, timeMs)
    const paths = entries.map((entry) => entry.path)
    if (!known) for (const taken of paths) this.#taken.set(taken, timeMs)
    // An earlier batch of a resumed job is asked for with its files; an empty one needs no note.
    if (paths.length > 0 && this.graph.isCheckpointed) this.#batches.set(timeMs, paths)
    this.report(timeMs, 0, { files: paths, Description: paths.join('\n') })
    const cores = this.graph.sparkContext.defaultParallelism
    const parts = entries.flatMap((entry) =>
      this.#options.isText ? textParts(files, this.#uri, entry, cores) : [{ uri: this.#uri, path: entry.path }],
    )
    return new RDD<T>(this.graph.sparkContext, new FilesPlan<T>(parts, this.#options.read, this.id))
  }

  override runPart(part: unknown, push: Push<T>): Signal {
    return pushBlocks(this.#options.read(part as FilePart), push)
  }

  async #find(files: FileSystem, path: string, timeMs: number): Promise<FileEntry[]> {
    const { clock, logger } = this.graph.sparkContext
    const startMs = clock.monotonic()
    for (const [taken, takenMs] of this.#taken) if (takenMs <= timeMs - this.#selectMs) this.#taken.delete(taken)
    try {
      const found: FileEntry[] = []
      const folders = (await glob(files, path)).filter((folder) => folder.isDirectory)
      this.#noteAbsence(folders.length === 0)
      for (const folder of folders) {
        for (const entry of await files.list(folder.path)) if (this.#isNew(entry, timeMs)) found.push(entry)
      }
      const tookMs = clock.monotonic() - startMs
      if (tookMs > this.slideMs)
        logger.warn(`Time taken to find new files ${Math.round(tookMs)} exceeds the batch size`)
      return found
    } catch (error) {
      logger.warn('Error finding new files', { path: this.#uri, error: asError(error).message })
      return []
    }
  }

  /** Spark says nothing, and a mistyped path looks like a folder without files. */
  #noteAbsence(isAbsent: boolean): void {
    if (isAbsent && !this.#isAbsent) {
      this.graph.sparkContext.logger.warn('there is no such folder; batches are empty until there is one', {
        path: this.#uri,
      })
    }
    this.#isAbsent = isAbsent
  }

  #isNew(entry: FileEntry, timeMs: number): boolean {
    if (entry.isDirectory || this.#taken.has(entry.path)) return false
    const thresholdMs = Math.max(this.#createdMs, timeMs - this.#selectMs)
    if (entry.modifiedMs <= thresholdMs || entry.modifiedMs > timeMs) return false
    return (this.#options.filter ?? isFinished)(entry.path)
  }
}
