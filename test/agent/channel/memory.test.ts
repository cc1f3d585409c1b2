import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { memory } from '../../../src/agent/channel/memory.ts'
import type { Channel } from '../../../src/agent/contract.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts'
import { channelContract } from '../../contract/channel.ts'
import { bodies, numbered, textsOf } from '../../support/batches.ts'
import { channelContext } from '../../support/channel-context.ts'

/** What a channel may keep alive beyond its events. */
const slackBytes = 4 * 1024 * 1024

/** Everything, in takes of so many. */
async function drain(channel: Channel, max: number): Promise<EventBatch[]> {
  const taken: EventBatch[] = []
  while (channel.size > 0) await channel.take(max, async (batch) => taken.push(batch))
  return taken
}

function bytesAlive(batches: readonly EventBatch[]): number {
  return [...new Set(batches.map(({ body }) => body.buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0)
}

const defaults = {
  capacity: 100,
  transactionCapacity: 100,
  'keep-alive': 3,
  byteCapacity: undefined,
  byteCapacityBufferPercentage: 20,
}

async function open(options: Partial<Record<keyof typeof defaults, number>>, clock = new ManualClock()) {
  const context = channelContext(clock)
  const channel = (await memory.create({ ...defaults, ...options }, context)) as Channel & {
    reconfigure(options: object): Promise<void>
  }
  return { channel, clock, counters: context.counters }
}

channelContract('memory', async ({ capacity, transactionCapacity, keepAliveMs }, clock) => {
  const limits = { capacity, transactionCapacity, 'keep-alive': keepAliveMs / 1000 }
  const { channel, counters } = await open(limits, clock)
  return { channel, counters, close: async () => channel.stop?.() }
})

describe('memory channel', () => {
  it('accounts bodies in slots of 100 bytes, an empty body one, headers free (MC-05)', async () => {
    // 1000 bytes less the 20 % buffer: 8 slots.
    const { channel, clock } = await open({ byteCapacity: 1000 })
    await channel.put(bodies('', 'x'.repeat(100), 'x'.repeat(101)).withHeader('h', 'y'.repeat(5000))) // 1 + 1 + 2
    await channel.put(bodies('x'.repeat(400))) // 4
    const refused = assert.rejects(channel.put(bodies('')), (error: Error & { code: string }) => {
      assert.match(
        error.message,
        /^Cannot commit transaction\. Byte capacity allocated to store event body 800 reached/,
      )
      return error.code === 'CHANNEL_FULL'
    })
    await clock.advance(3000)
    await refused
    assert.equal(channel.size, 4)
  })

  it('gives byte slots back when taken events are gone (MC-06, MC-07)', async () => {
    const { channel } = await open({ byteCapacity: 500, byteCapacityBufferPercentage: 0 })
    for (let round = 0; round < 20; round++) {
      await channel.put(bodies('x'.repeat(250), 'y'.repeat(150)))
      assert.equal((await channel.take(10, async (batch) => textsOf(batch)))?.length, 2)
    }
  })

  for (const byteCapacity of [0, 99, -5]) {
    it(`has no byte limit when byteCapacity = ${byteCapacity} leaves less than a slot`, async () => {
      const { channel } = await open({ byteCapacity })
      await channel.put(bodies('x'.repeat(1_000_000)))
      assert.equal(channel.size, 1)
    })
  }

  it('waits for bytes first, then for event slots, each for keep-alive (MC-03)', async () => {
    const { channel, clock } = await open({
      capacity: 1,
      transactionCapacity: 1,
      byteCapacity: 100,
      byteCapacityBufferPercentage: 0,
    })
    await channel.put(bodies('a'))
    let message = ''
    const put = channel.put(bodies('b')).catch((error: Error) => {
      message = error.message
    })
    await clock.advance(2999)
    assert.equal(message, '')
    await clock.advance(1)
    await put
    assert.match(message, /^Cannot commit transaction/)
  })

  it('lets puts in by order of arrival: a small one does not overtake a large one that waits', async () => {
    const { channel } = await open({ capacity: 4, transactionCapacity: 4 })
    await channel.put(numbered(0, 3))
    const large = channel.put(numbered(10, 3))
    const small = channel.put(numbered(20, 1))
    await settle()
    assert.equal(channel.size, 3)
    assert.equal(channel.room, 0)
    await channel.take(3, async () => undefined)
    await Promise.all([large, small])
    assert.deepEqual(await channel.take(4, async (batch) => textsOf(batch)), ['10', '11', '12', '20'])
  })

  it('grows at once and shrinks when slots come free within keep-alive (MC-11)', async () => {
    const { channel, clock } = await open({ capacity: 10, transactionCapacity: 10 })
    await channel.put(numbered(0, 8))
    await channel.reconfigure({ ...defaults, capacity: 20, transactionCapacity: 10 })
    assert.equal(channel.capacity, 20)
    const shrinking = channel.reconfigure({ ...defaults, capacity: 5, transactionCapacity: 5 })
    await channel.take(8, async () => undefined)
    await shrinking
    assert.equal(channel.capacity, 5)
    assert.equal(channel.transactionCapacity, 5)
    await channel.put(numbered(0, 5))
    const givenUp = channel.reconfigure({ ...defaults, capacity: 2, transactionCapacity: 2 })
    await clock.advance(3000)
    await givenUp
    assert.equal(channel.capacity, 5)
    assert.equal(channel.size, 5)
  })

  it('does not keep whole reads alive for the few lines that were kept of them', async () => {
    const { channel } = await open({ capacity: 1000 })
    for (let read = 0; read < 200; read++) {
      await channel.put(new EventBatch(Buffer.alloc(64 * 1024, 'x'), Uint32Array.of(10, 30), Uint32Array.of(20, 40)))
    }
    const kept = await drain(channel, 2)
    assert.deepEqual(new Set(kept.flatMap(textsOf)), new Set(['xxxxxxxxxx']))
    assert.ok(bytesAlive(kept) < slackBytes + 200 * 1024, String(bytesAlive(kept)))
  })

  it('does not keep whole reads alive for the last lines of them that are still there', async () => {
    const { channel } = await open({ capacity: 2000 })
    const line = 16 * 1024
    const starts = Uint32Array.from({ length: 64 }, (_, i) => i * line)
    const ends = starts.map((start) => start + line)
    const reads = Array.from({ length: 20 }, () => new EventBatch(Buffer.alloc(64 * line, 'x'), starts, ends))
    for (const read of reads) await channel.put(read.slice(0, 63))
    for (const read of reads) await channel.put(read.slice(63))
    for (const read of reads) await channel.take(63, async (batch) => assert.equal(batch.body.buffer, read.body.buffer))
    const kept = await drain(channel, 1)
    assert.deepEqual(new Set(kept.flatMap(textsOf)), new Set(['x'.repeat(line)]))
    assert.ok(bytesAlive(kept) <= slackBytes + 4 * 20 * line, String(bytesAlive(kept)))
  })

  it('lends neighbours of one read as one view on it', async () => {
    const { channel } = await open({})
    const read = new EventBatch(Buffer.from('one\ntwo\nthree\n'), Uint32Array.of(0, 4, 8), Uint32Array.of(3, 7, 13))
    for (let event = 0; event < 3; event++)
      await channel.put(read.slice(event, event + 1).withHeader('n', String(event)))
    await channel.take(3, async (batch) => {
      assert.equal(batch.body, read.body)
      assert.deepEqual(textsOf(batch), ['one', 'two', 'three'])
      assert.deepEqual(batch.headers.get('n'), ['0', '1', '2'])
    })
  })

  it('counts attempts and successes under the names of /metrics', async () => {
    const { channel, clock, counters } = await open({ capacity: 2, transactionCapacity: 2 })
    await channel.put(numbered(0, 2))
    const refused = channel.put(numbered(2, 1)).catch(() => undefined)
    await clock.advance(3000)
    await refused
    await channel.take(2, async () => undefined)
    assert.deepEqual([counters.eventPutAttempt, counters.eventPutSuccess, counters.eventTakeSuccess], [3, 2, 2])
  })

  it('says in its spec what it is and what a wrong pair of limits means (MC-10)', () => {
    assert.equal(memory.capabilities.durable, false)
    assert.deepEqual(
      memory.check?.({ ...defaults, capacity: 50, transactionCapacity: 60 }).map(({ option }) => option),
      ['transactionCapacity'],
    )
    assert.deepEqual(memory.check?.(defaults), [])
  })
})
