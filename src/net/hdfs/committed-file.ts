import type { Clock } from '../../core/clock.ts'
import { byteLength, type FileSystem, FileSystemError, type OpenFile, reasonOf } from './file-system.ts'

/** HDFS frees a dead writer's file after its soft limit of 60 s; measured: 65 s until the file could be cut. */
export const leasePatienceMs = 90_000
const leasePauseMaxMs = 5000

/**
 * A file that grows by whole batches, and what is known to be in it. Where the file system can keep it open it stays open
 * until `close`, `rename` or a failed write.
 *
 *     absent ──write ok──▶ clean ──write ok──▶ clean          absent, clean ──write failed──▶ torn ──repair──▶ absent, clean
 *
 * Never: bytes beyond `committedBytes` in a file that is `clean`, once `repair` has said so. A write that certainly did
 * nothing leaves the state as it was.
 */
export class CommittedFile {
  readonly #fileSystem: FileSystem
  readonly #clock: Clock
  #path: string
  #state: 'absent' | 'clean' | 'torn' = 'absent'
  #committedBytes = 0
  #open: OpenFile | undefined

  constructor(fileSystem: FileSystem, path: string, clock: Clock) {
    this.#fileSystem = fileSystem
    this.#clock = clock
    this.#path = path
  }

  get path(): string {
    return this.#path
  }

  get state(): 'absent' | 'clean' | 'torn' {
    return this.#state
  }

  /** Bytes that were confirmed. */
  get committedBytes(): number {
    return this.#committedBytes
  }

  /** Copies that the file system has now and should have, where that is known. */
  get replicas(): { readonly actual: number; readonly wanted: number } | undefined {
    return this.#open?.replicas
  }

  /** Creates the file with these bytes, or appends them. Resolves when they are confirmed, all of them. */
  async write(parts: readonly Uint8Array[]): Promise<void> {
    if (this.#state === 'torn')
      throw new FileSystemError('other', `${this.#path} must be repaired before it is written`)
    const before = this.#state
    this.#state = 'torn'
    try {
      if (this.#open) await this.#open.write(parts)
      else if (before === 'absent') this.#open = await this.#fileSystem.begin(this.#path, parts)
      else this.#open = await this.#fileSystem.resume(this.#path, parts, this.#committedBytes)
      this.#committedBytes += byteLength(parts)
      this.#state = 'clean'
    } catch (error) {
      if (error instanceof FileSystemError && error.untouched) this.#state = before
      else this.#letGo()
      throw error
    }
  }

  /** Ends the writing of a clean file. Rejects when that may not have happened: the file is torn then. */
  async close(): Promise<void> {
    if (!this.#open) return
    try {
      await this.#open.close()
      this.#open = undefined
    } catch (error) {
      this.#state = 'torn'
      this.#letGo()
      throw error
    }
  }

  /**
   * Cuts off what a failed write left behind; a file without committed bytes is removed. While another writer's lease, or
   * its recovery, is in the way it is asked again for `patienceMs`. Rejects when the file is still not right.
   */
  async repair(patienceMs = leasePatienceMs, signal?: AbortSignal): Promise<void> {
    if (this.#state !== 'torn') return
    const untilMs = this.#clock.monotonic() + patienceMs
    for (let pauseMs = 500; ; pauseMs = Math.min(2 * pauseMs, leasePauseMaxMs)) {
      const problem = await this.#cut()
      if (!problem) return
      if (this.#clock.monotonic() + pauseMs > untilMs || signal?.aborted) throw problem
      await this.#clock.sleep(pauseMs, signal)
    }
  }

  /** Closes the file and gives it another name. */
  async rename(to: string): Promise<void> {
    await this.close()
    await this.#fileSystem.rename(this.#path, to)
    this.#path = to
  }

  /** Says that the file is known to have this name now: a rename whose answer was lost. */
  renamed(to: string): void {
    this.#path = to
  }

  #letGo(): void {
    this.#open?.abandon()
    this.#open = undefined
  }

  async #cut(): Promise<FileSystemError | undefined> {
    if (this.#committedBytes === 0) {
      await this.#fileSystem.delete(this.#path)
      this.#state = 'absent'
      return undefined
    }
    try {
      // Asked for even when the length looks right: the name node does not count what a dead writer left in the last
      // block, and would bring it back when it recovers the lease. Cutting needs the lease, so success means closed.
      if (await this.#fileSystem.truncate(this.#path, this.#committedBytes)) {
        this.#state = 'clean'
        return undefined
      }
      return new FileSystemError('leased', `${this.#path} is being cut to ${this.#committedBytes} bytes`)
    } catch (error) {
      if (reasonOf(error) === 'leased') return error as FileSystemError
      throw error
    }
  }
}
