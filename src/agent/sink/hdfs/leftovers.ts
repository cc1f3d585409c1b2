import { Buffer } from 'node:buffer'
import { containerMagic, parseContainerHeader } from '../../../codec/avro/container.ts'
import type { HadoopCodec } from '../../../codec/compression/hadoop.ts'
import { readSequenceHeader, sequenceBlockEnd } from '../../../codec/sequence-file.ts'
import { asBuffer } from '../../../codec/text-range.ts'
import { explain, isAbort } from '../../../core/error.ts'
import type { Logger } from '../../../monitor/logger.ts'
import { type FileStatus, type FileSystem, reasonOf } from '../../../net/hdfs/file-system.ts'
import type { Clock } from '../../contract.ts'

export interface LeftoverSettings {
  /** Where to look, and in what lies below. */
  readonly root: string
  readonly inUsePrefix: string
  /** As configured, escape sequences and all. */
  readonly filePrefix: string
  readonly fileSuffix: string
  readonly inUseSuffix: string
  readonly ending: Ending
}

/**
 * How the files end behind a whole batch: with a line, or with a member of a codec. SequenceFiles and Avro containers are known
 * by what they begin with; nothing is cut from others.
 */
export type Ending = 'newline' | 'any' | HadoopCodec

/** Directories looked at in one start. */
const foldersMax = 10_000
/** A writer that is silent for a minute is dead; its file is asked for somewhat longer. */
const patienceMs = 120_000
/** The block of a writer that is known to be dead is recovered within a second or two. */
const pauseMinMs = 250
const pauseMaxMs = 2000
/** How far from its end a file is searched for the end of its last whole batch. */
const tailBytes = 8 * 1024 * 1024
/** A file's beginning, a container's schema included. */
const headBytes = 1024 * 1024
/** How much of a compressed file is looked at once, and at most for the sake of one long member. */
const memberWindowBytes = 4 * 1024 * 1024
const memberWindowBytesMax = 256 * 1024 * 1024
/** Files that are worked on at a time. */
const atOnce = 8

/**
 * Finishes what a killed agent left: its files under their in-use names are closed (the lease tells a dead writer from a live
 * one, whose files stay), cut behind the last whole batch and given their final names. Flume leaves them as they are.
 */
export class Leftovers {
  readonly #fileSystem: FileSystem
  readonly #settings: LeftoverSettings
  readonly #clock: Clock
  readonly #log: Logger
  readonly #name: RegExp

  constructor(
    fileSystem: FileSystem,
    settings: LeftoverSettings,
    context: { readonly clock: Clock; readonly log: Logger },
  ) {
    this.#fileSystem = fileSystem
    this.#settings = settings
    this.#clock = context.clock
    this.#log = context.log
    const prefix = settings.filePrefix.split(/%(?:\w|%|\{[\w.-]+\}|\[\w+\])/g).map(escapeRegExp)
    const parts = [settings.inUsePrefix, settings.fileSuffix, settings.inUseSuffix].map(escapeRegExp)
    this.#name = new RegExp(`^${parts[0]}(${prefix.join('[^/]*')}\\.(\\d{13,16})${parts[1]})${parts[2]}$`)
  }

  /** What was there before this moment; nothing when a file in use has the same name as a finished one. */
  async find(): Promise<readonly FileStatus[]> {
    const { inUsePrefix, inUseSuffix, root } = this.#settings
    if (inUsePrefix === '' && inUseSuffix === '') return []
    const nowMs = this.#clock.now()
    const found: FileStatus[] = []
    const folders = [root]
    for (let looked = 0; folders.length > 0; looked++) {
      if (looked === foldersMax) {
        this.#log.warn(`only ${foldersMax} directories below ${root} were searched for files that a killed agent left`)
        break
      }
      const folder = folders.pop() as string
      for (const entry of await this.#list(folder)) {
        if (entry.kind === 'directory') folders.push(entry.path)
        else if (Number(this.#name.exec(nameOf(entry.path))?.[2]) <= nowMs) found.push(entry)
      }
    }
    return found
  }

  /** Finishes each of them; resolves when all are done or given up, and soon after the signal aborts. */
  async finish(files: readonly FileStatus[], signal: AbortSignal): Promise<void> {
    const waiting = [...files]
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next && !signal.aborted; next = waiting.pop())
        await this.#finish(next.path, signal)
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }

  async #finish(path: string, signal: AbortSignal): Promise<void> {
    try {
      if (!(await this.#until(() => this.#fileSystem.recover(path), signal))) {
        this.#log.info(`${path} is being written by someone else, and stays`)
        return
      }
      const status = await this.#fileSystem.status(path)
      if (!status) return
      const wholeBytes = await this.#wholeBytes(path, status.sizeBytes)
      if (wholeBytes === 0 && typeof this.#settings.ending === 'object') {
        // Nothing of it was ever confirmed, and readers take an empty file for a broken one.
        await this.#fileSystem.delete(path)
        return
      }
      if (wholeBytes !== undefined && wholeBytes < status.sizeBytes) {
        if (!(await this.#until(() => this.#fileSystem.truncate(path, wholeBytes), signal))) return
      }
      const finalPath = `${path.slice(0, path.lastIndexOf('/') + 1)}${this.#name.exec(nameOf(path))?.[1]}`
      await this.#fileSystem.rename(path, finalPath)
      this.#log.info(`${finalPath} was left by an agent that was killed, and is finished now`)
    } catch (error) {
      if (isAbort(error) || reasonOf(error) === 'missing') return
      this.#log.warn(`${path}, left by an agent that was killed, keeps its name: ${explain(error)}`)
    }
  }

  async #until(act: () => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
    const untilMs = this.#clock.monotonic() + patienceMs
    for (let pauseMs = pauseMinMs; !(await act()); pauseMs = Math.min(2 * pauseMs, pauseMaxMs)) {
      if (this.#clock.monotonic() > untilMs) return false
      await this.#clock.sleep(pauseMs, signal)
    }
    return true
  }

  /** Bytes up to the end of the last whole batch, or event; undefined where that cannot be told. */
  async #wholeBytes(path: string, sizeBytes: number): Promise<number | undefined> {
    const { ending } = this.#settings
    if (sizeBytes === 0) return undefined
    if (typeof ending === 'object') return this.#wholeMembers(path, sizeBytes, ending)
    const from = Math.max(0, sizeBytes - tailBytes)
    const read = async (): Promise<Buffer> => asBuffer(await this.#fileSystem.read(path, from, sizeBytes - from))
    if (ending === 'newline') {
      const at = (await read()).lastIndexOf(10)
      return at >= 0 ? from + at + 1 : from === 0 ? 0 : undefined
    }
    const head = await this.#fileSystem.read(path, 0, headBytes)
    const sequence = readSequenceHeader(head)
    const mark = sequence
      ? Buffer.concat([Buffer.from([255, 255, 255, 255]), sequence.sync])
      : this.#avroMark(head, path)
    if (!mark) return undefined
    const tail = await read()
    const at = tail.lastIndexOf(mark)
    if (at < 0) return undefined
    if (!sequence?.inBlocks) return from + at + mark.length
    // The mark begins a block there.
    return from + (sequenceBlockEnd(tail, at) ?? at)
  }

  #avroMark(head: Uint8Array, path: string): Buffer | undefined {
    if (asBuffer(head).compare(containerMagic, 0, containerMagic.length, 0, containerMagic.length) !== 0)
      return undefined
    try {
      return parseContainerHeader(head).sync
    } catch (error) {
      this.#log.warn(`${path} is not cut: ${explain(error)}`)
      return undefined
    }
  }

  /** From the first member on: nothing in such a file says where the last one begins. */
  async #wholeMembers(path: string, sizeBytes: number, codec: HadoopCodec): Promise<number | undefined> {
    let whole = 0
    let windowBytes = memberWindowBytes
    while (whole < sizeBytes) {
      const bytes = Math.min(windowBytes, sizeBytes - whole)
      const window = asBuffer(await this.#fileSystem.read(path, whole, bytes))
      let at = 0
      try {
        for (let end = codec.memberEnd(window, 0); end !== undefined; end = codec.memberEnd(window, at)) {
          at = end
          if (at === window.length) break
        }
      } catch (error) {
        // Not torn but damaged: what lies behind may be good.
        this.#log.warn(`${path} is not cut: ${explain(error)} (behind byte ${whole})`)
        return undefined
      }
      if (at === 0 && bytes === sizeBytes - whole) return whole
      if (at === 0) windowBytes *= 4
      if (windowBytes > memberWindowBytesMax) {
        this.#log.warn(`${path} is not cut: it has a member of more than ${memberWindowBytesMax} bytes`)
        return undefined
      }
      whole += at
    }
    return whole
  }

  async #list(folder: string): Promise<readonly FileStatus[]> {
    try {
      return await this.#fileSystem.list(folder)
    } catch (error) {
      if (reasonOf(error) === 'missing') return []
      throw error
    }
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
