import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Channel } from '../../src/agent/contract.ts'
import type { EventBatch } from '../../src/core/event-batch.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { ChannelCounters } from '../../src/monitor/counters.ts'
import { ManualClock, settle } from '../../src/testing/manual-clock.ts'
import { bodies, numbered, textsOf } from '../support/batches.ts'
import { until } from '../support/until.ts'

export interface ChannelUnderTest {
  readonly channel: Channel
  /** Those that the channel was given. */
  readonly counters: ChannelCounters
  close(): Promise<void>
}

export interface ChannelLimits {
  readonly capacity: number
  readonly transactionCapacity: number
  readonly keepAliveMs: number
}

export interface ChannelTraits {
  /** False for a channel that takes as much as comes, at once and in all: it is not given limits. */
  readonly isBounded?: boolean
  /** Random runs; fewer where each step asks another machine. */
  readonly seeds?: number
}

/** What every channel promises, whatever it keeps its events in. */
export function channelContract(
  name: string,
  open: (limits: ChannelLimits, clock: ManualClock) => Promise<ChannelUnderTest>,
  { isBounded = true, seeds = 60 }: ChannelTraits = {},
): void {
  const limits: ChannelLimits = { capacity: 10, transactionCapacity: 5, keepAliveMs: 3000 }

  async function using(
    run: (channel: Channel, clock: ManualClock, counters: ChannelCounters) => Promise<void>,
    own: Partial<ChannelLimits> = {},
  ): Promise<void> {
    const clock = new ManualClock()
    const { channel, counters, close } = await open({ ...limits, ...own }, clock)
    try {
      await run(channel, clock, counters)
    } finally {
      await close()
    }
  }

  /** A case about limits. */
  const bounded = isBounded ? it : (): void => undefined

  const all = (batch: EventBatch): Promise<string[]> => Promise.resolve(textsOf(batch))

  describe(`${name} as a channel`, () => {
    it('gives back what was put, in order, events of one put together (MC-09)', () =>
      using(async (channel) => {
        await channel.put(bodies('a', 'b'))
        await channel.put(bodies('c'))
        assert.equal(channel.size, 3)
        assert.deepEqual(await channel.take(5, all), ['a', 'b', 'c'])
        assert.equal(channel.size, 0)
      }))

    it('keeps headers and bodies as they are', () =>
      using(async (channel) => {
        await channel.put(bodies('', 'ä\u0000\n').withHeader('host', 'h1').withHeader('n', ['1', undefined]))
        const events = await channel.take(5, async (batch) =>
          [...batch.events()].map(({ headers, body }) => [headers, Buffer.from(body).toString()]),
        )
        assert.deepEqual(events, [
          [{ host: 'h1', n: '1' }, ''],
          [{ host: 'h1' }, 'ä\u0000\n'],
        ])
      }))

    it('lends at most what was asked for and keeps the rest in order', () =>
      using(async (channel) => {
        await channel.put(numbered(0, 5))
        assert.deepEqual(await channel.take(2, all), ['0', '1'])
        assert.deepEqual(await channel.take(2, all), ['2', '3'])
        assert.deepEqual(await channel.take(2, all), ['4'])
      }))

    bounded('never lends more than transactionCapacity at once (MC-01)', () =>
      using(async (channel) => {
        await channel.put(numbered(0, 5))
        await channel.put(numbered(5, 2))
        assert.deepEqual(await channel.take(100, all), ['0', '1', '2', '3', '4'])
      }),
    )

    bounded('refuses a put above transactionCapacity and keeps none of it (MC-01)', () =>
      using(async (channel) => {
        await assert.rejects(channel.put(numbered(0, 6)), { code: 'BATCH_TOO_LARGE' })
        assert.equal(channel.size, 0)
      }),
    )

    it('takes back what its user threw on, ahead of newer events (MC-08, T-04)', () =>
      using(async (channel) => {
        await channel.put(numbered(0, 3))
        const failure = new Error('the destination said no')
        await assert.rejects(
          channel.take(2, async () => {
            await channel.put(numbered(3, 1))
            throw failure
          }),
          failure,
        )
        assert.deepEqual(await channel.take(5, all), ['0', '1', '2', '3'])
      }))

    it('lends overlapping takes different events and brings each back to its own place', () =>
      using(async (channel) => {
        await channel.put(numbered(0, 5))
        await channel.put(numbered(5, 3))
        let lent = 0
        const failing = (release: Promise<void>) => (batch: EventBatch) => {
          lent++
          return release.then(() => {
            throw new Error(textsOf(batch).join())
          })
        }
        const [first, second, third] = [gate(), gate(), gate()]
        const takes = [
          channel.take(2, failing(first.opened)),
          channel.take(2, failing(second.opened)),
          channel.take(2, failing(third.opened)),
        ]
        const outcomes = Promise.allSettled(takes)
        await until(() => lent === 3, 'three overlapping takes')
        second.open()
        await takes[1]?.catch(() => undefined)
        // 2 and 3 are back; this take spans the hole that the third one left.
        const spanning = channel.take(4, failing(first.opened)).catch((error: Error) => error.message)
        await until(() => lent === 4, 'a fourth overlapping take')
        third.open()
        first.open()
        assert.deepEqual(
          (await outcomes).map((outcome) => (outcome.status === 'rejected' ? outcome.reason.message : undefined)),
          ['0,1', '2,3', '4,5'],
        )
        assert.equal(await spanning, '2,3,6,7')
        assert.deepEqual(await channel.take(5, all), ['0', '1', '2', '3', '4'])
        assert.deepEqual(await channel.take(5, all), ['5', '6', '7'])
      }))

    it('waits keep-alive for an event, then answers undefined without calling its user (MC-02)', () =>
      using(async (channel, clock) => {
        let answered: unknown = 'not yet'
        const take = channel
          .take(5, () => assert.fail('there is nothing to lend'))
          .then((taken) => {
            answered = taken
          })
        await clock.advance(limits.keepAliveMs - 1)
        assert.equal(answered, 'not yet')
        await clock.advance(1)
        await take
        assert.equal(answered, undefined)
      }))

    it('wakes a waiting take as soon as an event is put', () =>
      using(async (channel) => {
        const take = channel.take(5, all)
        await settle()
        await channel.put(bodies('now'))
        assert.deepEqual(await take, ['now'])
      }))

    it('ends a waiting take when its signal aborts', () =>
      using(async (channel) => {
        const stop = new AbortController()
        const take = channel.take(5, all, stop.signal)
        await settle()
        stop.abort()
        assert.equal(await take, undefined)
      }))

    bounded('holds exactly its capacity; the next put waits keep-alive and is refused whole (MC-03, MC-04)', () =>
      using(async (channel, clock) => {
        await channel.put(numbered(0, 5))
        await channel.put(numbered(5, 4))
        assert.equal(channel.room, 1)
        const refused = assert.rejects(channel.put(numbered(9, 2)), { code: 'CHANNEL_FULL', retry: true })
        await clock.advance(limits.keepAliveMs)
        await refused
        assert.equal(channel.size, 9)
        await channel.put(numbered(9, 1))
        assert.equal(channel.room, 0)
      }),
    )

    bounded('lets a waiting put in as soon as taken events are gone, not while they are lent (MC-07)', () =>
      using(async (channel) => {
        await channel.put(numbered(0, 5))
        await channel.put(numbered(5, 5))
        let kept = false
        const put = channel.put(numbered(10, 1)).then(() => {
          kept = true
        })
        await channel.take(1, async () => {
          await settle()
          assert.equal(kept, false, 'a lent event may still come back')
        })
        await put
        assert.equal(channel.size, 10)
      }),
    )

    bounded('refuses puts and takes after stop, also those that wait', () =>
      using(async (channel) => {
        await channel.put(numbered(0, 5))
        await channel.put(numbered(5, 5))
        const waiting = assert.rejects(channel.put(numbered(0, 1)), { code: 'CLOSED' })
        await settle()
        await channel.stop?.()
        await waiting
        await assert.rejects(channel.put(numbered(0, 1)), { code: 'CLOSED' })
        await assert.rejects(channel.take(1, all), { code: 'CLOSED' })
      }),
    )

    it('refuses puts and takes after stop', () =>
      using(async (channel) => {
        await channel.put(numbered(0, 2))
        await channel.stop?.()
        await assert.rejects(channel.put(numbered(0, 1)), { code: 'CLOSED' })
        await assert.rejects(channel.take(1, all), { code: 'CLOSED' })
      }))

    it('holds what was put and is not gone, by its own counters, at every moment', () =>
      using(async (channel, clock, counters) => {
        const offences: string[] = []
        let readings = 0
        const read = (): void => {
          readings++
          const { eventPutSuccess, eventTakeSuccess } = counters
          if (channel.size !== eventPutSuccess - eventTakeSuccess)
            offences.push(`${channel.size} held, ${eventPutSuccess} put, ${eventTakeSuccess} taken`)
        }
        // Read in every turn of the loop and between promises, while puts wait for room and takes are given back.
        let isOver = false
        const watch = async (): Promise<void> => {
          while (!isOver) {
            for (let i = 0; i < 20; i++) {
              read()
              await undefined
            }
            await settle()
          }
        }
        const watching = watch()
        const puts = Promise.allSettled([5, 5, 3, 4, 1].map((count) => channel.put(numbered(0, count))))
        await channel
          .take(4, async () => {
            read()
            await settle()
            throw new Error('no')
          })
          .catch(read)
        for (let i = 0; i < 6; i++) {
          await channel.take(5, async () => settle(), AbortSignal.abort())
          read()
        }
        await clock.advance(limits.keepAliveMs)
        await puts
        read()
        isOver = true
        await watching
        assert.deepEqual(offences, [])
        assert.ok(readings > 40)
      }))

    it('agrees with a plain list under any order of puts, takes and roll-backs', async () => {
      for (let seed = 1; seed <= seeds; seed++) {
        await using(
          async (channel, clock) => {
            const random = seededRandom(seed)
            const expected: string[] = []
            let next = 0
            for (let step = 0; step < 120; step++) {
              const size = 1 + Math.floor(random() * 5)
              if (random() < 0.5 && channel.room >= size) {
                await channel.put(numbered(next, size))
                for (let i = 0; i < size; i++) expected.push(String(next++))
              } else if (expected.length > 0) {
                const rollBack = random() < 0.3
                const take = channel.take(size, async (batch) => {
                  assert.deepEqual(textsOf(batch), expected.slice(0, batch.count), `seed ${seed}, step ${step}`)
                  assert.equal(batch.count, Math.min(size, expected.length), `seed ${seed}, step ${step}`)
                  if (rollBack) throw new Error('rolled back')
                  return batch.count
                })
                if (rollBack) await assert.rejects(take, /rolled back/)
                else expected.splice(0, (await take) as number)
              }
              assert.equal(channel.size, expected.length, `seed ${seed}, step ${step}`)
            }
            void clock
          },
          { capacity: 40 },
        )
      }
    })
  })
}

function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}
