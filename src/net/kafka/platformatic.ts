// The only file that names the client library. It gives connections, TLS, SASL, and the requests about topics, groups and
// transactions; records go through our own codec, in columns, because the library makes several objects of each.
import { isIP } from 'node:net'
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  type FetchedPartition,
  type FetchLimits,
  type FetchPosition,
  fetchKey,
  fetchVersion,
  readFetched,
  writeFetch,
} from '../../codec/kafka/fetch.ts'
import type { TopicPartition } from '../../codec/kafka/membership.ts'
import {
  type ProducedPart,
  type ProducePart,
  produceKey,
  produceVersion,
  readProduced,
  writeProduce,
} from '../../codec/kafka/produce.ts'
import type { Compression } from '../../codec/kafka/record-batch.ts'
import { snappyBlocks, snappyLength } from '../../codec/kafka/snappy-blocks.ts'
import { KafkaReader } from '../../codec/kafka/wire.ts'
import type { Clock } from '../../core/clock.ts'
import { asError, FlumeError } from '../../core/error.ts'
import type {
  GroupMember,
  GroupSettings,
  KafkaCluster,
  KafkaSettings,
  ListedAt,
  OffsetAt,
  ProducerIdentity,
  ProduceSettings,
} from './cluster.ts'
import { KafkaError, kafkaCodes } from './errors.ts'
import { ClassicMember, type GroupRequests, type JoinAnswer } from './group-member.ts'

const packageName = '@platformatic/kafka'
const install = `npm install ${packageName}@1.35.0`

type Library = typeof import('@platformatic/kafka')
type Connection = InstanceType<Library['Connection']>
interface Api<A extends unknown[], R> {
  readonly key: number
  readonly version: number
  async(connection: Connection, ...args: A): Promise<R>
}

/** Connects to a cluster through the optional package; rejects with the line to type when it is not installed. */
export async function connectKafka(settings: KafkaSettings, clock: Clock): Promise<KafkaCluster> {
  const cluster = new LibraryCluster(await loadLibrary(), settings, clock)
  try {
    await cluster.open()
    return cluster
  } catch (error) {
    await cluster.close()
    throw error
  }
}

async function loadLibrary(): Promise<Library> {
  try {
    return await import('@platformatic/kafka')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new FlumeError('INVALID_STATE', `Kafka needs the package ${packageName}, which is not installed`, {
      hint: `type: ${install}`,
      cause: error,
    })
  }
}

/**
 * Requests that wait at the broker must not hold others up, as a broker answers one connection in order: each kind of
 * request has a connection of its own to each broker.
 */
type Lane = 'data' | 'fetch' | 'group' | 'join'

interface Place {
  readonly host: string
  readonly port: number
}

interface KnownTopic {
  /** The leading broker of each partition; -1: none now. */
  readonly leaders: readonly number[]
  readonly readMs: number
}

const timeoutNever = 2 ** 31 - 1

class LibraryCluster implements KafkaCluster, GroupRequests {
  readonly #library: Library
  readonly #settings: KafkaSettings
  readonly #clock: Clock
  readonly #connections = new Map<string, Promise<Connection>>()
  readonly #coordinators = new Map<string, number>()
  readonly #topics = new Map<string, KnownTopic>()
  #brokers = new Map<number, Place>()
  #firstTried = 0
  #closed = false

  constructor(library: Library, settings: KafkaSettings, clock: Clock) {
    this.#library = library
    this.#settings = settings
    this.#clock = clock
  }

  async open(): Promise<void> {
    const { apiVersionsV3 } = this.#library
    const { errorCode, apiKeys } = await this.#ask(undefined, 'data', apiVersionsV3.api, ['flume-ts', '1'])
    check(errorCode, 'asking for the versions of requests')
    const { metadataV9, findCoordinatorV4, offsetFetchV8 } = this.#library
    const needed: readonly (readonly [number, number])[] = [
      [fetchKey, fetchVersion],
      [produceKey, produceVersion],
      ...[metadataV9, findCoordinatorV4, offsetFetchV8].map(({ api }) => [api.key, api.version] as const),
    ]
    for (const [key, version] of needed) {
      const offered = apiKeys.find(({ apiKey }) => apiKey === key)
      if (offered && offered.minVersion <= version && version <= offered.maxVersion) continue
      throw new FlumeError('UNSUPPORTED', `the brokers do not speak request ${key} in version ${version}`, {
        hint: 'Kafka 3.0 or later is needed',
      })
    }
    await this.#readMetadata([], false)
  }

  async close(): Promise<void> {
    this.#closed = true
    const connections = [...this.#connections.values()]
    this.#connections.clear()
    await Promise.all(connections.map((connection) => connection.then((open) => open.close()).catch(() => undefined)))
  }

  // ── Topics ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async partitionCounts(topics: readonly string[], create = false): Promise<ReadonlyMap<string, number>> {
    const unknown = topics.filter((topic) => !this.#knows(topic))
    if (unknown.length > 0) await this.#readMetadata(unknown, create)
    return new Map(topics.flatMap((topic) => this.#countOf(topic)))
  }

  async everyTopic(): Promise<ReadonlyMap<string, number>> {
    const names = await this.#readMetadata(null, false)
    return new Map(names.flatMap((topic) => this.#countOf(topic)))
  }

  async createTopic(topic: string, partitions: number, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    const wanted = {
      name: topic,
      numPartitions: partitions,
      // The broker's own default.
      replicationFactor: -1,
      assignments: [],
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    }
    const { createTopicsV7 } = this.#library
    const { topics } = await this.#ask(undefined, 'data', createTopicsV7.api, [
      [wanted],
      this.#settings.requestTimeoutMs,
      false,
    ])
    for (const { errorCode, errorMessage } of topics)
      check(errorCode, `making topic ${topic}`, errorMessage ?? undefined)
    this.#topics.delete(topic)
  }

  async leaderOf({ topic, partition }: TopicPartition): Promise<number> {
    if (!this.#knows(topic)) await this.#readMetadata([topic], false)
    const leader = this.#topics.get(topic)?.leaders[partition]
    if (leader !== undefined && leader >= 0) return leader
    this.#topics.delete(topic)
    throw new KafkaError(
      leader === undefined ? kafkaCodes.unknownTopicOrPartition : kafkaCodes.leaderNotAvailable,
      `${topic}-${partition}`,
    )
  }

  forgetMetadata(): void {
    this.#topics.clear()
  }

  #knows(topic: string): boolean {
    const known = this.#topics.get(topic)
    return known !== undefined && this.#clock.monotonic() - known.readMs < this.#settings.metadataMaxAgeMs
  }

  #countOf(topic: string): [string, number][] {
    const known = this.#topics.get(topic)
    return known && known.leaders.length > 0 ? [[topic, known.leaders.length]] : []
  }

  /** Asks about topics (null: all) and resolves to the names of those that are there and not the cluster's own. */
  async #readMetadata(topics: readonly string[] | null, create: boolean): Promise<readonly string[]> {
    const asked = topics && [...topics]
    const answer = await this.#ask(undefined, 'data', this.#library.metadataV9.api, [asked, create, false])
    if (answer.brokers.length > 0) {
      this.#brokers = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    }
    for (const topic of topics ?? this.#topics.keys()) this.#topics.delete(topic)
    const names: string[] = []
    for (const { name, errorCode, isInternal, partitions } of answer.topics) {
      if (name === null || name === undefined) continue
      if (errorCode !== 0) {
        const error = new KafkaError(errorCode, `topic ${name}`)
        // A topic that is not there, or is just being made, is left out; one that may not be used is an error, if it was asked for.
        if (topics && !error.asksForMetadata) throw error
        continue
      }
      const leaders: number[] = []
      for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = leaderId
      this.#topics.set(name, {
        leaders: Array.from(leaders, (leader) => leader ?? -1),
        readMs: this.#clock.monotonic(),
      })
      if (!isInternal) names.push(name)
    }
    return names
  }

  // ── Records ────────────────────────────────────────────────────────────────────────────────────────────────────

  async fetch(
    broker: number,
    positions: readonly FetchPosition[],
    limits: FetchLimits,
  ): Promise<readonly FetchedPartition[]> {
    const body = writeFetch(positions, limits)
    const { error, partitions } = await this.#send(
      broker,
      'fetch',
      fetchKey,
      fetchVersion,
      body,
      readFetched,
      limits.maxWaitMs,
    )
    check(error, 'fetching')
    return partitions
  }

  async produce(
    broker: number,
    parts: readonly ProducePart[],
    { acks, timeoutMs, transactionalId }: ProduceSettings,
  ): Promise<readonly ProducedPart[]> {
    const body = writeProduce(parts, acks, timeoutMs, transactionalId)
    return await this.#send(
      broker,
      'data',
      produceKey,
      produceVersion,
      body,
      acks === 0 ? undefined : readProduced,
      timeoutMs,
    )
  }

  async listOffsets(
    at: ListedAt,
    partitions: readonly TopicPartition[],
    readCommitted = false,
  ): Promise<readonly number[]> {
    const offsets = new Map<string, number>()
    const byLeader = new Map<number, TopicPartition[]>()
    for (const partition of partitions) {
      const leader = await this.leaderOf(partition)
      const known = byLeader.get(leader)
      if (known) known.push(partition)
      else byLeader.set(leader, [partition])
    }
    const timestamp = at === 'earliest' ? -2n : -1n
    await Promise.all(
      Array.from(byLeader, async ([leader, asked]) => {
        const topics = Array.from(byTopic(asked), ([name, numbers]) => ({
          name,
          partitions: numbers.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp })),
        }))
        const answer = await this.#ask(leader, 'data', this.#library.listOffsetsV5.api, [
          -1,
          readCommitted ? 1 : 0,
          topics,
        ])
        for (const { name, partitions: listed } of answer.topics) {
          for (const { partitionIndex, errorCode, offset } of listed) {
            this.#check(errorCode, `the offsets of ${name}-${partitionIndex}`)
            offsets.set(`${name}-${partitionIndex}`, safe(offset))
          }
        }
      }),
    )
    return partitions.map(({ topic, partition }) => offsets.get(`${topic}-${partition}`) ?? 0)
  }

  // ── Groups ─────────────────────────────────────────────────────────────────────────────────────────────────────

  member(settings: GroupSettings): GroupMember {
    return new ClassicMember(this, settings, this.#clock)
  }

  async committed(group: string, partitions: readonly TopicPartition[]): Promise<readonly (number | undefined)[]> {
    const topics = Array.from(byTopic(partitions), ([name, partitionIndexes]) => ({ name, partitionIndexes }))
    // The last commits of a transaction may still be open: requireStable waits for them.
    const answer = await this.#askCoordinator(group, (node) =>
      this.#ask(node, 'group', this.#library.offsetFetchV8.api, [[{ groupId: group, memberEpoch: -1, topics }], true]),
    )
    const offsets = new Map<string, number>()
    for (const { errorCode, topics: found } of answer.groups) {
      this.#check(errorCode, `the offsets of group ${group}`)
      for (const { name, partitions: numbers } of found) {
        for (const { partitionIndex, committedOffset, errorCode: problem } of numbers) {
          this.#check(problem, `the offset of ${name}-${partitionIndex} for group ${group}`)
          if (committedOffset >= 0n) offsets.set(`${name}-${partitionIndex}`, safe(committedOffset))
        }
      }
    }
    return partitions.map(({ topic, partition }) => offsets.get(`${topic}-${partition}`))
  }

  commit(group: string, offsets: readonly OffsetAt[]): Promise<void> {
    return this.#commit(group, -1, '', undefined, offsets)
  }

  commitAs(settings: GroupSettings, memberId: string, generation: number, offsets: readonly OffsetAt[]): Promise<void> {
    return this.#commit(settings.group, generation, memberId, settings.instanceId, offsets)
  }

  async #commit(
    group: string,
    generation: number,
    memberId: string,
    instanceId: string | undefined,
    offsets: readonly OffsetAt[],
  ): Promise<void> {
    const found = new Map<
      string,
      { partitionIndex: number; committedOffset: bigint; committedLeaderEpoch: number; committedMetadata: string }[]
    >()
    for (const { topic, partition, offset } of offsets) {
      const one = {
        partitionIndex: partition,
        committedOffset: BigInt(offset),
        committedLeaderEpoch: -1,
        committedMetadata: '',
      }
      const known = found.get(topic)
      if (known) known.push(one)
      else found.set(topic, [one])
    }
    const topics = Array.from(found, ([name, partitions]) => ({ name, partitions }))
    const { offsetCommitV8 } = this.#library
    const answer = await this.#askCoordinator(group, (node) =>
      this.#ask(node, 'group', offsetCommitV8.api, [group, generation, memberId, instanceId ?? null, topics]),
    )
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, errorCode } of partitions) {
        this.#check(errorCode, `committing ${name}-${partitionIndex} for group ${group}`)
      }
    }
  }

  async joinGroup(settings: GroupSettings, memberId: string, subscription: Buffer): Promise<JoinAnswer> {
    const { group, sessionTimeoutMs, rebalanceTimeoutMs, instanceId } = settings
    const protocols = settings.assignors.map((name) => ({ name, metadata: subscription }))
    const { joinGroupV6 } = this.#library
    const answer = await this.#askCoordinator(group, (node) =>
      this.#ask(
        node,
        'join',
        joinGroupV6.api,
        [group, sessionTimeoutMs, rebalanceTimeoutMs, memberId, instanceId ?? null, 'consumer', protocols],
        rebalanceTimeoutMs,
      ),
    )
    if (answer.errorCode !== kafkaCodes.memberIdRequired) this.#check(answer.errorCode, `joining group ${group}`)
    return {
      error: answer.errorCode,
      memberId: answer.memberId ?? '',
      generation: answer.generationId,
      assignor: answer.protocolName ?? '',
      leader: answer.leader,
      members: answer.members.map((member) => ({
        id: member.memberId,
        subscription: member.metadata ?? Buffer.alloc(0),
      })),
    }
  }

  async syncGroup(
    settings: GroupSettings,
    memberId: string,
    joined: JoinAnswer,
    shares: readonly { readonly id: string; readonly assignment: Buffer }[],
  ): Promise<Buffer> {
    const { group, instanceId, rebalanceTimeoutMs } = settings
    const assignments = shares.map(({ id, assignment }) => ({ memberId: id, assignment }))
    const { syncGroupV5 } = this.#library
    const answer = await this.#askCoordinator(group, (node) =>
      this.#ask(
        node,
        'join',
        syncGroupV5.api,
        [group, joined.generation, memberId, instanceId ?? null, 'consumer', joined.assignor, assignments],
        rebalanceTimeoutMs,
      ),
    )
    this.#check(answer.errorCode, `sharing the partitions of group ${group}`)
    return answer.assignment
  }

  async heartbeat({ group, instanceId }: GroupSettings, memberId: string, generation: number): Promise<void> {
    const { heartbeatV4 } = this.#library
    const answer = await this.#askCoordinator(group, (node) =>
      this.#ask(node, 'group', heartbeatV4.api, [group, generation, memberId, instanceId ?? null]),
    )
    this.#check(answer.errorCode, `the heartbeat for group ${group}`)
  }

  async leaveGroup({ group }: GroupSettings, memberId: string): Promise<void> {
    const { leaveGroupV4 } = this.#library
    const answer = await this.#askCoordinator(group, (node) =>
      this.#ask(node, 'group', leaveGroupV4.api, [group, [{ memberId }]]),
    )
    this.#check(answer.errorCode, `leaving group ${group}`)
  }

  forgetCoordinator(group: string): void {
    this.#coordinators.delete(`0 ${group}`)
  }

  // ── Transactions ───────────────────────────────────────────────────────────────────────────────────────────────

  async identify(transactionalId: string | undefined, transactionTimeoutMs: number): Promise<ProducerIdentity> {
    const { initProducerIdV3 } = this.#library
    const ask = (node: number | undefined) =>
      this.#ask(node, 'data', initProducerIdV3.api, [transactionalId ?? null, transactionTimeoutMs, -1n, -1])
    const answer =
      transactionalId === undefined ? await ask(undefined) : await this.#askTransactions(transactionalId, ask)
    this.#check(answer.errorCode, 'asking for a producer id')
    return { producerId: answer.producerId, producerEpoch: answer.producerEpoch }
  }

  async addToTransaction(
    transactionalId: string,
    { producerId, producerEpoch }: ProducerIdentity,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    const topics = Array.from(byTopic(partitions), ([name, numbers]) => ({ name, partitions: numbers }))
    const transaction = { transactionalId, producerId, producerEpoch, verifyOnly: false, topics }
    const answer = await this.#askTransactions(transactionalId, (node) =>
      this.#ask(node, 'data', this.#library.addPartitionsToTxnV3.api, [[transaction]]),
    )
    for (const { topicResults } of answer.resultsByTransaction) {
      for (const { name, resultsByPartition } of topicResults) {
        for (const { partitionIndex, partitionErrorCode } of resultsByPartition) {
          this.#check(partitionErrorCode, `adding ${name}-${partitionIndex} to the transaction`)
        }
      }
    }
  }

  async endTransaction(
    transactionalId: string,
    { producerId, producerEpoch }: ProducerIdentity,
    commit: boolean,
  ): Promise<void> {
    const answer = await this.#askTransactions(transactionalId, (node) =>
      this.#ask(node, 'data', this.#library.endTxnV3.api, [transactionalId, producerId, producerEpoch, commit]),
    )
    this.#check(answer.errorCode, 'ending the transaction')
  }

  // ── Compression ────────────────────────────────────────────────────────────────────────────────────────────────

  compress(compression: Compression, bytes: Buffer): Buffer {
    if (compression === 'none') return bytes
    if (compression === 'gzip') return gzipSync(bytes)
    this.#checkCodec(compression)
    return this.#library.compressionsAlgorithms[compression].compressSync(bytes)
  }

  decompress(compression: Compression, bytes: Buffer, bytesMax: number): Buffer {
    if (compression === 'none') return bytes
    if (compression === 'gzip') return inflated(() => gunzipSync(bytes, { maxOutputLength: bytesMax }))
    this.#checkCodec(compression)
    const codec = this.#library.compressionsAlgorithms[compression]
    if (compression === 'snappy') {
      const blocks = snappyBlocks(bytes)
      if (blocks.reduce((sum, block) => sum + snappyLength(block), 0) > bytesMax) throw tooLarge(bytesMax)
      return Buffer.concat(blocks.map((block) => inflated(() => codec.decompressSync(block))))
    }
    const unpacked = inflated(() => codec.decompressSync(bytes))
    if (unpacked.length > bytesMax) throw tooLarge(bytesMax)
    return unpacked
  }

  #checkCodec(compression: Exclude<Compression, 'none'>): void {
    if (this.#library.compressionsAlgorithms[compression].available) return
    throw new FlumeError('UNSUPPORTED', `Node ${process.versions.node} has no ${compression}`, {
      hint: 'Node 22.15 or later has it',
    })
  }

  // ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends a request of our own codec; without `read` nobody answers. */
  async #send<R>(
    broker: number,
    lane: Lane,
    key: number,
    version: number,
    body: Buffer,
    read: ((reader: KafkaReader) => R) | undefined,
    waitMs: number,
  ): Promise<R> {
    const { Writer } = this.#library
    const payload = (): InstanceType<Library['Writer']> => {
      const writer = Writer.create().append(body)
      if (!read) writer.context = { noResponse: true }
      return writer
    }
    return await this.#within(broker, lane, waitMs, (connection) => {
      return new Promise<R>((resolve, reject) => {
        connection.send<R>(
          key,
          version,
          payload,
          (_correlation, _key, _version, reader) =>
            (read as (reader: KafkaReader) => R)(new KafkaReader(contiguous(reader.buffer))),
          true,
          true,
          (error, answer) => (error ? reject(error) : resolve(read ? (answer as R) : ([] as R))),
        )
      })
    })
  }

  /** Sends a request of the library's codec and resolves to the answer, refusals included: whoever asks reads the codes. */
  async #ask<A extends unknown[], R>(
    broker: number | undefined,
    lane: Lane,
    api: Api<A, R>,
    args: A,
    waitMs = 0,
  ): Promise<R> {
    return await this.#within(broker, lane, waitMs, async (connection) => {
      try {
        return await api.async(connection, ...args)
      } catch (error) {
        const { response } = error as { readonly response?: R }
        if (response !== undefined && response !== null) return response
        throw error
      }
    })
  }

  /** Runs a request with its time limit. A connection on which one is overdue is closed: answers come in order. */
  async #within<R>(
    broker: number | undefined,
    lane: Lane,
    waitMs: number,
    request: (connection: Connection) => Promise<R>,
  ): Promise<R> {
    const connection = await (broker === undefined ? this.#anyConnection() : this.#connectionTo(broker, lane))
    const limitMs = this.#settings.requestTimeoutMs + waitMs
    const where = `${connection.host}:${connection.port}`
    let isLate = false
    const timer = this.#clock.after(limitMs, () => {
      isLate = true
      connection.socket.destroy()
    })
    try {
      return await request(connection)
    } catch (error) {
      if (error instanceof FlumeError) throw error
      if (isLate)
        throw new FlumeError('TIMEOUT', `Kafka at ${where} did not answer within ${limitMs} ms`, {
          retry: true,
          cause: error,
        })
      throw asFlumeError(error, where)
    } finally {
      timer.cancel()
    }
  }

  async #askCoordinator<R extends object>(group: string, ask: (node: number) => Promise<R>): Promise<R> {
    return await this.#askKeeper(0, group, ask)
  }

  async #askTransactions<R extends object>(transactionalId: string, ask: (node: number) => Promise<R>): Promise<R> {
    return await this.#askKeeper(1, transactionalId, ask)
  }

  /** Asks the broker that coordinates a group (0) or a transaction (1); forgets it when it is not there or not the one any more. */
  async #askKeeper<R extends object>(kind: 0 | 1, name: string, ask: (node: number) => Promise<R>): Promise<R> {
    const key = `${kind} ${name}`
    let node = this.#coordinators.get(key)
    if (node === undefined) {
      const answer = await this.#ask(undefined, 'data', this.#library.findCoordinatorV4.api, [kind, [name]])
      const found = answer.coordinators[0]
      const what = kind === 0 ? `the coordinator of group ${name}` : `the coordinator of transactional.id ${name}`
      if (!found) throw new KafkaError(kafkaCodes.notCoordinator, what)
      check(found.errorCode, what, found.errorMessage ?? undefined)
      node = found.nodeId
      if (!this.#brokers.has(node)) this.#brokers.set(node, { host: found.host, port: found.port })
      this.#coordinators.set(key, node)
    }
    try {
      const answer = await ask(node)
      if (codesOf(answer).some((code) => new KafkaError(code, '').asksForCoordinator)) this.#coordinators.delete(key)
      return answer
    } catch (error) {
      if (error instanceof FlumeError && error.retry) this.#coordinators.delete(key)
      throw error
    }
  }

  #check(code: number, where: string): void {
    if (code === 0) return
    const error = new KafkaError(code, where)
    if (error.asksForMetadata) this.forgetMetadata()
    throw error
  }

  // ── Connections ────────────────────────────────────────────────────────────────────────────────────────────────

  #connectionTo(broker: number, lane: Lane): Promise<Connection> {
    const place = this.#brokers.get(broker)
    if (!place) {
      this.forgetMetadata()
      return Promise.reject(
        new FlumeError('CONNECTION', `Kafka's broker ${broker} is not known (any more)`, { retry: true }),
      )
    }
    return this.#connect(place, lane)
  }

  /** A connection to whichever broker answers first in the list: known brokers, then those that the user named. */
  async #anyConnection(): Promise<Connection> {
    const places = [...this.#brokers.values(), ...this.#settings.brokers]
    let failure: unknown
    for (let i = 0; i < places.length; i++) {
      const at = (this.#firstTried + i) % places.length
      try {
        const connection = await this.#connect(places[at] as Place, 'data')
        this.#firstTried = at
        return connection
      } catch (error) {
        failure = error
        if (this.#closed) break
      }
    }
    throw failure
  }

  async #connect(place: Place, lane: Lane): Promise<Connection> {
    if (this.#closed) throw new FlumeError('CLOSED', 'the Kafka client is closed')
    const key = `${lane} ${place.host}:${place.port}`
    const known = this.#connections.get(key)
    if (known) {
      const connection = await known
      if (connection.isConnected()) return connection
      if (this.#connections.get(key) === known) this.#connections.delete(key)
      return this.#connect(place, lane)
    }
    const connecting = this.#open(place)
    this.#connections.set(key, connecting)
    const forget = (): void => {
      if (this.#connections.get(key) === connecting) this.#connections.delete(key)
    }
    try {
      const connection = await connecting
      connection.on('close', forget)
      // Closed while it was being opened.
      if (this.#closed) {
        await connection.close()
        throw new FlumeError('CLOSED', 'the Kafka client is closed')
      }
      return connection
    } catch (error) {
      forget()
      throw error
    }
  }

  async #open({ host, port }: Place): Promise<Connection> {
    const { clientId, tls, sasl, connectTimeoutMs } = this.#settings
    const connection = new this.#library.Connection(clientId, {
      connectTimeout: connectTimeoutMs,
      // The library loses step when an answer comes after its own limit; ours closes the connection.
      requestTimeout: timeoutNever,
      ...(tls ? { tls, ...(isIP(host) === 0 ? { tlsServerName: host } : {}) } : {}),
      ...(sasl ? { sasl: { ...sasl } } : {}),
    })
    // Without a listener an error would end the process; requests under way are told by the library.
    connection.on('error', () => undefined)
    connection.on('timeout', () => undefined)
    try {
      await connection.connect(host, port)
      return connection
    } catch (error) {
      throw asFlumeError(error, `${host}:${port}`)
    }
  }
}

function contiguous(bytes: Buffer | { readonly buffer: Buffer }): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : bytes.buffer
}

function byTopic(partitions: readonly TopicPartition[]): Map<string, number[]> {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const known = topics.get(topic)
    if (known) known.push(partition)
    else topics.set(topic, [partition])
  }
  return topics
}

function check(code: number, where: string, said?: string): void {
  if (code !== 0) throw new KafkaError(code, where, said)
}

function safe(offset: bigint): number {
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw new FlumeError('PROTOCOL', `the offset ${offset} is too large`)
  return Number(offset)
}

/** Every error code of an answer, wherever it stands. */
function codesOf(answer: object): readonly number[] {
  const codes: number[] = []
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return
    for (const [name, inner] of Object.entries(value)) {
      if (/errorCode$/i.test(name) && typeof inner === 'number') {
        if (inner !== 0) codes.push(inner)
      } else walk(inner)
    }
  }
  walk(answer)
  return codes
}

function asFlumeError(thrown: unknown, where: string): FlumeError {
  if (thrown instanceof FlumeError) return thrown
  const error = asError(thrown)
  const { code } = error as NodeJS.ErrnoException
  const text = innermost(error)
  if (code === 'PLT_KFK_AUTHENTICATION' || /authentication/i.test(text)) {
    return new FlumeError('REFUSED', `Kafka at ${where} refused the user: ${text}`, {
      retry: true,
      cause: error,
      hint: 'look at sasl.mechanism, sasl.jaas.config and security.protocol',
    })
  }
  return new FlumeError('CONNECTION', `no connection to Kafka at ${where}: ${text}`, { retry: true, cause: error })
}

/** The message of the cause that says most. */
function innermost(error: Error): string {
  let text = error.message
  for (let cause: unknown = error.cause, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if (cause.message) text = cause.message
    const [first] = (cause as { errors?: readonly unknown[] }).errors ?? []
    if (first instanceof Error && first.message) text = first.message
  }
  return text
}

function inflated(unpack: () => Buffer): Buffer {
  try {
    return unpack()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new FlumeError('LIMIT', 'a compressed batch of records is too large when it is unpacked', { cause: error })
    }
    throw new FlumeError(
      'INVALID_DATA',
      `a compressed batch of records cannot be unpacked: ${asError(error).message}`,
      { cause: error },
    )
  }
}

function tooLarge(bytesMax: number): FlumeError {
  return new FlumeError('LIMIT', `a compressed batch of records has more than ${bytesMax} bytes when it is unpacked`)
}
