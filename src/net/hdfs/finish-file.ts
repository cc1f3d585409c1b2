import { Buffer } from 'node:buffer'
import { containerMagic, parseContainerHeader } from '../../codec/avro/container.ts'
import { type HadoopCodec, hadoopCodecNamed } from '../../codec/compression/hadoop.ts'
import { readSequenceHeader, sequenceBlockEnd } from '../../codec/sequence-file.ts'
import { asBuffer } from '../../codec/text-range.ts'
import type { Clock } from '../../core/clock.ts'
import { explain } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import { type FileSystem, reasonOf } from './file-system.ts'

/**
 * How the files end behind a whole batch: with a line, or with a member of a codec. SequenceFiles and Avro containers are known
 * by what they begin with; nothing is cut from others.
 */
export type Ending = 'newline' | 'any' | HadoopCodec

/** An ending in a word that `endingNamed` knows. */
export function endingName(ending: Ending): string {
  return typeof ending === 'object' ? ending.className : ending
}

/** `any` for what is not known here, so that nothing is cut. */
export function endingNamed(name: string): Ending {
  if (name === 'newline' || name === 'any') return name
  const codec = hadoopCodecNamed(name)
  return 'problem' in codec ? 'any' : codec
}

/** `held`: another writer has it. `missing`: there is no such file, or no longer. `removed`: nothing in it had ever been confirmed. */
export type Finished = { readonly path: string; readonly sizeBytes: number } | 'held' | 'missing' | 'removed'

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
/** Names in a row that may be taken. */
const takenNamesMax = 100

/** Finishes files that a killed process left: closes them, cuts them behind the last whole batch, and gives them their final names. */
export class FileFinisher {
  readonly #fileSystem: FileSystem
  readonly #ending: Ending
  readonly #clock: Clock
  readonly #log: Pick<Logger, 'warn'>

  constructor(
    fileSystem: FileSystem,
    ending: Ending,
    context: { readonly clock: Clock; readonly log: Pick<Logger, 'warn'> },
  ) {
    this.#fileSystem = fileSystem
    this.#ending = ending
    this.#clock = context.clock
    this.#log = context.log
  }

  /**
   * Finishes one file, whose writer must be gone where there are no leases. When the final name is taken the number in it
   * counts up. Rejects when the file system does, and with an AbortError soon after the signal aborts.
   */
  async finish(path: string, finalPath: string, signal: AbortSignal, force = false): Promise<Finished> {
    try {
      if (!(await this.#until(() => this.#fileSystem.recover(path, { force }), signal))) return 'held'
      const status = await this.#fileSystem.status(path)
      if (!status) return 'missing'
      const wholeBytes = await this.#wholeBytes(path, status.sizeBytes)
      if (wholeBytes === 0 && typeof this.#ending === 'object') {
        // Nothing of it was ever confirmed, and readers take an empty file for a broken one.
        await this.#fileSystem.delete(path)
        return 'removed'
      }
      if (wholeBytes !== undefined && wholeBytes < status.sizeBytes) {
        if (!(await this.#until(() => this.#fileSystem.truncate(path, wholeBytes), signal))) return 'held'
      }
      return { path: await this.#rename(path, finalPath), sizeBytes: wholeBytes ?? status.sizeBytes }
    } catch (error) {
      if (reasonOf(error) === 'missing') return 'missing'
      throw error
    }
  }

  async #rename(path: string, finalPath: string): Promise<string> {
    if (path === finalPath) return path
    let to = finalPath
    for (let taken = 0; ; taken++) {
      try {
        await this.#fileSystem.rename(path, to)
        return to
      } catch (error) {
        const next = nextName(to)
        if (reasonOf(error) !== 'exists' || taken === takenNamesMax || next === undefined) throw error
        to = next
      }
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
    const ending = this.#ending
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
}

/** The name with the next number; undefined without one (H-02). */
function nextName(path: string): string | undefined {
  const found = /^(.*\.)(\d{13,16})([^/]*)$/s.exec(path)
  return found ? `${found[1]}${Number(found[2]) + 1}${found[3]}` : undefined
}
