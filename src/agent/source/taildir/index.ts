import { open } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname } from 'node:path'
import { readJavaPattern } from '../../../codec/java-regex.ts'
import { lossyNameWords } from '../../../codec/lossy-name.ts'
import { explain } from '../../../core/error.ts'
import { count, flag, list, millis, type Options, prefix, text } from '../../../spec/option.ts'
import { defineSource, EventBatch, FlumeError, type Source, type SourceContext } from '../../contract.ts'
import { hasHead } from './head-print.ts'
import { type Found, findInode, Matcher } from './matcher.ts'
import { type Position, PositionFile, readPositions } from './position-file.ts'
import { type Lines, lineBytesMax, TailFile } from './tail-file.ts'

const options = {
  filegroups: list({ doc: 'Names of the groups of files.' }),
  'filegroups.': prefix({
    doc: "A group's files: an absolute path whose last element is a regular expression in Java's form.",
  }),
  positionFile: text({
    optional: true,
    doc: 'Where the positions are kept, in Flume\'s format; ~/.flume/taildir_position.json when left out. A file beside it, "….heads", tells renamed files from new ones.',
  }),
  'headers.': prefix({ doc: 'Headers of each event: group, a dot, the name.' }),
  byteOffsetHeader: flag({ default: false, doc: 'Give each event a header "byteoffset" with where its line begins.' }),
  skipToEnd: flag({ default: false, doc: 'Begin files without a position at their end; at the start only.' }),
  idleTimeout: millis({
    default: 120_000,
    min: 1,
    doc: 'A file that has not grown for so long is closed until it grows; an unfinished last line becomes an event.',
  }),
  writePosInterval: millis({ default: 3000, min: 1, doc: 'Pause between two writes of the position file.' }),
  batchSize: count({ default: 100, min: 1, doc: 'Most lines handed to the channel at once.' }),
  maxBatchCount: count({
    default: Number.MAX_SAFE_INTEGER,
    doc: 'Most batches read from one file before the others have their turn; 0 or less is no limit.',
  }),
  cachePatternMatching: flag({ default: true, doc: 'List a directory only when its time of change is another one.' }),
  fileHeader: flag({ default: false, doc: "Give each event a header with the file's absolute path." }),
  fileHeaderKey: text({ default: 'file', doc: 'Name of that header.' }),
  backoffSleepIncrement: millis({ default: 1000, min: 1, doc: 'Pause after a look at the files; grows by as much.' }),
  maxBackoffSleep: millis({ default: 5000, min: 1, doc: 'Longest pause between two looks that found nothing.' }),
}
type TaildirOptions = Options<typeof options>

export const taildir = defineSource({
  type: 'taildir',
  aliases: ['org.apache.flume.source.taildir.TaildirSource'],
  summary: 'Follows growing files, each line an event, through rotation and restarts.',
  options,
  batchSizeOption: 'batchSize',
  describe: (options) => options.filegroups.map((group) => options['filegroups.'][group]).join(' '),
  check: (options) => {
    const groups = options['filegroups.']
    const problems = options.filegroups.flatMap((group) => {
      const path = groups[group]
      const reading = path === undefined ? undefined : readGroup(path)
      return reading && 'problem' in reading
        ? [{ option: `filegroups.${group}`, message: `"${path}" ${reading.problem}` }]
        : []
    })
    if (options.filegroups.some((group) => groups[group] !== undefined)) return problems
    return [{ option: 'filegroups', message: 'no group has a path', hint: 'set filegroups.NAME to a path' }]
  },
  create: (options, context) => new TaildirSource(options, context),
})

function readGroup(path: string) {
  if (!path.startsWith('/')) return { problem: 'is not an absolute path' }
  return readJavaPattern(basename(path))
}

/** The first write of the position file, and pauses while the channel takes nothing, as in Flume (S-96, S-98). */
const firstWriteAfterMs = 5000
const retryFirstMs = 1000
const retryMaxMs = 5000

interface Group {
  readonly matcher: Matcher
  readonly headers: ReadonlyMap<string, string>
}

class TaildirSource implements Source {
  readonly #options: TaildirOptions
  readonly #context: SourceContext
  readonly #batchSize: number
  readonly #batchesMax: number
  readonly #groups: readonly Group[]
  readonly #positionPath: string
  readonly #positionFile: PositionFile
  /** By device and inode. */
  readonly #tails = new Map<string, TailFile>()
  #restored: Position[] = []
  #isFirstPoll = true
  #writeAtMs = 0
  #isDirty = true
  /** Paths whose trouble has been said. */
  readonly #said = new Set<string>()

  constructor(options: TaildirOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#batchSize = Math.min(options.batchSize, context.transactionCapacity)
    this.#batchesMax = options.maxBatchCount > 0 ? options.maxBatchCount : Number.MAX_SAFE_INTEGER
    this.#positionPath = options.positionFile ?? `${homedir()}/.flume/taildir_position.json`
    this.#positionFile = new PositionFile(this.#positionPath)
    this.#groups = options.filegroups.flatMap((name) => this.#groupOf(name))
  }

  /** Rejects IO when the directory of a group is not there (S-102), INVALID_DATA when the position file is none. */
  async run(): Promise<void> {
    const { clock, log, signal } = this.#context
    await this.#positionFile.prepare()
    this.#restored = await readPositions(this.#positionPath, (message) => log.warn(message))
    await Promise.all(this.#groups.map(({ matcher }) => matcher.find()))
    this.#context.ready(this.#groups.map(({ matcher }) => matcher.directory).join(' '))
    this.#writeAtMs = clock.monotonic() + firstWriteAfterMs
    let pauseMs = 0
    try {
      while (!signal.aborted) {
        const { gotLines, isThereMore } = await this.#poll()
        await this.#writeIfDue()
        const { backoffSleepIncrement, maxBackoffSleep } = this.#options
        pauseMs = Math.min((gotLines ? 0 : pauseMs) + backoffSleepIncrement, maxBackoffSleep)
        if (!isThereMore) await this.#sleep(pauseMs)
      }
    } finally {
      await this.#end()
    }
  }

  #groupOf(name: string): readonly Group[] {
    const path = this.#options['filegroups.'][name]
    const reading = path === undefined ? undefined : readGroup(path)
    if (path === undefined || !reading || 'problem' in reading) return []
    const { clock } = this.#context
    const headers = new Map<string, string>()
    for (const [key, value] of Object.entries(this.#options['headers.'])) {
      if (key.startsWith(`${name}.`)) headers.set(key.slice(name.length + 1), value)
    }
    const directory = dirname(path)
    const onLossyName = (lossy: string): void => this.#sayOnce(`${directory} names`, lossyNameWords(lossy))
    const { cachePatternMatching } = this.#options
    return [{ matcher: new Matcher(directory, reading.value, clock, cachePatternMatching, onLossyName), headers }]
  }

  /** Waits for the next look, and writes the positions on the way when they fall due. */
  async #sleep(pauseMs: number): Promise<void> {
    const { clock, signal } = this.#context
    const untilMs = clock.monotonic() + pauseMs
    for (let leftMs = pauseMs; leftMs > 0 && !signal.aborted; leftMs = untilMs - clock.monotonic()) {
      const dueMs = this.#isDirty ? Math.max(1, this.#writeAtMs - clock.monotonic()) : leftMs
      await clock.sleep(Math.min(leftMs, dueMs), signal).catch(() => undefined)
      await this.#writeIfDue()
    }
  }

  /** One look at every file. */
  async #poll(): Promise<{ readonly gotLines: boolean; readonly isThereMore: boolean }> {
    const { signal } = this.#context
    const order = await this.#track()
    let gotLines = false
    let isThereMore = false
    for (const [key, tail] of order) {
      if (signal.aborted) break
      if (await this.#readOn(key, tail)) gotLines = true
      if (tail.isOpen && !tail.isAtEnd) isThereMore = true
    }
    if (!signal.aborted) await this.#closeIdle()
    // Only files that were stopped by maxBatchCount are read on without a pause (S-99).
    return { gotLines, isThereMore: isThereMore && gotLines }
  }

  /** Brings what is followed in line with the directories; answers the files in the order they are to be read. */
  async #track(): Promise<readonly (readonly [string, TailFile])[]> {
    const found = new Map<string, { readonly paths: Set<string>; readonly first: Found; readonly group: Group }>()
    const unread = new Set<string>()
    for (const group of this.#groups) {
      for (const file of await this.#filesOf(group, unread)) {
        const same = found.get(file.key)
        if (same) same.paths.add(file.path)
        else found.set(file.key, { paths: new Set([file.path]), first: file, group })
      }
    }
    const order: [string, TailFile][] = []
    for (const [key, { paths, first, group }] of found) {
      const known = this.#tails.get(key)
      if (known) this.#rename(known, paths, first)
      const tail = known ?? this.#follow(first, group)
      this.#tails.set(key, tail)
      order.push([key, tail])
    }
    const leaving = await this.#leaving(new Set(found.keys()), unread)
    this.#restored = []
    this.#isFirstPoll = false
    return [...leaving, ...order]
  }

  /** The group's files; none, and its directory is added to `unread`, while that cannot be read. */
  async #filesOf({ matcher }: Group, unread: Set<string>): Promise<readonly Found[]> {
    try {
      const files = await matcher.find()
      this.#said.delete(matcher.directory)
      return files
    } catch (error) {
      this.#sayOnce(matcher.directory, explain(error))
      unread.add(matcher.directory)
      return []
    }
  }

  /** What is wrong with a path is said when it begins, not with every look. */
  #sayOnce(key: string, message: string): void {
    if (this.#said.has(key)) return
    this.#said.add(key)
    this.#context.log.warn(message)
  }

  /** A renamed file is the same file, read on where it was (Flume reads it again, S-91). */
  #rename(tail: TailFile, paths: ReadonlySet<string>, { path }: Found): void {
    tail.isLeaving = false
    if (paths.has(tail.path)) return
    this.#context.log.info(`${tail.path} is called ${path} now`)
    tail.path = path
    this.#isDirty = true
  }

  #follow(file: Found, { headers }: Group): TailFile {
    const { clock, log } = this.#context
    const sameInode = this.#restored.filter(({ inode }) => inode === file.inode)
    // Under another name only what the file begins with says whether it is the same one.
    const position =
      sameInode.find(({ path }) => path === file.path) ?? sameInode.find(({ head }) => head !== undefined)
    const start = position?.offset ?? (this.#options.skipToEnd && this.#isFirstPoll ? file.size : 0)
    log.info(`following ${file.path} from ${start}`)
    this.#isDirty = true
    return new TailFile(file, headers, { position: start, head: position?.head, nowMs: clock.monotonic() })
  }

  /** Files that no group has any more, renamed or deleted: what was written to them before is still read. */
  async #leaving(
    keys: ReadonlySet<string>,
    unread: ReadonlySet<string>,
  ): Promise<readonly (readonly [string, TailFile])[]> {
    const { clock, log } = this.#context
    for (const [key, tail] of this.#tails) {
      if (keys.has(key) || tail.isLeaving || unread.has(dirname(tail.path))) continue
      tail.isLeaving = true
      tail.grewAtMs = clock.monotonic()
      const elsewhere = await findInode(dirname(tail.path), tail.inode)
      if (elsewhere) tail.path = elsewhere.path
      else if (!tail.isOpen) {
        log.info(`${tail.path} is gone`)
        this.#forget(key)
      }
    }
    for (const position of this.#restored) await this.#findAgain(position, keys).catch(() => undefined)
    return [...this.#tails].filter(([, { isLeaving }]) => isLeaving)
  }

  /** A file that was renamed out of its group while nobody looked. */
  async #findAgain(position: Position, keys: ReadonlySet<string>): Promise<void> {
    const { inode, path, offset, head } = position
    const directory = dirname(path)
    const group = this.#groups.find(({ matcher }) => matcher.directory === directory)
    if (!head || !group) return
    const file = await findInode(directory, inode)
    if (!file || keys.has(file.key) || file.path === path || this.#tails.has(file.key)) return
    const handle = await open(file.path)
    const isSame = await hasHead(handle, head).finally(() => handle.close())
    if (!isSame || file.size < offset) return
    const tail = new TailFile(file, group.headers, {
      position: offset,
      head,
      nowMs: this.#context.clock.monotonic(),
    })
    tail.isLeaving = true
    this.#tails.set(file.key, tail)
  }

  #forget(key: string): void {
    this.#tails.delete(key)
    this.#isDirty = true
  }

  /** Reads what has come to one file; true when that was something. */
  async #readOn(key: string, tail: TailFile): Promise<boolean> {
    const { clock, counters, log, signal } = this.#context
    let gotLines = false
    try {
      const news = await tail.look()
      if (news === 'nothing') return false
      if (news === 'restarted') {
        this.#isDirty = true
        log.info(`${tail.path} was cut or replaced: it is read from its beginning`)
      }
      tail.grewAtMs = clock.monotonic()
      for (let batches = 0; batches < this.#batchesMax && !signal.aborted; batches++) {
        const lines = await tail.read(this.#batchSize)
        if (!lines || !(await this.#deliver(tail, lines))) break
        gotLines = true
      }
      this.#said.delete(tail.path)
    } catch (error) {
      counters.eventReadFail++
      this.#sayOnce(tail.path, `${tail.path} cannot be read: ${explain(error)}`)
      if (tail.isLeaving) {
        await tail.close()
        this.#forget(key)
      }
    }
    return gotLines
  }

  /** Hands lines over for as long as it takes (S-98); false when the source is stopped before they are kept. */
  async #deliver(tail: TailFile, lines: Lines): Promise<boolean> {
    const { clock, counters, log, signal } = this.#context
    const batch = this.#withHeaders(tail, lines)
    counters.appendBatchReceived++
    for (let pauseMs = retryFirstMs; ; pauseMs = Math.min(2 * pauseMs, retryMaxMs)) {
      try {
        await this.#context.deliver(batch)
        break
      } catch (error) {
        if (signal.aborted) return false
        if (pauseMs < retryMaxMs) log.warn(`the channel takes nothing now: ${explain(error)}`)
        await clock.sleep(pauseMs, signal).catch(() => undefined)
        if (signal.aborted) return false
      }
    }
    counters.appendBatchAccepted++
    tail.commit(lines.to)
    if (lines.isCut) {
      const what = `a line above ${lineBytesMax} bytes becomes several events`
      this.#sayOnce(
        `${tail.path} cut`,
        `${tail.path}: ${what}, the first such line at byte ${lines.from + Number(lines.batch.starts[0])}`,
      )
    }
    this.#isDirty = true
    await this.#writeIfDue()
    return true
  }

  #withHeaders(tail: TailFile, { batch, from }: Lines): EventBatch {
    const { byteOffsetHeader, fileHeader, fileHeaderKey } = this.#options
    if (!byteOffsetHeader && !fileHeader && tail.headers.size === 0) return batch
    const headers = new Map<string, string | string[]>(tail.headers)
    if (fileHeader) headers.set(fileHeaderKey, tail.path)
    if (byteOffsetHeader)
      headers.set(
        'byteoffset',
        Array.from(batch.starts, (start) => String(from + start)),
      )
    return new EventBatch(batch.body, batch.starts, batch.ends, headers)
  }

  /** Closes what has not grown for long; its unfinished last line is an event then (S-94). */
  async #closeIdle(): Promise<void> {
    const { clock, log, signal } = this.#context
    const nowMs = clock.monotonic()
    for (const [key, tail] of this.#tails) {
      if (!tail.isOpen || !tail.isAtEnd || nowMs - tail.grewAtMs < this.#options.idleTimeout) continue
      const lines = await tail.read(1, true)
      if (lines && !(await this.#deliver(tail, lines))) return
      if (signal.aborted) return
      await tail.close()
      log.info(`closed ${tail.path}: it has not grown for ${this.#options.idleTimeout} ms`)
      if (tail.isLeaving) this.#forget(key)
    }
  }

  async #writeIfDue(): Promise<void> {
    const nowMs = this.#context.clock.monotonic()
    if (!this.#isDirty || nowMs < this.#writeAtMs) return
    this.#writeAtMs = nowMs + this.#options.writePosInterval
    try {
      await this.#write()
    } catch (error) {
      // A position that is not written means lines that come again after a crash, no more.
      this.#context.log.warn(`the positions cannot be written: ${explain(error)}`)
    }
  }

  async #write(): Promise<void> {
    this.#isDirty = false
    const positions = Array.from(this.#tails.values(), ({ inode, path, position, head }) => ({
      inode,
      path,
      offset: position,
      head,
    }))
    try {
      await this.#positionFile.write(positions)
    } catch (cause) {
      this.#isDirty = true
      throw new FlumeError('IO', `cannot write ${this.#positionPath}`, { cause, retry: true })
    }
  }

  async #end(): Promise<void> {
    try {
      // Before the first look nothing is known: the positions of the last run stay.
      if (!this.#isFirstPoll) await this.#write()
    } finally {
      for (const tail of this.#tails.values()) await tail.close()
    }
  }
}
