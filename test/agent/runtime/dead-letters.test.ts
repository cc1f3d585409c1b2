import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { drawMermaid } from '../../../src/agent/config/draw.ts'
import type { AgentModel, SinkModel } from '../../../src/agent/config/model.ts'
import {
  defineSink,
  type EventBatch,
  FlumeError,
  RefusedEventsError,
  type Sink,
  type Written,
} from '../../../src/agent/contract.ts'
import { Agent } from '../../../src/agent/runtime/agent.ts'
import { describeFlows } from '../../../src/agent/runtime/flows.ts'
import { planReload } from '../../../src/agent/runtime/plan.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts'
import { bodies, numbered, textsOf } from '../../support/batches.ts'
import { agentModel, HandSource, memoryModel, RecordingSink, sinkModel, sourceModel } from '../../support/components.ts'
import { imbalanceOf } from '../../support/imbalance.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { plainEvents } from '../../support/source-context.ts'

type Names = (texts: readonly string[]) => readonly number[]

/** A sink whose destination never takes certain bodies. */
class PickySink implements Sink {
  batchSize = 100
  readonly written: string[] = []
  /** Bodies of every write that was refused or taken, in order. */
  readonly tried: string[][] = []
  refuses = (body: string): boolean => body.startsWith('bad')
  /** Whether it can say which events it refuses. */
  tells = true
  /** Thrown instead of anything else while it is set. */
  failure: Error | undefined

  readonly spec = defineSink({ type: 'picky', aliases: [], summary: 'For tests.', options: {}, create: () => this })

  async write(batch: EventBatch): Promise<void> {
    if (this.failure) throw this.failure
    const texts = textsOf(batch)
    this.tried.push(texts)
    const places: ReturnType<Names> = texts.flatMap((text, i) => (this.refuses(text) ? [i] : []))
    if (places.length > 0) {
      const events = this.tells ? { events: places } : {}
      throw new RefusedEventsError('DELIVERY', `no ${texts[places[0] as number]}`, { retry: true, ...events })
    }
    this.written.push(...texts)
  }
}

/** A channel's sink that keeps the events themselves. */
class KeepingSink extends RecordingSink {
  readonly events: ReturnType<typeof plainEvents> = []

  override async write(batch: EventBatch): Promise<Written> {
    const written = await super.write(batch)
    this.events.push(...plainEvents(batch))
    return written
  }
}

/** r1 → c1 → k1, and k1's dead letters → c2 → k2. */
function parts(attempts: number | undefined = undefined, capacity = 20) {
  const [source, picky, keeping] = [new HandSource(), new PickySink(), new KeepingSink()]
  const k1: SinkModel = { ...sinkModel('k1', picky.spec, 'c1'), deadLetters: { channel: 'c2', attempts } }
  const model = agentModel({
    channels: [
      memoryModel('c1', { capacity: 1000 }),
      memoryModel('c2', { transactionCapacity: capacity, capacity: 20 }),
    ],
    sources: [sourceModel('r1', source.spec, ['c1'])],
    sinks: [k1, sinkModel('k2', keeping.spec, 'c2')],
  })
  return { source, picky, keeping, model }
}

async function running(model: AgentModel) {
  const clock = new ManualClock(1_000_000)
  const log = new RecordingLogger()
  const agent = new Agent(model, { log, clock })
  await agent.start()
  await settle()
  const channel = (name: string) => agent.snapshot().channels.find((one) => one.channel === name)
  const sink = (name: string) => agent.snapshot().components.find((one) => one.name === name)?.values ?? {}
  return { agent, clock, log, channel, sink }
}

const mixed = bodies('a', 'bad 1', 'b', 'bad 2', 'c')

describe('dead letters', () => {
  it('events that a sink names go to the dead-letter channel with the reason, the others are delivered once', async () => {
    const { source, picky, keeping, model } = parts()
    const { agent, log, channel, sink } = await running(model)
    await source.context?.deliver(mixed.withHeader('own', 'header'))
    await settle()
    assert.deepEqual(picky.written, ['a', 'b', 'c'])
    const headers = {
      own: 'header',
      'deadLetter.reason': 'no bad 1',
      'deadLetter.sink': 'k1',
      'deadLetter.time': '1000000',
    }
    assert.deepEqual(keeping.events, [
      { headers, body: 'bad 1' },
      { headers, body: 'bad 2' },
    ])
    assert.deepEqual(imbalanceOf(agent.snapshot()), [])
    const { delivered, dropped } = channel('c1') ?? {}
    assert.deepEqual(
      [delivered, dropped],
      [3, { 'refused-as-optional': 0, 'given-up': 0, 'lost-at-stop': 0, 'dead-letter': 2 }],
    )
    assert.equal(channel('c2')?.entered, 2)
    assert.deepEqual(
      ['EventDrainAttemptCount', 'EventDrainSuccessCount', 'EventWriteFail', 'DeadLetterCount'].map(
        (name) => sink('k1')[name],
      ),
      [5, 3, 1, 2],
    )
    assert.ok(log.lines.includes('warn: 2 events go to the dead-letter channel c2: no bad 1'))
    await agent.stop()
  })

  it('events that a sink cannot name are found by smaller batches, and tried alone a few times', async () => {
    const { source, picky, keeping, model } = parts(3)
    picky.tells = false
    const { agent, clock } = await running(model)
    await source.context?.deliver(bodies(...Array.from({ length: 40 }, (_, i) => (i === 17 ? 'bad' : `${i}`))))
    await settle()
    assert.equal(picky.written.length, 39, 'what is good is not held up')
    assert.deepEqual(keeping.written, [])
    await clock.advance(1000)
    assert.deepEqual(keeping.written, [], 'after the second try')
    await clock.advance(2000)
    assert.deepEqual(keeping.written, ['bad'])
    assert.equal(picky.tried.filter((texts) => texts.length === 1 && texts[0] === 'bad').length, 3)
    assert.equal(new Set(picky.written).size, picky.written.length, 'nothing is delivered twice')
    assert.deepEqual(imbalanceOf(agent.snapshot()), [])
    await agent.stop()
  })

  it('nothing is done by guessing unless deadLetter.attempts says so', async () => {
    const { source, picky, keeping, model } = parts()
    picky.tells = false
    const { agent, channel } = await running(model)
    await source.context?.deliver(mixed)
    await settle()
    assert.deepEqual([picky.tried.length, channel('c1')?.held, keeping.written], [1, 5, []])
    await agent.stop(0)
  })

  it('an event that is taken at a later try is no dead letter', async () => {
    const { source, picky, keeping, model } = parts(3)
    picky.tells = false
    const { agent, clock } = await running(model)
    await source.context?.deliver(mixed)
    await settle()
    picky.refuses = () => false
    await clock.advance(1000)
    await settle()
    assert.deepEqual(picky.written.toSorted(), ['a', 'b', 'bad 1', 'bad 2', 'c'])
    assert.deepEqual(keeping.written, [])
    await agent.stop()
  })

  it('a destination that takes nothing refuses no event: all stay, after 49 tries at most', async () => {
    const { source, picky, keeping, model } = parts(3)
    picky.tells = false
    picky.refuses = () => true
    const { agent, clock, channel } = await running(model)
    await source.context?.deliver(numbered(0, 100))
    await settle()
    assert.equal(picky.tried.length, 49)
    assert.deepEqual([channel('c1')?.held, channel('c2')?.entered], [100, 0])
    picky.refuses = () => false
    await clock.advance(5000)
    assert.equal(picky.written.length, 100)
    assert.deepEqual(keeping.written, [])
    await agent.stop()
  })

  it('other failures bring the events back, also in the middle of looking for the one at fault', async () => {
    const { source, picky, keeping, model } = parts()
    const { agent, clock, channel } = await running(model)
    picky.failure = new FlumeError('CONNECTION', 'gone', { retry: true })
    await source.context?.deliver(mixed)
    await settle()
    assert.deepEqual([channel('c1')?.held, keeping.written], [5, []])
    picky.failure = undefined
    const write = picky.write.bind(picky)
    picky.write = async (batch) => {
      if (picky.tried.length === 1) picky.failure = new FlumeError('CONNECTION', 'gone', { retry: true })
      return write(batch)
    }
    await clock.advance(5000)
    assert.deepEqual([channel('c1')?.held, keeping.written], [5, []])
    picky.failure = undefined
    picky.write = write
    await clock.advance(5000)
    assert.deepEqual(
      [picky.written, keeping.written],
      [
        ['a', 'b', 'c'],
        ['bad 1', 'bad 2'],
      ],
    )
    await agent.stop()
  })

  it('a full dead-letter channel holds the sink back: nothing is lost, nothing is dropped', async () => {
    const { source, picky, keeping, model } = parts()
    keeping.failure = new FlumeError('IO', 'not now', { retry: true })
    const { agent, clock, channel } = await running(model)
    for (let i = 0; i < 3; i++) {
      await source.context?.deliver(bodies(...Array.from({ length: 10 }, (_, n) => `bad ${i} ${n}`)))
      await settle()
    }
    await clock.advance(4000)
    assert.deepEqual([channel('c1')?.held, channel('c2')?.held], [10, 20])
    assert.deepEqual(imbalanceOf(agent.snapshot()), [])
    keeping.failure = undefined
    await clock.advance(20_000)
    assert.equal(new Set(keeping.written).size, 30)
    assert.deepEqual([channel('c1')?.held, channel('c2')?.held, picky.written], [0, 0, []])
    await agent.stop()
  })

  it('without a dead-letter channel such an event blocks, as in Flume, and the log says what would help', async () => {
    const { source, picky, model } = parts()
    const { deadLetters: _, ...k1 } = model.sinks[0] as SinkModel
    const { agent, log, channel } = await running({ ...model, channels: [memoryModel('c1')], sinks: [k1] })
    await source.context?.deliver(mixed)
    await settle()
    assert.deepEqual([picky.written, channel('c1')?.held], [[], 5])
    assert.ok(
      log.lines.some((line) => /^error: no bad 1; .*deadLetter\.channel would set such events aside$/.test(line)),
    )
    await agent.stop(0)
  })

  it('a stop saves what is on its way to the dead letters, too', async () => {
    const { source, keeping, model } = parts()
    const { agent } = await running(model)
    await source.context?.deliver(mixed)
    await agent.stop()
    assert.deepEqual(keeping.written, ['bad 1', 'bad 2'])
    assert.equal(agent.atRisk, 0)
  })

  it('a reload that takes the dead-letter channel away restarts the sink and empties the channel first', async () => {
    const { source, picky, keeping, model } = parts()
    const { agent, clock, channel } = await running(model)
    // The sink is in the middle of a batch that will have a dead letter.
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const write = picky.write.bind(picky)
    picky.write = async (batch) => {
      await held
      return write(batch)
    }
    await source.context?.deliver(mixed)
    await settle()
    const { deadLetters: _, ...k1 } = model.sinks[0] as SinkModel
    const wanted = { ...model, channels: [memoryModel('c1')], sinks: [k1] }
    const plan = planReload(model, wanted)
    assert.deepEqual(
      plan.changes.filter(({ change }) => change !== 'keep').map(({ kind, name, why }) => `${kind} ${name}: ${why}`),
      ['channel c2: removed', 'sink k1: dead letters c2 → none', 'sink k2: removed'],
    )
    const reloading = agent.reload(wanted)
    await settle()
    release()
    await clock.advance(1000)
    assert.equal((await reloading).outcome, 'applied')
    assert.deepEqual(keeping.written, ['bad 1', 'bad 2'])
    assert.deepEqual([picky.written, channel('c1')?.held], [['a', 'b', 'c'], 0])
    await agent.stop(0)
  })

  it('any mixture of good and bad events is parted, with nothing lost and nothing doubled', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed)
      const { source, picky, keeping, model } = parts(1, 3)
      picky.tells = random() < 0.3
      // A batch of bad ones alone could be the destination's fault.
      picky.batchSize = (picky.tells ? 1 : 8) + Math.floor(random() * 30)
      const { agent, clock } = await running(model)
      const share = random() * 0.2
      const sent = Array.from({ length: 80 }, (_, i) => (random() < share ? `bad ${i}` : `good ${i}`))
      await source.context?.deliver(bodies(...sent))
      for (let i = 0; i < 40; i++) {
        await source.context?.deliver(bodies(`more ${i}`))
        await clock.advance(1000)
        assert.deepEqual(imbalanceOf(agent.snapshot()), [], `seed ${seed}`)
      }
      assert.equal(picky.written.length + keeping.written.length, sent.length + 40, `seed ${seed}: stuck`)
      const all = [...picky.written, ...keeping.written]
      assert.equal(new Set(all).size, all.length, `seed ${seed}: doubled`)
      assert.ok(
        keeping.written.every((text) => text.startsWith('bad')),
        `seed ${seed}`,
      )
      assert.ok(
        picky.written.every((text) => !text.startsWith('bad')),
        `seed ${seed}`,
      )
      await agent.stop(0)
    }
  })

  it('are shown where the agent is drawn and told of', () => {
    const { model } = parts()
    assert.match(drawMermaid(model), /sink0 -->\|"dead letters"\| channel1/)
    assert.deepEqual(
      describeFlows(model).map((line) => line.replace(/ (recording|picky|memory|hand)/g, '')),
      ['r1 → c1 → k1', 'dead letters of k1 → c2 → k2'],
    )
  })
})
