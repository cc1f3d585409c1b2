import type { InFlight } from '../codec/flume-log/meta.ts'
import { FlumeError } from '../core/error.ts'
import type { Disk } from '../storage/disk.ts'
import type { FlumeCheckpoint, FlumeLog } from './flume-directory.ts'
import { type FlumeDamage, FlumeLogScan, type FoundFlumeRecord } from './flume-log-scan.ts'
import { PointerList } from './pointers.ts'

export interface FlumeReplayOptions {
  readonly disk: Disk
  readonly logs: ReadonlyMap<number, FlumeLog>
  /** Where to start from; undefined reads every log from its beginning. */
  readonly checkpoint: FlumeCheckpoint | undefined
  /** Throws when damage is not to be passed over. */
  readonly onDamage: (damage: FlumeDamage) => void
}

/** What Flume would deliver, and what it would not. */
export interface FlumeQueue {
  /** Taken and not committed when Flume ended, by one transaction each; they come before the rest. */
  readonly givenBack: PointerList
  /** Committed events that nobody took, in the order of their commits. */
  readonly waiting: PointerList
  readonly records: number
  /** Transactions without an end, and their events: never acknowledged, or taken and never committed. */
  readonly openPuts: number
  readonly openTakes: number
  readonly voids: number
  readonly torn: readonly { readonly path: string; readonly offset: number }[]
}

interface Transaction {
  puts: PointerList | undefined
  takes: PointerList | undefined
}

/** Transactions that may be open at once: each thread of the agent has one, and each crash leaves some without an end. */
const openTransactionsMax = 1_000_000
/** Takes that are collected before they are matched with the queue. */
const takenCountMax = 1_000_000

/**
 * Finds what is left in Flume's channel, as its own start does: the queue as the checkpoint has it, then every record
 * written since, of all logs, in the order of their order ids.
 *
 * Without the checkpoint a log that Flume removed is missed: in channels with several data directories, the take of an
 * event may have been in it while the event's own log is still there.
 */
export async function replayFlume({ disk, logs, checkpoint, onDamage }: FlumeReplayOptions): Promise<FlumeQueue> {
  const since = checkpoint?.order ?? 0
  const waiting = new PointerList()
  if (checkpoint) waiting.pushAll(checkpoint.queue)
  const taken = new PointerList()
  const open = new Map<number, Transaction>()
  const inFlightTakes = new Map<number, InFlight>()
  // Handed out more than once when the logs were read back from a backup: all of one transaction go together.
  for (const one of checkpoint?.takes ?? []) inFlightTakes.set(one.transaction, one)
  for (const { transaction, pointers } of checkpoint?.puts ?? []) {
    const puts = new PointerList()
    // Flume keeps them as a set; one transaction's are written one behind the other.
    const sorted = [...pointers].sort((a, b) => a.file - b.file || a.offset - b.offset)
    for (const { file, offset } of sorted) puts.push(file, offset)
    open.set(transaction, { puts, takes: undefined })
  }
  const scans = [...logs.values()]
    .sort((a, b) => a.file - b.file)
    .map((log) => new FlumeLogScan(disk, log, startOf(log, since), onDamage))
  const merge = await Merge.over(scans)
  let records = 0
  let matchAt = takenCountMax
  for (;;) {
    const found = merge.take() ?? (await merge.load())
    if (!found) break
    const { file, offset, record } = found
    if (record.order <= since) continue
    records++
    const { transaction, type } = record
    if (type === 'put' || type === 'take') {
      let one = open.get(transaction)
      if (!one) {
        if (open.size === openTransactionsMax) {
          throw new FlumeError('LIMIT', `more than ${openTransactionsMax} transactions of the logs have no end`)
        }
        one = { puts: undefined, takes: undefined }
        open.set(transaction, one)
      }
      if (type === 'put') (one.puts ??= new PointerList(4)).push(file, offset)
      else (one.takes ??= new PointerList(4)).push(record.file, record.offset)
      continue
    }
    const one = open.get(transaction)
    open.delete(transaction)
    if (type === 'rollback') continue
    if (!record.commitsTakes) {
      if (one?.puts) waiting.pushAll(one.puts)
      continue
    }
    if (one?.takes) taken.pushAll(one.takes)
    for (const { file, offset } of inFlightTakes.get(transaction)?.pointers ?? []) taken.push(file, offset)
    inFlightTakes.delete(transaction)
    if (taken.count >= matchAt) {
      forget(taken, logs)
      waiting.subtract(taken)
      // Takes whose puts come later, or never: they are not gone through again and again.
      matchAt = Math.max(takenCountMax, 2 * taken.count)
    }
  }
  const givenBack = new PointerList()
  for (const { pointers } of inFlightTakes.values()) {
    for (const { file, offset } of pointers) givenBack.push(file, offset)
  }
  // Rolled back after the checkpoint, and taken by another transaction: Flume would deliver them once more.
  const takenAfter = new PointerList()
  takenAfter.pushAll(taken)
  givenBack.subtract(takenAfter)
  waiting.subtract(taken)
  let [openPuts, openTakes] = [0, givenBack.count]
  for (const { puts, takes } of open.values()) {
    openPuts += puts?.count ?? 0
    openTakes += takes?.count ?? 0
  }
  return {
    givenBack,
    waiting,
    records,
    openPuts,
    openTakes,
    voids: scans.reduce((sum, { voids }) => sum + voids, 0),
    torn: scans.flatMap(({ log, tornFrom }) => (tornFrom === undefined ? [] : [{ path: log.path, offset: tornFrom }])),
  }
}

/** Where the records since the checkpoint begin; only a short cut, since older ones are known by their order ids. */
function startOf({ bytes, meta }: FlumeLog, since: number): number {
  const at =
    meta.order <= since ? meta.position : meta.orderBefore <= since && meta.positionBefore > 0 ? meta.positionBefore : 0
  return meta.position > 0 && at <= bytes ? at : 0
}

/** Takes of events whose logs Flume has removed: nobody waits for them. */
function forget(taken: PointerList, logs: ReadonlyMap<number, FlumeLog>): void {
  taken.keep((file) => logs.has(file))
}

/** Records of several logs; always the one with the lowest order id next. */
class Merge {
  /** A heap: no head is before its parent's. */
  readonly #heap: Head[] = []
  #empty: Head | undefined

  static async over(scans: readonly FlumeLogScan[]): Promise<Merge> {
    const merge = new Merge()
    for (const scan of scans) {
      const head: Head = { scan, records: [], at: 0 }
      if (await refill(head)) merge.#rise(head)
    }
    return merge
  }

  /** The next record; undefined when the disk has to be asked. */
  take(): FoundFlumeRecord | undefined {
    const head = this.#empty ? undefined : this.#heap[0]
    if (!head) return undefined
    const found = head.records[head.at++] as FoundFlumeRecord
    if (head.at < head.records.length) this.#sink(head)
    else this.#empty = head
    return found
  }

  /** The next record, read from the disk; undefined at the end of all logs. */
  async load(): Promise<FoundFlumeRecord | undefined> {
    if (this.#empty && (await refill(this.#empty))) this.#sink(this.#empty)
    else if (this.#empty) {
      const last = this.#heap.pop() as Head
      if (this.#heap.length > 0) this.#sink(last)
    }
    this.#empty = undefined
    return this.take()
  }

  #rise(head: Head): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(head)
    for (; at > 0; at = (at - 1) >> 1) {
      const parent = heap[(at - 1) >> 1] as Head
      if (!isBefore(head, parent)) break
      heap[at] = parent
    }
    heap[at] = head
  }

  /** Puts a head into the top's place, and down to where it belongs. */
  #sink(head: Head): void {
    const heap = this.#heap
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Head, heap[child] as Head)) child++
      if (!isBefore(heap[child] as Head, head)) break
      heap[at] = heap[child] as Head
      at = child
    }
    heap[at] = head
  }
}

interface Head {
  readonly scan: FlumeLogScan
  records: readonly FoundFlumeRecord[]
  at: number
}

async function refill(head: Head): Promise<boolean> {
  head.records = (await head.scan.next()) ?? []
  head.at = 0
  return head.records.length > 0
}

/** Flume: equal order ids are told apart by the transaction; a commit comes after what it commits. */
const ranks = { take: 0, put: 1, rollback: 2, commit: 3 } as const

function isBefore(one: Head, other: Head): boolean {
  const a = (one.records[one.at] as FoundFlumeRecord).record
  const b = (other.records[other.at] as FoundFlumeRecord).record
  return (a.order - b.order || a.transaction - b.transaction || ranks[a.type] - ranks[b.type]) < 0
}
