import {
  assignors,
  readAssignment,
  readSubscription,
  type TopicPartition,
  writeAssignment,
  writeSubscription,
} from '../../codec/kafka/membership.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import { FlumeError } from '../../core/error.ts'
import type { GroupMember, GroupSettings, OffsetAt } from './cluster.ts'
import { isKafkaError, KafkaError, kafkaCodes } from './errors.ts'

export interface JoinAnswer {
  /** Kafka's error code; 0: none. With MEMBER_ID_REQUIRED the answer still brings the id. */
  readonly error: number
  readonly memberId: string
  readonly generation: number
  readonly assignor: string
  readonly leader: string
  /** Everyone's subscription, for the leader only. */
  readonly members: readonly { readonly id: string; readonly subscription: Buffer }[]
}

/** What a member says to its coordinator. Each rejects with a KafkaError when the coordinator refuses, `joinGroup` for all but MEMBER_ID_REQUIRED. */
export interface GroupRequests {
  joinGroup(settings: GroupSettings, memberId: string, subscription: Buffer): Promise<JoinAnswer>
  syncGroup(
    settings: GroupSettings,
    memberId: string,
    answer: JoinAnswer,
    assignments: readonly { readonly id: string; readonly assignment: Buffer }[],
  ): Promise<Buffer>
  heartbeat(settings: GroupSettings, memberId: string, generation: number): Promise<void>
  commitAs(settings: GroupSettings, memberId: string, generation: number, offsets: readonly OffsetAt[]): Promise<void>
  leaveGroup(settings: GroupSettings, memberId: string): Promise<void>
  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>>
  forgetCoordinator(group: string): void
}

/** Tries before a coordinator that moves or loads is given up for now. */
const triesMax = 60
const pauseMs = 250

/**
 * A member of a group under the classic protocol, which every broker speaks and real Flume uses too.
 *
 * States: out → joining → in a generation → (shared anew, or lost) → joining … → left. Invariants: heartbeats are sent
 * only in a generation, and go on when it is stale so that the member is not thrown out before it has committed;
 * a commit carries the generation in which its events were read, so that a broker refuses what came too late.
 */
export class ClassicMember implements GroupMember {
  readonly #requests: GroupRequests
  readonly #settings: GroupSettings
  readonly #clock: Clock
  #memberId = ''
  #generation = -1
  #ended = new AbortController()
  #timer: Timer | undefined
  #heardMs = 0
  #left = false

  constructor(requests: GroupRequests, settings: GroupSettings, clock: Clock) {
    this.#requests = requests
    this.#settings = settings
    this.#clock = clock
    this.#ended.abort()
  }

  get generation(): AbortSignal {
    return this.#ended.signal
  }

  async join(topics: readonly string[]): Promise<readonly TopicPartition[]> {
    const subscription = writeSubscription(topics.toSorted())
    for (let tries = 1; ; tries++) {
      if (this.#left) throw new FlumeError('CLOSED', 'this member has left its group')
      try {
        const partitions = await this.#tryJoin(subscription)
        if (partitions) return partitions
      } catch (error) {
        this.#noteLoss(error)
        const again =
          isKafkaError(
            error,
            kafkaCodes.unknownMemberId,
            kafkaCodes.illegalGeneration,
            kafkaCodes.rebalanceInProgress,
          ) ||
          (error instanceof KafkaError && error.retry)
        if (!again || tries >= triesMax) throw error
        if (error.retry) {
          if (error.asksForCoordinator) this.#requests.forgetCoordinator(this.#settings.group)
          await this.#clock.sleep(pauseMs)
        }
      }
    }
  }

  async #tryJoin(subscription: Buffer): Promise<readonly TopicPartition[] | undefined> {
    const settings = this.#settings
    this.#stopHeartbeats()
    const answer = await this.#requests.joinGroup(settings, this.#memberId, subscription)
    this.#memberId = answer.memberId
    if (answer.error !== 0) return undefined
    const assignments = answer.leader === answer.memberId ? await this.#share(answer) : []
    const assignment = await this.#requests.syncGroup(settings, this.#memberId, answer, assignments)
    this.#generation = answer.generation
    this.#ended.abort()
    this.#ended = new AbortController()
    this.#heardMs = this.#clock.monotonic()
    this.#beatLater()
    return readAssignment(assignment)
  }

  /** The leader's work: who reads what. */
  async #share(answer: JoinAnswer): Promise<readonly { readonly id: string; readonly assignment: Buffer }[]> {
    const members = answer.members.map(({ id, subscription }) => ({ id, topics: readSubscription(subscription) }))
    const topics = [...new Set(members.flatMap((member) => member.topics))]
    const counts = await this.#requests.partitionCounts(topics)
    const assign = assignors[answer.assignor]
    if (!assign)
      throw new FlumeError(
        'UNSUPPORTED',
        `the group shares its partitions by "${answer.assignor}", which is not known here`,
      )
    return Array.from(assign(members, counts), ([id, partitions]) => ({ id, assignment: writeAssignment(partitions) }))
  }

  async commit(offsets: readonly OffsetAt[]): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#requests.commitAs(this.#settings, this.#memberId, this.#generation, offsets)
      } catch (error) {
        if (isKafkaError(error, kafkaCodes.unknownMemberId, kafkaCodes.illegalGeneration, kafkaCodes.fencedInstanceId))
          this.#ended.abort()
        this.#noteLoss(error)
        if (!(error instanceof KafkaError && error.retry) || tries >= triesMax || this.#left) throw error
        if (error.asksForCoordinator) this.#requests.forgetCoordinator(this.#settings.group)
        await this.#clock.sleep(pauseMs)
      }
    }
  }

  async leave(): Promise<void> {
    this.#left = true
    this.#stopHeartbeats()
    this.#ended.abort()
    const memberId = this.#memberId
    this.#memberId = ''
    // A member with an instance id of its own comes back under it: its partitions wait for it.
    if (memberId !== '' && this.#settings.instanceId === undefined)
      await this.#requests.leaveGroup(this.#settings, memberId)
  }

  #beatLater(): void {
    this.#timer = this.#clock.after(this.#settings.heartbeatIntervalMs, () => void this.#beat())
  }

  async #beat(): Promise<void> {
    const generation = this.#generation
    try {
      await this.#requests.heartbeat(this.#settings, this.#memberId, generation)
      this.#heardMs = this.#clock.monotonic()
    } catch (error) {
      if (this.#left || generation !== this.#generation || !this.#timer) return
      if (isKafkaError(error, kafkaCodes.rebalanceInProgress)) {
        this.#heardMs = this.#clock.monotonic()
        this.#ended.abort()
      } else if (this.#noteLoss(error)) {
        this.#ended.abort()
        this.#stopHeartbeats()
        return
      } else {
        if (error instanceof KafkaError && error.asksForCoordinator)
          this.#requests.forgetCoordinator(this.#settings.group)
        // The coordinator has given this member up by now.
        if (this.#clock.monotonic() - this.#heardMs > this.#settings.sessionTimeoutMs) this.#ended.abort()
      }
    }
    if (!this.#left && this.#timer && generation === this.#generation) this.#beatLater()
  }

  /** True when the group does not know this member any more. */
  #noteLoss(error: unknown): boolean {
    if (isKafkaError(error, kafkaCodes.unknownMemberId, kafkaCodes.fencedInstanceId)) this.#memberId = ''
    return isKafkaError(error, kafkaCodes.unknownMemberId, kafkaCodes.illegalGeneration, kafkaCodes.fencedInstanceId)
  }

  #stopHeartbeats(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
