/*
 * The state of one operator: values by key, in partitions, as of each batch.
 *
 * A version is a batch, counted from zero time. An entry holds its newest value and, behind it, the older ones that
 * somebody may still ask for: a window over the state, a checkpoint of an earlier batch, a batch that is rolled back.
 *
 * - Exactly one version is written at a time, from `begin` to `commit` or `rollback`; versions only grow.
 * - What a version changed is listed once, so a checkpoint writes what changed and never looks at the rest.
 * - An older value is dropped only when no reader and no checkpoint can want it (`forget`).
 */
import { FlumeError } from '../../core/error.ts'
import { encodeKey, ownKey } from '../rdd/key.ts'
import type { Partitioner } from '../rdd/partitioner.ts'

/** What a key held from one version on. `exists` false: it was removed. */
export interface Held<S> {
  readonly state: S | undefined
  readonly exists: boolean
  readonly touched: number
  readonly version: number
  /** What it held before; nobody looks behind a version that all others are forgotten before. */
  readonly prior: Held<S> | undefined
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** The mark of an entry that is listed for the next save. */
const unsaved = -1

/** One key. `touched` is the batch that last used it. */
export class Entry<K, S> implements Held<S> {
  readonly key: K
  state: S | undefined = undefined
  exists = false
  touched = 0
  version: number
  /** Forgotten, it is kept to be written again where most keys change in every batch. */
  prior: Writable<Held<S>> | undefined = undefined
  /** What has come for the key in the batch that is being worked on; the operator puts it here and takes it away. */
  news: unknown = undefined
  /** The last save that has listed it, or `unsaved`. */
  mark = 0

  constructor(key: K, version: number) {
    this.key = key
    this.version = version
  }
}

/** An entry in the line of keys that may time out, longest untouched first. */
class TimedEntry<K, S> extends Entry<K, S> {
  older: TimedEntry<K, S> | undefined = undefined
  newer: TimedEntry<K, S> | undefined = undefined
  isLined = false
}

/** What an entry held at `version`; undefined when it did not exist. */
export function heldAt<K, S>(entry: Entry<K, S>, version: number): Held<S> | undefined {
  let held: Held<S> | undefined = entry
  while (held && held.version > version) held = held.prior
  return held?.exists ? held : undefined
}

/** From one in so many keys that change in a batch on, what they held is written again and not made anew. */
const spareShare = 4

/** Lets go of what an entry held before `horizon`. */
function forgetPriors<K, S>(entry: Entry<K, S>, horizon: number, keepsSpare: boolean): void {
  let held: Writable<Held<S>> = entry
  while (held.version > horizon) {
    if (!held.prior) return
    held = held.prior
  }
  if (held === entry && keepsSpare && held.prior) {
    const spare: Writable<Held<S>> = held.prior
    spare.state = undefined
    spare.prior = undefined
  } else held.prior = undefined
}

function isPlain(key: unknown): boolean {
  return typeof key !== 'object' || key === null
}

/** The keys of one partition. Written only between the store's `begin` and `commit`. */
export class StatePartition<K, S> {
  readonly #plain = new Map<K, Entry<K, S>>()
  readonly #structured = new Map<string, Entry<K, S>>()
  readonly #store: StateStore<K, S>
  readonly #index: number
  #oldest: TimedEntry<K, S> | undefined
  #newest: TimedEntry<K, S> | undefined
  #liveCount = 0

  constructor(store: StateStore<K, S>, index: number) {
    this.#store = store
    this.#index = index
  }

  /** Keys that exist. */
  get liveCount(): number {
    return this.#liveCount
  }

  /** The entry of a key that exists, or has existed a moment ago. */
  find(key: K): Entry<K, S> | undefined {
    return isPlain(key) ? this.#plain.get(key) : this.#structured.get(encodeKey(key))
  }

  /** The entry of a key, made when it is not there. */
  open(key: K): Entry<K, S> {
    const found = this.find(key)
    if (found) return found
    const { writing } = this.#store
    const own = ownKey(key)
    const entry = this.#store.keepsIdleLine ? new TimedEntry<K, S>(own, writing) : new Entry<K, S>(own, writing)
    this.#store.noteChange(this.#index, entry)
    if (isPlain(key)) {
      // A key without a value to compare is refused here.
      if (typeof key === 'symbol' || typeof key === 'function') encodeKey(key)
      this.#plain.set(own, entry)
    } else this.#structured.set(encodeKey(key), entry)
    return entry
  }

  put(entry: Entry<K, S>, state: S): void {
    this.#change(entry)
    if (!entry.exists) this.#liveCount++
    entry.state = state
    entry.exists = true
    entry.touched = this.#store.writing
    if (entry instanceof TimedEntry) this.#moveToEnd(entry)
  }

  /** The key was used, without a new state: its idle time starts again. */
  touch(entry: Entry<K, S>): void {
    if (entry.touched === this.#store.writing) return
    this.#change(entry)
    entry.touched = this.#store.writing
    if (entry instanceof TimedEntry) this.#moveToEnd(entry)
  }

  remove(entry: Entry<K, S>): void {
    if (!entry.exists) return
    this.#change(entry)
    this.#liveCount--
    entry.state = undefined
    entry.exists = false
    if (entry instanceof TimedEntry) this.#takeOut(entry)
  }

  /** Every entry, those of removed keys that are not forgotten yet among them; entries added meanwhile may be seen. */
  entries(): IterableIterator<Entry<K, S>> {
    return this.#structured.size === 0 ? this.#plain.values() : this.#everyEntry()
  }

  *#everyEntry(): IterableIterator<Entry<K, S>> {
    yield* this.#plain.values()
    yield* this.#structured.values()
  }

  /** The entries that were last touched before `version`, longest untouched first. Each is removed by the caller. */
  *idleSince(version: number): IterableIterator<Entry<K, S>> {
    for (let entry = this.#oldest; entry && entry.touched < version; entry = this.#oldest) {
      yield entry
      if (this.#oldest === entry) return
    }
  }

  /** Takes back what the version being written did to an entry. */
  restore(entry: Entry<K, S>): void {
    const { prior } = entry
    const existed = prior?.exists ?? false
    if (existed !== entry.exists) this.#liveCount += existed ? 1 : -1
    if (!prior) {
      entry.exists = false
      if (entry instanceof TimedEntry) this.#takeOut(entry)
      this.drop(entry)
      return
    }
    entry.state = prior.state
    entry.exists = prior.exists
    entry.touched = prior.touched
    entry.version = prior.version
    entry.prior = prior.prior as Writable<Held<S>> | undefined
    // Its place in the line of idle keys is wrong until it is touched again: the batch that failed is run again first.
    if (entry instanceof TimedEntry) {
      if (entry.exists) this.#moveToEnd(entry)
      else this.#takeOut(entry)
    }
  }

  drop(entry: Entry<K, S>): void {
    if (this.find(entry.key) !== entry) return
    if (isPlain(entry.key)) this.#plain.delete(entry.key)
    else this.#structured.delete(encodeKey(entry.key))
  }

  /** Puts the line of idle keys in order after entries were loaded in any order. */
  sortIdleLine(): void {
    const entries = [...this.entries()].filter((entry) => entry instanceof TimedEntry && entry.exists)
    entries.sort((a, b) => a.touched - b.touched)
    this.#oldest = undefined
    this.#newest = undefined
    for (const entry of entries as TimedEntry<K, S>[]) {
      entry.isLined = false
      entry.older = undefined
      entry.newer = undefined
      this.#moveToEnd(entry)
    }
  }

  #change(entry: Entry<K, S>): void {
    const { writing } = this.#store
    if (entry.version === writing) return
    const { prior } = entry
    if (prior && entry.version <= this.#store.horizon) {
      prior.state = entry.state
      prior.exists = entry.exists
      prior.touched = entry.touched
      prior.version = entry.version
    } else {
      entry.prior = {
        state: entry.state,
        exists: entry.exists,
        touched: entry.touched,
        version: entry.version,
        prior,
      }
    }
    entry.version = writing
    this.#store.noteChange(this.#index, entry)
  }

  #moveToEnd(entry: TimedEntry<K, S>): void {
    if (this.#newest === entry) return
    this.#takeOut(entry)
    entry.older = this.#newest
    if (this.#newest) this.#newest.newer = entry
    else this.#oldest = entry
    this.#newest = entry
    entry.isLined = true
  }

  #takeOut(entry: TimedEntry<K, S>): void {
    if (!entry.isLined) return
    if (entry.older) entry.older.newer = entry.newer
    else this.#oldest = entry.newer
    if (entry.newer) entry.newer.older = entry.older
    else this.#newest = entry.older
    entry.older = undefined
    entry.newer = undefined
    entry.isLined = false
  }
}

/** The keyed state of one operator. */
export class StateStore<K, S> {
  readonly partitioner: Partitioner
  readonly partitions: readonly StatePartition<K, S>[]
  readonly keepsIdleLine: boolean
  /** What each version changed, oldest first; kept until it is forgotten. */
  readonly #changes = new Map<number, Entry<K, S>[][]>()
  /** What versions that are forgotten have changed since the last save: each entry once, however many versions there were. */
  #unsaved: Entry<K, S>[] = []
  #isSaving = false
  readonly #keepsChanges: boolean
  #writing: number | undefined
  /** What the version being written has changed, one list per partition. */
  #open: Entry<K, S>[][] = []
  #isLoading = false
  #mark = 0
  #version: number
  #savedVersion: number
  #horizon: number

  /** `keepsIdleLine`: keys can time out. `keepsChanges`: they will be asked for by `changedSince`. */
  constructor(
    partitioner: Partitioner,
    { keepsIdleLine = false, keepsChanges = false, version = 0 }: Partial<StoreOptions> = {},
  ) {
    this.partitioner = partitioner
    this.keepsIdleLine = keepsIdleLine
    this.#keepsChanges = keepsChanges
    this.#version = version
    this.#savedVersion = version
    this.#horizon = version
    this.partitions = Array.from(
      { length: partitioner.numPartitions },
      (_, index) => new StatePartition<K, S>(this, index),
    )
  }

  /** The newest version that is complete. */
  get version(): number {
    return this.#version
  }

  /** The oldest version that somebody may still ask for. */
  get horizon(): number {
    return this.#horizon
  }

  get savedVersion(): number {
    return this.#savedVersion
  }

  get liveCount(): number {
    return this.partitions.reduce((sum, partition) => sum + partition.liveCount, 0)
  }

  /** The version between `begin` and its end. Throws outside. */
  get writing(): number {
    if (this.#writing === undefined) throw new FlumeError('INVALID_STATE', 'state is written outside a batch')
    return this.#writing
  }

  /** Keys that existed at `version`, which must not be forgotten: what later versions changed is taken back. */
  liveCountAt(version: number): number {
    let count = this.liveCount
    const takeBack = (changedAt: number, lists: readonly Entry<K, S>[][]): void => {
      for (const entries of lists) {
        for (const entry of entries) {
          // Of several later changes the first counts.
          let first: Held<S> = entry
          while (first.prior && first.prior.version > version) first = first.prior
          if (first.version !== changedAt) continue
          const existed = first.prior?.exists ?? false
          if (existed !== entry.exists) count += existed ? 1 : -1
        }
      }
    }
    for (const [changedAt, lists] of this.#changes) if (changedAt > version) takeBack(changedAt, lists)
    if (this.#writing !== undefined) takeBack(this.#writing, this.#open)
    return count
  }

  partitionOf(key: K): StatePartition<K, S> {
    if (this.partitions.length === 1) return this.partitions[0] as StatePartition<K, S>
    return this.partitions[this.partitioner.getPartition(key)] as StatePartition<K, S>
  }

  begin(version: number): void {
    if (this.#writing !== undefined || version <= this.#version) {
      throw new FlumeError('INVALID_STATE', `state of batch ${version} cannot follow that of ${this.#version}`)
    }
    this.#writing = version
    this.#open = this.partitions.map(() => [])
  }

  commit(): void {
    this.#changes.set(this.writing, this.#open)
    this.#version = this.writing
    this.#writing = undefined
    this.#open = []
  }

  rollback(): void {
    for (const [index, entries] of this.#open.entries()) {
      for (const entry of entries) this.partitions[index]?.restore(entry)
    }
    this.#writing = undefined
    this.#open = []
  }

  noteChange(index: number, entry: Entry<K, S>): void {
    if (!this.#isLoading) this.#open[index]?.push(entry)
  }

  /** The keys and states of one partition at a version. Throws INVALID_STATE when it is forgotten. */
  *pairsAt(index: number, version: number): IterableIterator<[K, S]> {
    if (version < this.#horizon) {
      throw new FlumeError('INVALID_STATE', 'the state of this batch is no longer kept', {
        hint: 'ask for a longer memory with ssc.remember(…)',
      })
    }
    for (const entry of (this.partitions[index] as StatePartition<K, S>).entries()) {
      const held = heldAt(entry, version)
      if (held) yield [entry.key, held.state as S]
    }
  }

  /**
   * The entries changed after the last save, up to and with `version`, which must not be forgotten; each once, and with
   * `mark` as their mark.
   */
  changedSince(version: number): { readonly entries: readonly Entry<K, S>[]; readonly mark: number } {
    const mark = ++this.#mark
    const changed: Entry<K, S>[] = []
    const list = (entries: readonly Entry<K, S>[]): void => {
      for (const entry of entries) {
        if (entry.mark === mark) continue
        entry.mark = mark
        changed.push(entry)
      }
    }
    list(this.#unsaved)
    for (const [changedAt, lists] of this.#changes) {
      if (changedAt <= version && changedAt > this.#savedVersion) for (const entries of lists) list(entries)
    }
    // The save before has failed, and what was listed since is there a second time.
    if (this.#isSaving) this.#unsaved = [...changed]
    this.#isSaving = true
    return { entries: changed, mark }
  }

  /** What is up to `version` is on disk. */
  saved(version: number): void {
    this.#savedVersion = Math.max(this.#savedVersion, version)
    this.#isSaving = false
    // What was forgotten beyond it meanwhile is listed still, if with more than there need be.
    if (this.#horizon <= version) this.#unsaved = []
  }

  /** Nobody will ask for versions before `version` any more. */
  forget(version: number): void {
    const horizon = Math.min(version, this.#version)
    if (horizon <= this.#horizon) return
    for (const [changedAt, lists] of this.#changes) {
      if (changedAt > horizon) break
      this.#changes.delete(changedAt)
      const isUnsaved = this.#keepsChanges && changedAt > this.#savedVersion
      for (const [index, entries] of lists.entries()) {
        const partition = this.partitions[index] as StatePartition<K, S>
        const keepsSpares = entries.length * spareShare >= partition.liveCount
        for (const entry of entries) {
          forgetPriors(entry, horizon, keepsSpares)
          if (!entry.exists && entry.version <= horizon) partition.drop(entry)
          if (isUnsaved) this.#list(entry)
        }
      }
    }
    this.#horizon = horizon
  }

  /** For the next save. */
  #list(entry: Entry<K, S>): void {
    if (entry.mark === unsaved) return
    entry.mark = unsaved
    this.#unsaved.push(entry)
  }

  /** Takes in a saved key; only before the first batch. */
  load(key: K, state: S, touched: number): void {
    const partition = this.partitionOf(key)
    const entry = partition.open(key)
    partition.put(entry, state)
    entry.touched = touched
  }

  /** A key that a later part of what was saved had removed. */
  loadRemoval(key: K): void {
    const partition = this.partitionOf(key)
    const entry = partition.find(key)
    if (!entry) return
    partition.remove(entry)
    partition.drop(entry)
  }

  /** What was loaded counts as changed again, for a save that must hold all of it. */
  resave(): void {
    for (const partition of this.partitions) for (const entry of partition.entries()) this.#list(entry)
    this.#savedVersion = -1
  }

  /** Everything between is loaded, and counts as saved at `version`. */
  async loading(version: number, read: () => Promise<void>): Promise<void> {
    this.#writing = version
    this.#isLoading = true
    await read()
    this.#isLoading = false
    this.#version = version
    this.#savedVersion = version
    this.#horizon = version
    this.#writing = undefined
    for (const partition of this.partitions) partition.sortIdleLine()
  }
}

export interface StoreOptions {
  readonly keepsIdleLine: boolean
  readonly keepsChanges: boolean
  /** The version before the first batch. */
  readonly version: number
}
