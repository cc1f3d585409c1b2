/*
 * The state of one operator on disk: a row of files `00000042.state`, one for each save, each holding what changed since
 * the one before.
 *
 *   file := head, part*, end
 *
 * - A file has its name only when it is whole and synced.
 * - Beside what changed, each save writes some entries that did not, in turn, so that after a while every key has been
 *   written anew and older files can go: the row stays within a few times the size of the state, and no save ever
 *   writes all of it.
 * - Files are read in order; a later value of a key wins.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { FlumeError } from '../../core/error.ts'
import type { SavedBatch, StateNode } from '../op/state-node.ts'
import { encodeRecord, readRecords } from './framed-file.ts'
import { type Entry, heldAt } from './state-store.ts'

/** Entries in one record. */
const partCount = 8192
/** Unchanged entries that a save carries over at least. */
const carryMin = 4096

const format = 'flume-ts state 1'

/** Which files hold the state of an operator. */
export interface StateRange {
  readonly first: number
  readonly last: number
  /** Keys there are, to check what was read. */
  readonly keys: number
}

interface Head {
  readonly format: string
  readonly operator: string
  readonly version: number
}

interface Part {
  readonly removed: unknown[]
  readonly keys: unknown[]
  readonly states: unknown[]
  readonly touched: number[]
}

interface End {
  readonly end: true
  readonly keys: number
}

type AnyStateNode = StateNode<unknown, unknown, unknown>
type Changed = ReturnType<AnyStateNode['store']['changedSince']>
type AnyEntry = Entry<unknown, unknown>

function fileName(sequence: number): string {
  return `${String(sequence).padStart(8, '0')}.state`
}

/** Kinds of objects that come back as they were. */
const plainPrototypes = new Set<unknown>(
  [Object, Array, Map, Set, Date, RegExp, Uint8Array, Float64Array, Int32Array, ArrayBuffer].map((c) => c.prototype),
)

/** Throws for an object that would come back as something else. */
function checkState(state: unknown, operator: string): void {
  if (typeof state !== 'object' || state === null) return
  const prototype: unknown = Object.getPrototypeOf(state)
  if (prototype === null || plainPrototypes.has(prototype) || ArrayBuffer.isView(state)) return
  throw new FlumeError(
    'INVALID_DATA',
    `${operator} has a state of class ${(prototype as object).constructor?.name}, which would come back from a checkpoint as a plain object`,
    { hint: 'keep plain values, lists, objects, maps, sets, dates or bytes as state' },
  )
}

/** Writes the state of one operator, save by save. */
export class StateFiles {
  readonly #node: AnyStateNode
  readonly #operator: string
  readonly #folder: string
  #next: number
  #range: StateRange | undefined
  #savedVersion: number
  /** Entries still to be carried over in this round, and the file with which the round began. */
  #round: Iterator<AnyEntry> | undefined
  #roundFirst = 0
  /** Files that hold batches of a window, with the newest of them: they are needed as long as it can leave. */
  readonly #batchFiles = new Map<number, number>()

  constructor(node: AnyStateNode, operator: string, folder: string, resumed?: StateRange) {
    this.#node = node
    this.#operator = operator
    this.#folder = join(folder, operator)
    this.#range = resumed
    this.#next = resumed ? resumed.last + 1 : 0
    this.#savedVersion = node.store.savedVersion
    if (resumed) this.#batchFiles.set(resumed.first, this.#savedVersion)
  }

  /** The files that hold the state as it was saved last. */
  get range(): StateRange | undefined {
    return this.#range
  }

  /** Writes what changed up to `version`; resolves when it is on disk. */
  async save(version: number): Promise<void> {
    const { store } = this.#node
    const changed = store.changedSince(version)
    const batches = this.#node.savedBatches(this.#savedVersion, version)
    if (changed.entries.length > 0 || batches.length > 0 || !this.#range) {
      const sequence = this.#next++
      if (!this.#round) {
        this.#round = this.#everyEntry()
        this.#roundFirst = sequence
      }
      const { keys, isRoundDone } = await this.#write(sequence, version, changed, batches)
      const first = isRoundDone ? this.#roundFirst : (this.#range?.first ?? sequence)
      this.#range = { first: Math.min(first, this.#firstBatchFile(sequence, version)), last: sequence, keys }
      if (isRoundDone) this.#round = undefined
    }
    this.#savedVersion = version
    store.saved(version)
  }

  #firstBatchFile(last: number, version: number): number {
    const oldest = this.#node.oldestBatchNeeded(version)
    let first = last
    for (const [sequence, newest] of this.#batchFiles) {
      if (newest < oldest) this.#batchFiles.delete(sequence)
      else first = Math.min(first, sequence)
    }
    return first
  }

  *#everyEntry(): IterableIterator<AnyEntry> {
    for (const partition of this.#node.store.partitions) yield* partition.entries()
  }

  async #write(
    sequence: number,
    version: number,
    changed: Changed,
    batches: readonly SavedBatch[],
  ): Promise<{ keys: number; isRoundDone: boolean }> {
    await mkdir(this.#folder, { recursive: true })
    const path = join(this.#folder, fileName(sequence))
    const handle = await open(`${path}.writing`, 'w')
    try {
      const put = async (value: unknown): Promise<void> => {
        await handle.appendFile(Buffer.concat(encodeRecord(value, `the state of ${this.#operator}`)))
      }
      const head: Head = { format, operator: this.#operator, version }
      await put(head)
      const writer = new PartWriter(this.#operator, version, put)
      for (const entry of changed.entries) if (writer.add(entry)) await writer.flush()
      const isRoundDone = await this.#carryOver(writer, changed)
      await writer.flush()
      for (const batch of batches) await put({ batch })
      const newest = batches.at(-1)
      if (newest) this.#batchFiles.set(sequence, newest.version)
      const keys = this.#node.store.liveCountAt(version)
      const end: End = { end: true, keys }
      await put(end)
      await handle.datasync()
      await handle.close()
      await rename(`${path}.writing`, path)
      return { keys, isRoundDone }
    } catch (error) {
      await handle.close().catch(() => undefined)
      // What the round has passed since then is in no file: it starts again.
      this.#round = undefined
      throw error
    }
  }

  /** Answers true when every entry has been written since the round began. */
  async #carryOver(writer: PartWriter, { entries, mark }: Changed): Promise<boolean> {
    const round = this.#round as Iterator<AnyEntry>
    for (let left = Math.max(carryMin, entries.length); left > 0; left--) {
      const step = round.next()
      if (step.done) return true
      // A removed key of an older file is gone with that file.
      if (step.value.mark !== mark && writer.holds(step.value) && writer.add(step.value)) await writer.flush()
    }
    return false
  }

  /** Deletes files before `first`, and those after `last` that a crash has left. */
  async prune(first: number): Promise<void> {
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const sequence = Number.parseInt(name, 10)
      if (sequence < first) await rm(join(this.#folder, name), { force: true })
    }
  }
}

class PartWriter {
  readonly #operator: string
  readonly #version: number
  readonly #put: (part: Part) => Promise<void>
  #part: Part = { removed: [], keys: [], states: [], touched: [] }

  constructor(operator: string, version: number, put: (part: Part) => Promise<void>) {
    this.#operator = operator
    this.#version = version
    this.#put = put
  }

  /** True when the entry existed at the version that is written. */
  holds(entry: AnyEntry): boolean {
    return heldAt(entry, this.#version) !== undefined
  }

  /** Notes an entry as it was; answers true when it is time to flush. */
  add(entry: AnyEntry): boolean {
    const held = heldAt(entry, this.#version)
    if (held) {
      checkState(held.state, this.#operator)
      this.#part.keys.push(entry.key)
      this.#part.states.push(held.state)
      this.#part.touched.push(held.touched)
    } else this.#part.removed.push(entry.key)
    return this.#part.keys.length + this.#part.removed.length >= partCount
  }

  async flush(): Promise<void> {
    const part = this.#part
    this.#part = { removed: [], keys: [], states: [], touched: [] }
    if (part.keys.length + part.removed.length === 0) return
    await this.#put(part)
    await setImmediate()
  }
}

/** What one file holds, piece by piece. Throws INVALID_DATA when it is damaged or not whole. */
async function* readStateFile(path: string): AsyncIterableIterator<Head | Part | { batch: SavedBatch } | End> {
  let place: 'head' | 'parts' | 'end' = 'head'
  for await (const record of readRecords(path)) {
    const value = record as Head | Part | { batch: SavedBatch } | End
    if (place === 'head' && (!('format' in value) || value.format !== format)) {
      throw new FlumeError('INVALID_DATA', `${path} is no state file`)
    }
    place = 'end' in value ? 'end' : 'parts'
    yield value
  }
  if (place !== 'end') throw new FlumeError('INVALID_DATA', `${path} is not whole`)
}

/** Reads what was saved into an operator, as of `version`. Rejects INVALID_DATA when it is damaged, IO when a file is missing. */
export async function loadState(
  node: AnyStateNode,
  operator: string,
  folder: string,
  range: StateRange,
  version: number,
): Promise<void> {
  const oldest = node.oldestBatchNeeded(version)
  await node.resume(version, async () => {
    for (let sequence = range.first; sequence <= range.last; sequence++) {
      for await (const record of readStateFile(join(folder, operator, fileName(sequence)))) {
        if ('batch' in record) {
          if (record.batch.version >= oldest) node.loadBatch(record.batch)
        } else if ('keys' in record && Array.isArray(record.keys)) loadPart(node, record as Part)
      }
    }
    if (node.store.liveCount !== range.keys) {
      throw new FlumeError(
        'INVALID_DATA',
        `the state of ${operator} has ${node.store.liveCount} keys, and ${range.keys} were saved`,
      )
    }
  })
}

function loadPart(node: AnyStateNode, { removed, keys, states, touched }: Part): void {
  for (const key of removed) node.store.loadRemoval(key)
  for (let i = 0; i < keys.length; i++) node.store.load(keys[i], states[i], touched[i] as number)
}

/** What a look at the files of an operator finds. */
export interface StateReport {
  readonly files: number
  readonly entries: number
  readonly bytes: number
}

/** Reads every file of a range and checks it. Rejects INVALID_DATA or IO at the first that is wrong. */
export async function verifyState(folder: string, operator: string, range: StateRange): Promise<StateReport> {
  let entries = 0
  let bytes = 0
  let keys = 0
  for (let sequence = range.first; sequence <= range.last; sequence++) {
    const path = join(folder, operator, fileName(sequence))
    const handle = await open(path, 'r')
    bytes += (await handle.stat()).size
    await handle.close()
    for await (const record of readStateFile(path)) {
      if ('end' in record) keys = record.keys
      else if ('keys' in record) entries += record.keys.length
    }
  }
  if (keys !== range.keys) {
    throw new FlumeError('INVALID_DATA', `${operator}: the last file has ${keys} keys, the checkpoint ${range.keys}`)
  }
  return { files: range.last - range.first + 1, entries, bytes }
}
