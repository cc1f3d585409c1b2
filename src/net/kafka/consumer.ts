import type { TopicPartition } from '../../codec/kafka/membership.ts'
import { decodeRecords, type RecordColumns, sliceRecords } from '../../codec/kafka/record-batch.ts'
import type { Clock } from '../../core/clock.ts'
import { asError, FlumeError } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { GroupMember, GroupSettings, KafkaCluster, OffsetAt } from './cluster.ts'
import { KafkaError, kafkaCodes } from './errors.ts'

export interface ConsumerSettings extends GroupSettings {
  /** Which topics: names, or whatever the function keeps of all names. */
  readonly topics: readonly string[] | ((topic: string) => boolean)
  /** Where reading begins when the group has no offset, or the broker has not got it any more. */
  readonly reset: 'earliest' | 'latest' | 'none'
  readonly readCommitted: boolean
  readonly checkCrcs: boolean
  readonly fetchMinBytes: number
  readonly fetchMaxBytes: number
  readonly fetchMaxWaitMs: number
  readonly partitionMaxBytes: number
  /** New topics and partitions are looked for this often. */
  readonly metadataMaxAgeMs: number
}

/** Records of one partition that were read and not yet handed on. */
export interface RecordSlice extends TopicPartition {
  readonly records: RecordColumns
  /** Where reading goes on behind them. */
  readonly nextOffset: number
}

export type Polled =
  /** Records in the order of each partition, up to as many as were asked for; none when nothing came in time. */
  | { readonly kind: 'records'; readonly slices: readonly RecordSlice[]; readonly count: number }
  /** The group shares anew: commit what was handed on, then go on polling. */
  | { readonly kind: 'rebalance' }

/** Times the bytes of one fetch that a compressed batch may unpack to. */
const unpackRatioMax = 64
const unpackBytesMin = 64 * 1024 * 1024
const pauseAfterFailureMs = 200

interface Position {
  readonly topic: string
  readonly partition: number
  /** Where the next fetch begins. */
  offset: number
  /** Behind what was handed on. */
  next: number
  /** Where the partition ended when it was last read. */
  end: number
}

/** How far a partition is read. */
export interface Standing extends TopicPartition {
  /** The next offset to be handed on. */
  readonly next: number
  /** Where the partition ended when it was last read. */
  readonly end: number
}

/**
 * A group's consumer, batch-wise: one fetch for each leading broker is under way while the records of the last one are
 * handed on.
 *
 * Invariants: records of a partition are handed on in the order of their offsets and none twice in a generation; a fetch
 * begins only when no more than one batch is left to hand on, so that memory holds one fetch per broker and one batch;
 * after a rebalance reading begins at what the group has committed, and whatever was read before is dropped.
 */
export class GroupConsumer {
  readonly #cluster: KafkaCluster
  readonly #settings: ConsumerSettings
  readonly #clock: Clock
  readonly #log: Logger
  readonly #member: GroupMember
  readonly #positions = new Map<string, Position>()
  /** Fetched and not handed on. */
  readonly #queue: RecordSlice[] = []
  #queuedCount = 0
  /** Fetches under way, by broker. */
  readonly #fetching = new Map<number, Promise<void>>()
  /** Grows when positions are given up, so that fetches of before know that they are late. */
  #epoch = 0
  #turn = 0
  #failure: Error | undefined
  #wake: (() => void) | undefined
  #topicsRead: ReadonlyMap<string, number> = new Map()
  #topicsReadMs = 0
  #watching: Promise<void> | undefined
  #changed = false
  #joined = false
  #closed = false

  constructor(cluster: KafkaCluster, settings: ConsumerSettings, clock: Clock, log: Logger) {
    this.#cluster = cluster
    this.#settings = settings
    this.#clock = clock
    this.#log = log
    this.#member = cluster.member(settings)
  }

  /** The partitions that this consumer reads now, and how far; undefined while it is no member. */
  get standing(): Iterable<Standing> | undefined {
    return this.#joined ? this.#positions.values() : undefined
  }

  /** True when the group shares anew, or has lost this member: what was handed on should be committed soon. */
  get isStale(): boolean {
    return this.#member.generation.aborted
  }

  /** Joins the group; the first `poll` does it otherwise. */
  async join(): Promise<void> {
    this.#giveUpPositions()
    const topics = await this.#readTopics()
    const partitions = await this.#member.join([...topics.keys()])
    const committed = await this.#committed(partitions)
    const missing = partitions.filter((_, index) => committed[index] === undefined)
    const found = await this.#resetOffsets(missing)
    partitions.forEach(({ topic, partition }, index) => {
      const key = keyOf(topic, partition)
      const offset = committed[index] ?? (found.get(key) as number)
      this.#positions.set(key, { topic, partition, offset, next: offset, end: offset })
    })
    this.#joined = true
    this.#log.info(
      `reads ${partitions.length === 0 ? 'no partition for now' : named(partitions)} for group ${this.#settings.group}`,
    )
  }

  /**
   * Hands on up to `max` records, waiting up to `waitMs` for the first of them. Rejects when the cluster cannot be asked;
   * polling again then goes on where it was.
   */
  async poll(max: number, waitMs: number, signal?: AbortSignal): Promise<Polled> {
    const untilMs = this.#clock.monotonic() + waitMs
    if (!this.#joined) await this.join()
    for (;;) {
      if (this.#closed || signal?.aborted) return { kind: 'records', slices: [], count: 0 }
      if (this.#topicsChanged() || this.isStale) {
        this.#joined = false
        this.#giveUpPositions()
        return { kind: 'rebalance' }
      }
      const failure = this.#failure
      if (failure) {
        this.#failure = undefined
        throw failure
      }
      const handed = this.#hand(max)
      this.#fetchMore(max)
      if (handed.count > 0) return handed
      const leftMs = untilMs - this.#clock.monotonic()
      if (leftMs <= 0) return handed
      await this.#somethingHappens(leftMs, signal)
    }
  }

  /** Commits as a member of the generation in which the records were handed on; rejects when the group has gone on without it. */
  async commit(offsets: readonly OffsetAt[]): Promise<void> {
    if (offsets.length > 0) await this.#member.commit(offsets)
  }

  /** Leaves the group. What was handed on and not committed is read again by whoever comes next. */
  async close(): Promise<void> {
    this.#closed = true
    this.#wake?.()
    this.#giveUpPositions()
    await this.#member.leave().catch((error) => this.#log.debug(`while leaving the group: ${asError(error).message}`))
  }

  #hand(max: number): Polled & { readonly kind: 'records' } {
    const slices: RecordSlice[] = []
    let count = 0
    while (count < max) {
      const [head] = this.#queue
      if (!head) break
      const room = max - count
      const { records, topic, partition, nextOffset } = head
      const position = this.#positions.get(keyOf(topic, partition)) as Position
      if (records.count <= room) {
        this.#queue.shift()
        slices.push(head)
        count += records.count
        position.next = nextOffset
      } else {
        const part = sliceRecords(records, 0, room)
        position.next = (part.offsets[room - 1] as number) + 1
        slices.push({ topic, partition, records: part, nextOffset: position.next })
        this.#queue[0] = { topic, partition, records: sliceRecords(records, room, records.count), nextOffset }
        count += room
      }
    }
    this.#queuedCount -= count
    return { kind: 'records', slices, count }
  }

  /** Starts a fetch at each broker that has none under way, once no more than `enough` records are left to hand on. */
  #fetchMore(enough: number): void {
    if (this.#positions.size > 0 && this.#queuedCount <= enough) void this.#startFetches(this.#epoch)
  }

  async #startFetches(epoch: number): Promise<void> {
    const byLeader = new Map<number, Position[]>()
    try {
      for (const position of this.#positions.values()) {
        const leader = await this.#cluster.leaderOf(position)
        if (epoch !== this.#epoch) return
        const known = byLeader.get(leader)
        if (known) known.push(position)
        else byLeader.set(leader, [position])
      }
    } catch (error) {
      this.#fail(error, epoch)
      return
    }
    for (const [leader, positions] of byLeader) {
      if (this.#fetching.has(leader)) continue
      const fetching = this.#fetchFrom(leader, positions, epoch).finally(() => {
        if (this.#fetching.get(leader) === fetching) this.#fetching.delete(leader)
        this.#wake?.()
      })
      this.#fetching.set(leader, fetching)
    }
  }

  async #fetchFrom(leader: number, positions: readonly Position[], epoch: number): Promise<void> {
    const { fetchMaxWaitMs, fetchMinBytes, fetchMaxBytes, partitionMaxBytes, readCommitted, checkCrcs } = this.#settings
    try {
      const asked = rotated(positions, this.#turn++)
      const fetched = await this.#cluster.fetch(
        leader,
        asked.map(({ topic, partition, offset }) => ({ topic, partition, offset, maxBytes: partitionMaxBytes })),
        { maxWaitMs: fetchMaxWaitMs, minBytes: fetchMinBytes, maxBytes: fetchMaxBytes, readCommitted },
      )
      if (epoch !== this.#epoch || this.#closed) return
      for (const { topic, partition, error, records, aborted, highWatermark } of fetched) {
        const key = keyOf(topic, partition)
        const position = this.#positions.get(key)
        if (!position) continue
        if (error !== 0) {
          await this.#recover(error, position, epoch)
          if (epoch !== this.#epoch) return
          continue
        }
        const { slices, nextOffset } = decodeRecords(records, {
          from: position.offset,
          decompress: (compression, bytes, bytesMax) => this.#cluster.decompress(compression, bytes, bytesMax),
          decompressedBytesMax: Math.max(unpackBytesMin, unpackRatioMax * partitionMaxBytes),
          checkCrc: checkCrcs,
          ...(readCommitted ? { aborted } : {}),
        })
        position.offset = nextOffset
        position.end = Math.max(nextOffset, highWatermark)
        // Nothing to hand on: what was passed over (markers of transactions) counts as read.
        if (slices.length === 0 && this.#queue.length === 0) position.next = nextOffset
        slices.forEach((columns, index) => {
          const isLast = index === slices.length - 1
          const behind = isLast ? nextOffset : (columns.offsets[columns.count - 1] as number) + 1
          this.#queue.push({ topic, partition, records: columns, nextOffset: behind })
          this.#queuedCount += columns.count
        })
      }
    } catch (error) {
      this.#fail(error, epoch)
    }
  }

  async #recover(code: number, position: Position, epoch: number): Promise<void> {
    const where = keyOf(position.topic, position.partition)
    const error = new KafkaError(code, where)
    if (code === kafkaCodes.offsetOutOfRange) {
      const [found] = (await this.#resetOffsets([position])).values()
      if (epoch !== this.#epoch) return
      this.#log.warn(
        `${where} has no record at offset ${position.offset} (any more): reading goes on at ${found} (auto.offset.reset = ${this.#settings.reset})`,
      )
      position.offset = found as number
      position.next = position.offset
    } else if (error.asksForMetadata) {
      this.#cluster.forgetMetadata()
      this.#log.debug(error.message)
      await this.#pause()
    } else this.#fail(error, epoch)
  }

  async #committed(partitions: readonly TopicPartition[]): Promise<readonly (number | undefined)[]> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#cluster.committed(this.#settings.group, partitions)
      } catch (error) {
        if (!(error instanceof KafkaError && error.retry) || tries >= 20) throw error
        await this.#pause()
      }
    }
  }

  async #resetOffsets(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, number>> {
    const { reset, group, readCommitted } = this.#settings
    if (partitions.length === 0) return new Map()
    if (reset === 'none') {
      throw new FlumeError(
        'INVALID_STATE',
        `group ${group} has no offset for ${named(partitions)}, and auto.offset.reset is none`,
        {
          hint: 'set auto.offset.reset to earliest or latest, or commit offsets for the group',
        },
      )
    }
    for (let tries = 1; ; tries++) {
      try {
        const offsets = await this.#cluster.listOffsets(reset, partitions, readCommitted)
        return new Map(
          partitions.map(({ topic, partition }, index) => [keyOf(topic, partition), offsets[index] as number]),
        )
      } catch (error) {
        if (!(error instanceof KafkaError && error.retry) || tries >= 20) throw error
        this.#cluster.forgetMetadata()
        await this.#pause()
      }
    }
  }

  async #readTopics(): Promise<ReadonlyMap<string, number>> {
    const { topics } = this.#settings
    let found: ReadonlyMap<string, number>
    if (typeof topics === 'function') {
      found = new Map([...(await this.#cluster.everyTopic())].filter(([topic]) => topics(topic)))
      if (found.size === 0) this.#log.warn('no topic matches kafka.topics.regex yet')
    } else {
      found = await this.#cluster.partitionCounts(topics)
      const missing = topics.filter((topic) => !found.has(topic))
      if (missing.length > 0) this.#log.warn(`there is no topic ${missing.join(', ')} yet`)
      found = new Map(topics.map((topic) => [topic, found.get(topic) ?? 0]))
    }
    this.#topicsRead = found
    this.#topicsReadMs = this.#clock.monotonic()
    return found
  }

  /** Looks for new topics and partitions now and then, beside the reading; true when there are some. */
  #topicsChanged(): boolean {
    const isWaiting = [...this.#topicsRead.values()].some((count) => count === 0) || this.#topicsRead.size === 0
    const everyMs = isWaiting ? Math.min(topicWaitMs, this.#settings.metadataMaxAgeMs) : this.#settings.metadataMaxAgeMs
    if (!this.#watching && this.#clock.monotonic() - this.#topicsReadMs >= everyMs) {
      this.#topicsReadMs = this.#clock.monotonic()
      const before = this.#topicsRead
      this.#watching = this.#lookAgain()
        .then((after) => {
          if (!same(before, after)) this.#changed = true
        })
        .catch((error) => {
          this.#log.debug(`while looking for new topics: ${asError(error).message}`)
        })
        .finally(() => {
          this.#watching = undefined
          this.#wake?.()
        })
    }
    const changed = this.#changed
    this.#changed = false
    return changed
  }

  async #lookAgain(): Promise<ReadonlyMap<string, number>> {
    const { topics } = this.#settings
    if (typeof topics === 'function')
      return new Map([...(await this.#cluster.everyTopic())].filter(([topic]) => topics(topic)))
    this.#cluster.forgetMetadata()
    const found = await this.#cluster.partitionCounts(topics)
    return new Map(topics.map((topic) => [topic, found.get(topic) ?? 0]))
  }

  #giveUpPositions(): void {
    this.#epoch++
    this.#positions.clear()
    this.#queue.length = 0
    this.#queuedCount = 0
    this.#fetching.clear()
    this.#failure = undefined
  }

  #fail(error: unknown, epoch: number): void {
    if (epoch !== this.#epoch || this.#closed) return
    // Whoever led the partition may be gone.
    if (error instanceof FlumeError && error.retry) this.#cluster.forgetMetadata()
    this.#failure = asError(error)
    this.#wake?.()
  }

  #pause(): Promise<void> {
    return this.#clock.sleep(pauseAfterFailureMs)
  }

  #somethingHappens(withinMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { generation } = this.#member
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel()
        generation.removeEventListener('abort', done)
        signal?.removeEventListener('abort', done)
        this.#wake = undefined
        resolve()
      }
      // A leader may be gone with no fetch under way: look again before long.
      const timer = this.#clock.after(Math.min(withinMs, lookAgainMs), done)
      generation.addEventListener('abort', done, { once: true })
      signal?.addEventListener('abort', done, { once: true })
      this.#wake = done
      if (this.#queue.length > 0 || this.#failure || generation.aborted || signal?.aborted) done()
    })
  }
}

const lookAgainMs = 500
/** A topic that is not there yet is looked for this often. */
const topicWaitMs = 5000

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

function named(partitions: readonly TopicPartition[]): string {
  const names = partitions.map(({ topic, partition }) => keyOf(topic, partition))
  return names.length > 6 ? `${names.slice(0, 6).join(', ')} and ${names.length - 6} more` : names.join(', ')
}

function same(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([topic, count]) => b.get(topic) === count)
}

/** A broker fills its answer in the order of the request: each partition is the first one now and then. */
function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const start = by % items.length
  return start === 0 ? items : [...items.slice(start), ...items.slice(0, start)]
}
