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
import { setImmediate } from 'node:timers/promises'
import { FlumeError } from '../../core/error.ts'
import type { CheckpointFolder } from '../checkpoint/folder.ts'
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

function stateFolder(operator: string): string {
  return `state/${operator}`
}

function fileName(operator: string, sequence: number): string {
  return `${stateFolder(operator)}/${String(sequence).padStart(8, '0')}.state`
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
  readonly #folder: CheckpointFolder
  #next: number
  /** Files that are there; undefined until somebody has looked. */
  #there: Set<number> | undefined
  #range: StateRange | undefined
  #savedVersion: number
  /** Entries still to be carried over in this round, and the file with which the round began. */
  #round: Iterator<AnyEntry> | undefined
  #roundFirst = 0
  /** Files that hold batches of a window, with the newest of them: they are needed as long as it can leave. */
  readonly #batchFiles = new Map<number, number>()

  constructor(node: AnyStateNode, operator: string, folder: CheckpointFolder, resumed?: StateRange) {
    this.#node = node
    this.#operator = operator
    this.#folder = folder
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
      // Counted on once it is written: a restart reads a row without gaps. What a failed try has left is replaced.
      const sequence = this.#next
      if (!this.#round) {
        this.#round = this.#everyEntry()
        this.#roundFirst = sequence
      }
      const { keys, isRoundDone } = await this.#write(sequence, version, changed, batches)
      this.#next = sequence + 1
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
    const keys = this.#node.store.liveCountAt(version)
    let isRoundDone = false
    try {
      await this.#folder.write(fileName(this.#operator, sequence), { sync: true }, async (write) => {
        const put = (value: unknown): Promise<void> =>
          write(Buffer.concat(encodeRecord(value, `the state of ${this.#operator}`)))
        const head: Head = { format, operator: this.#operator, version }
        await put(head)
        const writer = new PartWriter(this.#operator, version, put)
        for (const entry of changed.entries) if (writer.add(entry)) await writer.flush()
        isRoundDone = await this.#carryOver(writer, changed)
        await writer.flush()
        for (const batch of batches) await put({ batch })
        const end: End = { end: true, keys }
        await put(end)
      })
    } catch (error) {
      // What the round has passed since then is in no file: it starts again.
      this.#round = undefined
      throw error
    }
    this.#there?.add(sequence)
    const newest = batches.at(-1)
    if (newest) this.#batchFiles.set(sequence, newest.version)
    return { keys, isRoundDone }
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

  /** Deletes files before `first`. */
  async prune(first: number): Promise<void> {
    this.#there ??= new Set(
      (await this.#folder.names(stateFolder(this.#operator))).map((name) => Number.parseInt(name, 10)),
    )
    for (const sequence of this.#there) {
      if (!(sequence < first)) continue
      await this.#folder.remove(fileName(this.#operator, sequence))
      this.#there.delete(sequence)
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
async function* readStateFile(
  folder: CheckpointFolder,
  name: string,
): AsyncIterableIterator<Head | Part | { batch: SavedBatch } | End> {
  const path = folder.pathOf(name)
  let place: 'head' | 'parts' | 'end' = 'head'
  for await (const record of readRecords(folder.read(name), path)) {
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
  folder: CheckpointFolder,
  range: StateRange,
  version: number,
): Promise<void> {
  const oldest = node.oldestBatchNeeded(version)
  await node.resume(version, async () => {
    for (let sequence = range.first; sequence <= range.last; sequence++) {
      for await (const record of readStateFile(folder, fileName(operator, sequence))) {
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
export async function verifyState(folder: CheckpointFolder, operator: string, range: StateRange): Promise<StateReport> {
  let entries = 0
  let bytes = 0
  let keys = 0
  for (let sequence = range.first; sequence <= range.last; sequence++) {
    const name = fileName(operator, sequence)
    bytes += await folder.sizeOf(name)
    for await (const record of readStateFile(folder, name)) {
      if ('end' in record) keys = record.keys
      else if ('keys' in record) entries += record.keys.length
    }
  }
  if (keys !== range.keys) {
    throw new FlumeError('INVALID_DATA', `${operator}: the last file has ${keys} keys, the checkpoint ${range.keys}`)
  }
  return { files: range.last - range.first + 1, entries, bytes }
}
