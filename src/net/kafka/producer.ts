import type { TopicPartition } from '../../codec/kafka/membership.ts'
import { partitionOfKey } from '../../codec/kafka/murmur2.ts'
import {
  type Compression,
  encodeRecords,
  type OutgoingRecords,
  recordBytesMax,
} from '../../codec/kafka/record-batch.ts'
import type { Clock } from '../../core/clock.ts'
import { asError, FlumeError, RefusedEventsError } from '../../core/error.ts'
import type { HeaderColumn } from '../../core/event-batch.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { KafkaCluster, ProducePart, ProducerIdentity, ProducerStamp } from './cluster.ts'
import { isKafkaError, KafkaError, kafkaCodes } from './errors.ts'

export interface ProducerSettings {
  readonly acks: -1 | 0 | 1
  readonly compression: Compression
  /** The most bytes of one request, and of one record (max.request.size). */
  readonly maxRequestBytes: number
  readonly requestTimeoutMs: number
  /** How long records are tried before they are given back (delivery.timeout.ms). */
  readonly deliveryTimeoutMs: number
  readonly retryBackoffMs: number
  /** How long a topic that is not there is waited for (max.block.ms). */
  readonly maxBlockMs: number
  /** Let the brokers notice what is sent twice within one `send`. */
  readonly idempotent: boolean
  readonly transactionalId: string | undefined
  readonly transactionTimeoutMs: number
}

export interface Outgoing {
  readonly records: OutgoingRecords
  readonly count: number
  /** The topic of all records, or of each. */
  readonly topics: HeaderColumn
  /** The partition of each record, -1 to have one chosen; undefined: choose all. */
  readonly partitions: Int32Array | undefined
}

/** Records for one partition, in order, and how many of them were sent. */
interface Lot extends TopicPartition {
  readonly indices: readonly number[]
  sent: number
  /** The offset behind what was sent, as far as the broker told. */
  end: number
}

/** One batch of records on its way. */
interface Chunk extends TopicPartition {
  readonly lot: Lot
  readonly part: ProducePart
  readonly indices: readonly number[]
}

/** Where a partition ends behind what was sent to it. */
export interface SentTo extends TopicPartition {
  readonly end: number
}

/** Room that a batch's own fields take in a request. */
const batchOverheadBytes = 512

/**
 * Sends batches: what is for one partition goes as one batch of records, as many partitions as lie on one broker in one
 * request.
 *
 * Invariants: `send` resolves when every record is acknowledged as `acks` asks; records of one partition go one batch after
 * the other, so a retry never changes their order; a batch that is sent again is sent byte for byte, so that an
 * idempotent producer's broker knows it.
 */
export class KafkaProducer {
  readonly #cluster: KafkaCluster
  readonly #settings: ProducerSettings
  readonly #clock: Clock
  readonly #log: Logger
  readonly #stop = new AbortController()
  #identity: ProducerIdentity | undefined
  readonly #sequences = new Map<string, number>()
  /** Grows by one a batch: records without a key go to another partition each time. */
  #turn: number

  constructor(cluster: KafkaCluster, settings: ProducerSettings, clock: Clock, log: Logger, turn = 0) {
    this.#cluster = cluster
    this.#settings = settings
    this.#clock = clock
    this.#log = log
    this.#turn = turn
  }

  /** Rejects LIMIT for a record that is too large, INVALID_DATA for a partition that is not there; others may go well later. */
  async send(outgoing: Outgoing): Promise<readonly SentTo[]> {
    if (outgoing.count === 0) return []
    const lots = await this.#deal(outgoing)
    await this.#sendAll(outgoing, lots)
    return lots.map(({ topic, partition, end }) => ({ topic, partition, end }))
  }

  async #sendAll(outgoing: Outgoing, lots: readonly Lot[]): Promise<void> {
    const { transactionalId, idempotent } = this.#settings
    if (transactionalId === undefined && !idempotent) return await this.#sendLots(outgoing, lots)
    try {
      this.#identity ??= await this.#identify()
      if (transactionalId === undefined) await this.#sendLots(outgoing, lots)
      else await this.#inTransaction(transactionalId, this.#identity, lots, () => this.#sendLots(outgoing, lots))
    } catch (error) {
      // A gap in the numbers would have every later batch refused: begin anew with a number of its own.
      this.#identity = undefined
      this.#sequences.clear()
      throw error
    }
  }

  /** Ends what is under way; `send` rejects CLOSED. */
  close(): void {
    this.#stop.abort(new FlumeError('CLOSED', 'the producer is closed', { retry: true }))
  }

  // ── Dealing out ────────────────────────────────────────────────────────────────────────────────────────────────

  async #deal({ records, count, topics, partitions }: Outgoing): Promise<Lot[]> {
    const lots = new Map<string, Lot & { readonly indices: number[] }>()
    const turn = this.#turn++
    const counts = new Map<string, number>()
    for (const topic of new Set(typeof topics === 'string' ? [topics] : (topics as readonly string[]))) {
      counts.set(topic, await this.#countOf(topic))
    }
    let topic = typeof topics === 'string' ? topics : ''
    let lastLot: (Lot & { readonly indices: number[] }) | undefined
    for (let i = 0; i < count; i++) {
      if (typeof topics !== 'string') topic = topics[i] as string
      const partition = this.#partitionOf(records, i, partitions?.[i] ?? -1, topic, counts.get(topic) as number, turn)
      let lot = lastLot?.topic === topic && lastLot.partition === partition ? lastLot : undefined
      if (!lot) {
        const key = `${topic}-${partition}`
        lot = lots.get(key)
        if (!lot) {
          lot = { topic, partition, indices: [], sent: 0, end: 0 }
          lots.set(key, lot)
        }
        lastLot = lot
      }
      lot.indices.push(i)
    }
    return [...lots.values()]
  }

  #partitionOf(
    records: OutgoingRecords,
    index: number,
    wanted: number,
    topic: string,
    count: number,
    turn: number,
  ): number {
    if (wanted >= 0) {
      if (wanted < count) return wanted
      throw new RefusedEventsError(
        'INVALID_DATA',
        `event ${index + 1} of the batch is for partition ${wanted}, and topic ${topic} has ${count}`,
        { events: [index] },
      )
    }
    const key = typeof records.keys === 'object' ? records.keys[index] : records.keys
    return key === undefined ? turn % count : partitionOfKey(Buffer.from(key), count)
  }

  /** A topic that is missing is waited for: the cluster may be making it. */
  async #countOf(topic: string): Promise<number> {
    const untilMs = this.#clock.monotonic() + this.#settings.maxBlockMs
    for (;;) {
      const count = await this.#retrying(untilMs, async () => {
        const found = (await this.#cluster.partitionCounts([topic], true)).get(topic)
        if (found === undefined) throw new KafkaError(kafkaCodes.unknownTopicOrPartition, `topic ${topic}`)
        return found
      })
      if (count > 0) return count
    }
  }

  // ── Sending ────────────────────────────────────────────────────────────────────────────────────────────────────

  async #sendLots(outgoing: Outgoing, lots: readonly Lot[]): Promise<void> {
    for (let open = lots; open.length > 0; open = open.filter(({ indices, sent }) => sent < indices.length)) {
      await this.#sendChunks(
        outgoing,
        open.map((lot) => this.#nextChunk(outgoing, lot)),
      )
    }
  }

  /** The next records of a lot, as many as fit into one batch. */
  #nextChunk({ records }: Outgoing, lot: Lot): Chunk {
    const room = this.#settings.maxRequestBytes - batchOverheadBytes
    let bytes = 0
    let end = lot.sent
    for (; end < lot.indices.length; end++) {
      const index = lot.indices[end] as number
      const own = recordBytesMax(records, index)
      // The estimate is generous: what is refused here would be refused by Java's client as well, or nearly so.
      if (own > this.#settings.maxRequestBytes) throw this.#tooLarge(index, own, lot.topic)
      if (bytes + own > room && end > lot.sent) break
      bytes += own
    }
    const indices = lot.indices.slice(lot.sent, end)
    lot.sent = end
    return this.#chunk(records, lot, indices)
  }

  #chunk(records: OutgoingRecords, lot: Lot, indices: readonly number[]): Chunk {
    const { compression } = this.#settings
    const { topic, partition } = lot
    const bytes = encodeRecords(records, indices, {
      compression,
      compress: (how, plain) => this.#cluster.compress(how, plain),
      stamp: this.#stamp(`${topic}-${partition}`, indices.length),
    })
    return { lot, topic, partition, indices, part: { topic, partition, records: bytes } }
  }

  #stamp(key: string, count: number): ProducerStamp | undefined {
    if (!this.#identity) return undefined
    const firstSequence = this.#sequences.get(key) ?? 0
    // Sequences begin again behind the largest 32-bit number.
    this.#sequences.set(key, (firstSequence + count) % 2 ** 31)
    return { ...this.#identity, firstSequence, isTransactional: this.#settings.transactionalId !== undefined }
  }

  /** Sends one batch for each of several partitions; tries again what may go well, until the time is over. */
  async #sendChunks(outgoing: Outgoing, chunks: readonly Chunk[]): Promise<void> {
    const untilMs = this.#clock.monotonic() + this.#settings.deliveryTimeoutMs
    let open = chunks
    while (open.length > 0) {
      const failed: { readonly chunk: Chunk; readonly error: Error }[] = []
      for (const [leader, group] of await this.#byLeader(open, untilMs)) {
        for (const request of inRequests(group, this.#settings.maxRequestBytes)) {
          failed.push(...(await this.#sendRequest(leader, request)))
        }
      }
      const again: Chunk[] = []
      for (const { chunk, error } of failed) {
        if (isKafkaError(error, kafkaCodes.messageTooLarge, kafkaCodes.recordListTooLarge) && !this.#identity) {
          await this.#sendHalves(outgoing, chunk, error)
        } else if (isRetriable(error) && this.#clock.monotonic() < untilMs) again.push(chunk)
        else throw error
      }
      open = again
      if (open.length > 0) {
        this.#log.debug(`sending again: ${failed[0]?.error.message}`)
        this.#cluster.forgetMetadata()
        await this.#clock.sleep(this.#settings.retryBackoffMs, this.#stop.signal)
      }
    }
  }

  async #sendRequest(
    leader: number,
    chunks: readonly Chunk[],
  ): Promise<{ readonly chunk: Chunk; readonly error: Error }[]> {
    const { acks, requestTimeoutMs, transactionalId } = this.#settings
    this.#stop.signal.throwIfAborted()
    try {
      const parts = chunks.map(({ part }) => part)
      const answers = await this.#cluster.produce(leader, parts, { acks, timeoutMs: requestTimeoutMs, transactionalId })
      if (acks === 0) return []
      return chunks.flatMap((chunk) => {
        const answer = answers.find(({ topic, partition }) => topic === chunk.topic && partition === chunk.partition)
        if (!answer)
          return [
            {
              chunk,
              error: new FlumeError('PROTOCOL', `the broker said nothing of ${chunk.topic}-${chunk.partition}`),
            },
          ]
        if (answer.error === 0 && answer.baseOffset >= 0)
          chunk.lot.end = Math.max(chunk.lot.end, answer.baseOffset + chunk.indices.length)
        if (answer.error === 0 || answer.error === kafkaCodes.duplicateSequence) return []
        return [{ chunk, error: new KafkaError(answer.error, `${chunk.topic}-${chunk.partition}`, answer.message) }]
      })
    } catch (error) {
      return chunks.map((chunk) => ({ chunk, error: asError(error) }))
    }
  }

  /** A topic may take less than max.request.size: the batch goes in halves, down to the record that is too large. */
  async #sendHalves(outgoing: Outgoing, chunk: Chunk, error: KafkaError): Promise<void> {
    const { indices } = chunk
    if (indices.length === 1) {
      const index = indices[0] as number
      throw this.#tooLarge(index, recordBytesMax(outgoing.records, index), chunk.topic, error)
    }
    const middle = indices.length >> 1
    for (const half of [indices.slice(0, middle), indices.slice(middle)]) {
      await this.#sendChunks(outgoing, [this.#chunk(outgoing.records, chunk.lot, half)])
    }
  }

  async #byLeader(chunks: readonly Chunk[], untilMs: number): Promise<ReadonlyMap<number, Chunk[]>> {
    const groups = new Map<number, Chunk[]>()
    for (const chunk of chunks) {
      const leader = await this.#retrying(untilMs, () => this.#cluster.leaderOf(chunk))
      const known = groups.get(leader)
      if (known) known.push(chunk)
      else groups.set(leader, [chunk])
    }
    return groups
  }

  async #retrying<T>(untilMs: number, act: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await act()
      } catch (error) {
        if (!isRetriable(error) || this.#clock.monotonic() >= untilMs) throw error
        this.#log.debug(`asking again: ${asError(error).message}`)
      }
      this.#cluster.forgetMetadata()
      await this.#clock.sleep(this.#settings.retryBackoffMs, this.#stop.signal)
    }
  }

  #tooLarge(index: number, bytes: number, topic: string, cause?: Error): FlumeError {
    const limit = cause
      ? `topic ${topic} takes no such record`
      : `max.request.size is ${this.#settings.maxRequestBytes}`
    return new RefusedEventsError(
      'LIMIT',
      `event ${index + 1} of the batch is too large for Kafka: about ${bytes} bytes, and ${limit}`,
      {
        events: [index],
        hint: 'raise kafka.producer.max.request.size and the max.message.bytes of the topic, or keep such events out with an interceptor',
        ...(cause ? { cause } : {}),
      },
    )
  }

  // ── Transactions ───────────────────────────────────────────────────────────────────────────────────────────────

  #identify(): Promise<ProducerIdentity> {
    const { transactionalId, transactionTimeoutMs, maxBlockMs } = this.#settings
    this.#sequences.clear()
    return this.#retrying(this.#clock.monotonic() + maxBlockMs, () =>
      this.#cluster.identify(transactionalId, transactionTimeoutMs),
    )
  }

  async #inTransaction(
    transactionalId: string,
    identity: ProducerIdentity,
    lots: readonly Lot[],
    act: () => Promise<void>,
  ): Promise<void> {
    const untilMs = this.#clock.monotonic() + this.#settings.maxBlockMs
    const partitions = lots.map(({ topic, partition }) => ({ topic, partition }))
    await this.#retrying(untilMs, () => this.#cluster.addToTransaction(transactionalId, identity, partitions))
    try {
      await act()
    } catch (error) {
      await this.#cluster
        .endTransaction(transactionalId, identity, false)
        .catch((problem) => this.#log.debug(`while giving up a transaction: ${asError(problem).message}`))
      throw error
    }
    await this.#retrying(untilMs, () => this.#cluster.endTransaction(transactionalId, identity, true))
  }
}

function isRetriable(error: unknown): error is FlumeError {
  return error instanceof FlumeError && error.retry && error.code !== 'CLOSED'
}

/** As many batches in one request as it may have bytes, at least one. */
function* inRequests(chunks: readonly Chunk[], bytesMax: number): Iterable<readonly Chunk[]> {
  let group: Chunk[] = []
  let bytes = 0
  for (const chunk of chunks) {
    const own = chunk.part.records.length
    if (group.length > 0 && bytes + own > bytesMax) {
      yield group
      group = []
      bytes = 0
    }
    group.push(chunk)
    bytes += own
  }
  if (group.length > 0) yield group
}
