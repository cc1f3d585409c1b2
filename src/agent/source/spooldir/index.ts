import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Charset, charsetNamed, charsetNames } from '../../../codec/charset.ts'
import { type JavaPattern, readJavaPattern } from '../../../codec/java-regex.ts'
import { lossyNameWords } from '../../../codec/lossy-name.ts'
import { explain } from '../../../core/error.ts'
import { choice, count, flag, millis, nested, type Options, parsed, text } from '../../../spec/option.ts'
import {
  type Deserializer,
  type DeserializerInput,
  defineSource,
  EventBatch,
  FlumeError,
  type Source,
  type SourceContext,
} from '../../contract.ts'
import { type Candidate, Candidates } from './candidates.ts'
import { type Position, PositionFile, readPosition, removeIfEmpty } from './position.ts'

const options = {
  spoolDir: text({ doc: 'Directory whose files are read; it must exist. A file in it must not change any more.' }),
  fileSuffix: text({ default: '.COMPLETED', doc: 'Appended to the name of a file that is done.' }),
  deletePolicy: choice({
    of: ['never', 'immediate'],
    default: 'never',
    doc: 'Whether a file that is done is deleted.',
  }),
  fileHeader: flag({ default: false, doc: "Give each event a header with the file's absolute path." }),
  fileHeaderKey: text({ default: 'file', doc: 'Name of that header.' }),
  basenameHeader: flag({ default: false, doc: "Give each event a header with the file's name." }),
  basenameHeaderKey: text({ default: 'basename', doc: 'Name of that header.' }),
  includePattern: pattern('^.*$', 'Files whose whole name matches are read.'),
  ignorePattern: pattern(
    '^$',
    'Files, and directories below, whose whole name matches are left alone; stronger than includePattern.',
  ),
  trackerDir: text({
    default: '.flumespool',
    doc: 'Where the position in the current file is kept; relative to spoolDir. One level is created.',
  }),
  trackingPolicy: choice({
    of: ['rename', 'tracker_dir'],
    default: 'rename',
    doc: 'How a file that is done is marked: by its new name, or by an empty file of that name in trackerDir.',
  }),
  consumeOrder: choice({
    of: ['oldest', 'youngest', 'random'],
    default: 'oldest',
    doc: 'Which file comes next, by time of last change, then by name; random takes them as the directory lists them.',
  }),
  pollDelay: millis({ default: 500, min: 1, doc: 'Pause between two looks into the directory.' }),
  recursiveDirectorySearch: flag({
    default: false,
    doc: 'Read sub-directories too, except those that begin with a dot.',
  }),
  maxBackoff: millis({
    default: 4000,
    min: 1,
    doc: 'Longest pause after a full channel; the first is 250 ms, each next one twice as long.',
  }),
  batchSize: count({ default: 100, min: 1, doc: 'Most events handed to the channel at once.' }),
  inputCharset: parsed<Charset>(
    'charset',
    'the name of a charset',
    { default: 'UTF-8', doc: 'What the files are written in.' },
    (name) => {
      const value = charsetNamed(name)
      return value ? { value } : { problem: `is none of ${charsetNames.join(', ')}` }
    },
  ),
  decodeErrorPolicy: choice({
    of: ['FAIL', 'REPLACE', 'IGNORE'],
    default: 'FAIL',
    doc: 'What becomes of bytes that are no text: the source stops, they become U+FFFD, or they are left out.',
  }),
  deserializer: nested<Deserializer, DeserializerInput>('deserializer', {
    default: 'line',
    doc: 'How a file is cut into events.',
  }),
  bufferMaxLineLength: count({
    optional: true,
    min: 1,
    doc: 'Older name of deserializer.maxLineLength; overrides it.',
  }),
}
type SpooldirOptions = Options<typeof options>

export const spooldir = defineSource({
  type: 'spooldir',
  aliases: ['org.apache.flume.source.SpoolDirectorySource'],
  summary: 'Reads files that are dropped into a directory, each line an event, each file once.',
  options,
  batchSizeOption: 'batchSize',
  describe: (options) => options.spoolDir,
  create: (options, context) => new SpooldirSource(options, context),
})

function pattern(source: string, doc: string) {
  return parsed<JavaPattern>(
    'pattern',
    "a regular expression in Java's form",
    { default: source, doc },
    readJavaPattern,
  )
}

const positionFileName = '.flumespool-main.meta'
/** Flume's first pause after a full channel (S-81). */
const backoffFirstMs = 250

class SpooldirSource implements Source {
  readonly #options: SpooldirOptions
  readonly #context: SourceContext
  /** As Java writes paths: no doubled slash, none at the end. */
  readonly #spoolDir: string
  readonly #trackerDir: string
  readonly #positionPath: string
  readonly #batchSize: number
  readonly #candidates: Candidates
  #saved: Position | undefined
  #backoffMs = backoffFirstMs
  /** The last position could not be written, and it has been said. */
  #isPositionWrong = false
  #isLossyNameSaid = false

  constructor(options: SpooldirOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#spoolDir = javaPath(options.spoolDir)
    const trackerDir = javaPath(options.trackerDir)
    this.#trackerDir = trackerDir.startsWith('/') ? trackerDir : `${this.#spoolDir}/${trackerDir}`
    this.#positionPath = `${this.#trackerDir}/${positionFileName}`
    this.#batchSize = Math.min(options.batchSize, context.transactionCapacity)
    this.#candidates = new Candidates({
      clock: context.clock,
      spoolDir: this.#spoolDir,
      order: options.consumeOrder,
      recursive: options.recursiveDirectorySearch,
      fileSuffix: options.fileSuffix,
      include: options.includePattern,
      ignore: options.ignorePattern,
      markerDir: options.trackingPolicy === 'tracker_dir' ? this.#trackerDir : undefined,
      onLossyName: (path) => this.#tellLossyName(path),
    })
  }

  #tellLossyName(path: string): void {
    if (!this.#isLossyNameSaid) this.#context.log.warn(lossyNameWords(path))
    this.#isLossyNameSaid = true
  }

  /** Rejects INVALID_STATE, for good, where a file breaks the rules of a spool directory (S-75, S-76, S-79). */
  async run(): Promise<void> {
    const { clock, signal } = this.#context
    await this.#prepare()
    this.#context.ready(this.#spoolDir)
    while (!signal.aborted) {
      await this.#drain()
      await clock.sleep(this.#options.pollDelay, signal).catch(() => undefined)
    }
  }

  async #prepare(): Promise<void> {
    const { spoolDir, trackingPolicy } = this.#options
    const status = await stat(this.#spoolDir).catch((cause: unknown) => {
      throw new FlumeError('IO', `the spool directory ${spoolDir} cannot be read`, { retry: true, cause })
    })
    if (!status.isDirectory()) throw new FlumeError('IO', `${spoolDir} is not a directory`, { retry: true })
    if (trackingPolicy === 'rename') await this.#tryToWrite()
    await mkdir(this.#trackerDir).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EEXIST') return
      throw new FlumeError('IO', `the tracker directory ${this.#trackerDir} cannot be created`, { retry: true, cause })
    })
    await removeIfEmpty(this.#positionPath)
    this.#saved = await readPosition(this.#positionPath).catch((error: unknown) => {
      if (!(error instanceof FlumeError)) throw error
      this.#context.log.warn(`${error.message}: the current file is read again from its beginning`)
      return undefined
    })
  }

  /** A canary, so that a directory that cannot be written to is found out before the first file is done (S-70). */
  async #tryToWrite(): Promise<void> {
    const { clock, random } = this.#context
    const path = `${this.#spoolDir}/.flume-${clock.now()}-${Math.floor(random() * 1e9)}.canary`
    try {
      await writeFile(path, 'testing flume file permissions\n', { flag: 'wx' })
      await readFile(path)
      await rm(path)
    } catch (cause) {
      throw new FlumeError(
        'IO',
        `the spool directory ${this.#spoolDir} must allow files to be written, read and deleted`,
        {
          retry: true,
          cause,
          hint: 'or set trackingPolicy to tracker_dir and trackerDir to a directory outside',
        },
      )
    }
  }

  /** Reads every file that waits. */
  async #drain(): Promise<void> {
    const { signal } = this.#context
    const begun = this.#saved && (await this.#candidates.take(this.#saved.file))
    if (begun) await this.#consume(begun, this.#saved)
    else if (this.#saved) await rm(this.#positionPath, { force: true })
    this.#saved = undefined
    while (!signal.aborted) {
      const candidate = await this.#candidates.next()
      if (!candidate || !(await this.#consume(candidate, undefined))) return
    }
  }

  /** Delivers one file and marks it as done; false when it has to be tried again at the next look. */
  async #consume(candidate: Candidate, saved: Position | undefined): Promise<boolean> {
    const { log, counters, signal, random } = this.#context
    const handle = await open(candidate.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') counters.eventReadFail++
      log.warn(`${candidate.path} ${error.code === 'ENOENT' ? 'is gone' : `cannot be opened: ${error.message}`}`) // S-82
      return error.code === 'ENOENT'
    })
    if (typeof handle === 'boolean') {
      this.#candidates.forget()
      return handle
    }
    const position = new PositionFile(this.#positionPath, candidate.path, random, {
      isThere: saved !== undefined,
      onWritten: (error) => this.#tellPosition(candidate, error),
    })
    const offset = saved?.offset ?? 0
    try {
      const opened = await handle.stat()
      const start = offset <= opened.size ? offset : 0
      if (start !== offset)
        log.warn(`${candidate.path} is shorter than its saved position: it is read from its beginning`)
      const deserializer = await this.#options.deserializer.create({
        path: candidate.path,
        sizeBytes: opened.size,
        offset: start,
        read: async (target, at) => (await handle.read(target, 0, target.length, at)).bytesRead,
        log,
        charset: this.#options.inputCharset,
        malformed: this.#options.decodeErrorPolicy,
        maxLineLength: this.#options.bufferMaxLineLength,
      })
      await this.#deliverAll(candidate, deserializer, position, start)
      if (signal.aborted) return false
      await this.#checkUnchanged(candidate, opened)
      await this.#complete(candidate)
      await position.remove()
      return true
    } finally {
      await handle.close()
      // What went wrong has been told.
      await position.close().catch(() => undefined)
    }
  }

  async #deliverAll(
    candidate: Candidate,
    deserializer: Deserializer,
    position: PositionFile,
    start: number,
  ): Promise<void> {
    const { signal } = this.#context
    const columns = this.#headersOf(candidate)
    let isFirst = start === 0
    while (!signal.aborted) {
      const piece = await this.#read(deserializer)
      if (piece) position.save()
      // An empty file is one empty event (S-77).
      if (!piece && !isFirst) return
      isFirst = false
      const batch = piece?.batch ?? EventBatch.of([{ body: '' }])
      const withHeaders = columns.size > 0 ? batch.withHeaders(new Map([...batch.headers, ...columns])) : batch
      if (!(await this.#deliver(withHeaders)) || !piece) return
      position.note(piece.offset)
    }
  }

  /**
   * A position that cannot be written means lines that come again after a restart, no more; said once. To end here would
   * bring them again every time the source is tried anew.
   */
  #tellPosition({ path }: Candidate, error: unknown): void {
    const { log } = this.#context
    const isWrong = error !== undefined
    if (isWrong === this.#isPositionWrong) return
    this.#isPositionWrong = isWrong
    if (!isWrong) return log.info('positions are written again')
    log.warn(
      `the position in ${path} cannot be written to ${this.#positionPath}: ${explain(error)}; what is delivered of the file now comes again after a restart`,
    )
  }

  async #read(deserializer: Deserializer) {
    try {
      return await deserializer.read(this.#batchSize)
    } catch (error) {
      this.#context.counters.eventReadFail++
      if (!(error instanceof FlumeError) || error.retry) throw error
      throw new FlumeError('INVALID_STATE', error.message, {
        cause: error,
        ...(error.hint ? { hint: error.hint } : {}),
      })
    }
  }

  /** Hands a batch over for as long as it takes (S-81); false when the source is stopped before it is kept. */
  async #deliver(batch: EventBatch): Promise<boolean> {
    const { clock, signal, log, counters } = this.#context
    counters.appendBatchReceived++
    for (;;) {
      try {
        await this.#context.deliver(batch)
        break
      } catch (error) {
        if (signal.aborted) return false
        const pauseMs = Math.min(this.#backoffMs, this.#options.maxBackoff)
        // Said while the pauses grow; a channel that stays full is not said every few seconds.
        if (this.#backoffMs <= this.#options.maxBackoff) {
          log.warn(`the channel takes nothing now: ${explain(error)}; trying again in ${pauseMs} ms`)
        }
        this.#backoffMs = Math.min(2 * this.#backoffMs, 2 * Math.max(backoffFirstMs, this.#options.maxBackoff))
        await clock.sleep(pauseMs, signal).catch(() => undefined)
        if (signal.aborted) return false
      }
    }
    this.#backoffMs = backoffFirstMs
    counters.appendBatchAccepted++
    return true
  }

  #headersOf({ path, name }: Candidate): ReadonlyMap<string, string> {
    const { fileHeader, fileHeaderKey, basenameHeader, basenameHeaderKey } = this.#options
    const headers = new Map<string, string>()
    if (fileHeader) headers.set(fileHeaderKey, path.startsWith('/') ? path : `${process.cwd()}/${path}`)
    if (basenameHeader) headers.set(basenameHeaderKey, name)
    return headers
  }

  /** A file that was written to while it was read may have lost lines: Flume stops for good (S-75). */
  async #checkUnchanged(
    { path }: Candidate,
    opened: { readonly mtimeMs: number; readonly size: number },
  ): Promise<void> {
    const now = await stat(path).catch((cause: unknown) => {
      throw this.#broken(`File went away while it was read: ${path}`, cause)
    })
    if (now.mtimeMs !== opened.mtimeMs) throw this.#broken(`File has been modified since being read: ${path}`)
    if (now.size !== opened.size) throw this.#broken(`File has changed size since being read: ${path}`)
  }

  async #complete({ path, relative }: Candidate): Promise<void> {
    const { deletePolicy, trackingPolicy, fileSuffix } = this.#options
    if (deletePolicy === 'immediate') return rm(path)
    if (trackingPolicy === 'tracker_dir') {
      const marker = `${this.#trackerDir}/${relative}${fileSuffix}`
      await mkdir(dirname(marker), { recursive: true })
      return writeFile(marker, '', { flag: 'wx' })
    }
    const target = path + fileSuffix
    if (await exists(target)) {
      throw this.#broken(`File name has been re-used: ${target} exists already, so ${path} cannot be renamed to it`) // S-76
    }
    await rename(path, target)
  }

  #broken(message: string, cause?: unknown): FlumeError {
    this.#context.counters.genericProcessingFail++
    return new FlumeError('INVALID_STATE', message, {
      hint: 'files must be complete when they are moved into a spool directory, and their names used once; put it right and restart',
      ...(cause === undefined ? {} : { cause }),
    })
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

/** A path as `java.io.File` keeps it. */
function javaPath(path: string): string {
  const single = path.replaceAll(/\/{2,}/g, '/')
  return single.length > 1 ? single.replace(/\/$/, '') : single
}
