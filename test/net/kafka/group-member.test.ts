import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  readAssignment,
  type TopicPartition,
  writeAssignment,
  writeSubscription,
} from '../../../src/codec/kafka/membership.ts'
import { KafkaError, kafkaCodes } from '../../../src/net/kafka/errors.ts'
import { ClassicMember, type GroupRequests, type JoinAnswer } from '../../../src/net/kafka/group-member.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

const settings = {
  group: 'g',
  sessionTimeoutMs: 10_000,
  heartbeatIntervalMs: 3000,
  rebalanceTimeoutMs: 60_000,
  assignors: ['range'],
}

interface Share {
  readonly id: string
  readonly assignment: Buffer
}

/** A coordinator that answers as it is told. */
class Coordinator implements GroupRequests {
  readonly calls: string[] = []
  /** Thrown by the next calls of that name, in turn. */
  readonly failures = new Map<string, Error[]>()
  others: { readonly id: string; readonly subscription: Buffer }[] = []
  leader = 'm1'
  generation = 0
  shares: readonly Share[] = []

  fail(call: string, ...errors: Error[]): void {
    this.failures.set(call, errors)
  }

  #note(call: string, what: string): void {
    this.calls.push(`${call} ${what}`)
    const failure = this.failures.get(call)?.shift()
    if (failure) throw failure
  }

  async joinGroup(_: unknown, memberId: string, subscription: Buffer): Promise<JoinAnswer> {
    this.#note('join', memberId || 'new')
    const answer = { memberId: 'm1', generation: ++this.generation, assignor: 'range', leader: this.leader }
    if (memberId === '') return { ...answer, error: kafkaCodes.memberIdRequired, members: [] }
    const members = this.leader === 'm1' ? [{ id: 'm1', subscription }, ...this.others] : []
    return { ...answer, error: 0, members }
  }

  async syncGroup(_: unknown, memberId: string, _answer: JoinAnswer, shares: readonly Share[]): Promise<Buffer> {
    this.#note('sync', memberId)
    if (shares.length > 0) this.shares = shares
    return this.shares.find(({ id }) => id === memberId)?.assignment ?? Buffer.alloc(0)
  }

  async heartbeat(_: unknown, memberId: string, generation: number): Promise<void> {
    this.#note('heartbeat', `${memberId} ${generation}`)
  }

  async commitAs(_: unknown, memberId: string, generation: number): Promise<void> {
    this.#note('commit', `${memberId} ${generation}`)
  }

  async leaveGroup(_: unknown, memberId: string): Promise<void> {
    this.#note('leave', memberId)
  }

  async partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return new Map(topics.map((topic) => [topic, 3]))
  }

  forgetCoordinator(): void {
    this.calls.push('forget')
  }
}

function make() {
  const clock = new ManualClock()
  const coordinator = new Coordinator()
  return { clock, coordinator, member: new ClassicMember(coordinator, settings, clock) }
}

const names = (partitions: readonly TopicPartition[]): string =>
  partitions.map(({ topic, partition }) => `${topic}${partition}`).join(' ')

test('a new member is given its id, joins with it, and as the leader shares the partitions', async () => {
  const { coordinator, member } = make()
  coordinator.others = [{ id: 'm0', subscription: writeSubscription(['t']) }]
  assert.equal(names(await member.join(['t'])), 't2')
  assert.deepEqual(coordinator.calls, ['join new', 'join m1', 'sync m1'])
  assert.deepEqual(
    coordinator.shares.map(({ id, assignment }) => `${id}: ${names(readAssignment(assignment))}`).sort(),
    ['m0: t0 t1', 'm1: t2'],
  )
  await member.leave()
})

test('a member that does not lead takes what the leader gives it', async () => {
  const { coordinator, member } = make()
  coordinator.leader = 'm0'
  coordinator.shares = [{ id: 'm1', assignment: writeAssignment([{ topic: 'u', partition: 7 }]) }]
  assert.equal(names(await member.join(['t'])), 'u7')
  await member.leave()
})

test('heartbeats go on when the group shares anew, and commits count, until the member has joined again', async () => {
  const { clock, coordinator, member } = make()
  await member.join(['t'])
  const { generation } = member
  await clock.advance(3000)
  assert.equal(generation.aborted, false)
  const shared = (): Error => new KafkaError(kafkaCodes.rebalanceInProgress, 'g')
  coordinator.fail('heartbeat', shared(), shared())
  await clock.advance(6000)
  assert.equal(generation.aborted, true)
  assert.equal(coordinator.calls.filter((call) => call.startsWith('heartbeat')).length, 3)
  await member.commit([{ topic: 't', partition: 0, offset: 1 }])
  await member.join(['t'])
  assert.deepEqual(coordinator.calls.slice(-3), ['commit m1 2', 'join m1', 'sync m1'])
  assert.equal(member.generation.aborted, false)
  await member.leave()
  await clock.advance(10_000)
  assert.equal(coordinator.calls.at(-1), 'leave m1')
})

for (const [name, code, next] of [
  ['unknown to the group', kafkaCodes.unknownMemberId, 'join new'],
  ['of an old generation', kafkaCodes.illegalGeneration, 'join m1'],
] as const) {
  test(`a member that is ${name} stops its heartbeats and joins anew`, async () => {
    const { clock, coordinator, member } = make()
    await member.join(['t'])
    coordinator.fail('heartbeat', new KafkaError(code, 'g'))
    await clock.advance(3000)
    assert.equal(member.generation.aborted, true)
    const before = coordinator.calls.length
    await clock.advance(9000)
    assert.equal(coordinator.calls.length, before)
    await member.join(['t'])
    assert.equal(coordinator.calls[before], next)
    await member.leave()
  })
}

test('a coordinator that has moved is looked for again', async () => {
  const { clock, coordinator, member } = make()
  const moved = (): Error => new KafkaError(kafkaCodes.notCoordinator, 'g')
  coordinator.fail('join', moved())
  const joined = member.join(['t'])
  await clock.advance(1000)
  await joined
  coordinator.fail('heartbeat', moved())
  await clock.advance(3000)
  assert.equal(member.generation.aborted, false)
  coordinator.fail('commit', moved())
  const committed = member.commit([])
  await clock.advance(1000)
  await committed
  assert.equal(coordinator.calls.filter((call) => call === 'forget').length, 3)
  await member.leave()
})

test('a member that hears nothing for its session’s time takes itself for lost', async () => {
  const { clock, coordinator, member } = make()
  await member.join(['t'])
  coordinator.fail('heartbeat', ...Array.from({ length: 10 }, () => new Error('no connection')))
  await clock.advance(9000)
  assert.equal(member.generation.aborted, false)
  await clock.advance(3000)
  assert.equal(member.generation.aborted, true)
  await member.leave()
})

test('a commit of a generation that is over is refused and ends it', async () => {
  const { coordinator, member } = make()
  await member.join(['t'])
  coordinator.fail('commit', new KafkaError(kafkaCodes.illegalGeneration, 'g'))
  await assert.rejects(member.commit([]), { kafkaCode: kafkaCodes.illegalGeneration })
  assert.equal(member.generation.aborted, true)
  await member.leave()
})

test('a refusal that no second try can help ends the joining, and a member that has left joins no more', async () => {
  const { coordinator, member } = make()
  coordinator.fail('join', new KafkaError(30, 'group g'))
  await assert.rejects(member.join(['t']), /may not use the group/)
  await member.leave()
  await assert.rejects(member.join(['t']), { code: 'CLOSED' })
})
