import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SpillableChannel, spillable } from '../../../../src/agent/channel/spillable/index.ts'
import { problemsOf, type SpillableOptions } from '../../../../src/agent/channel/spillable/options.ts'
import type { EventBatch } from '../../../../src/agent/contract.ts'
import { seededRandom, systemRandom } from '../../../../src/core/random.ts'
import type { Disk } from '../../../../src/storage/disk.ts'
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts'
import { channelContract } from '../../../contract/channel.ts'
import { bodies, numbered, textsOf } from '../../../support/batches.ts'
import { channelContext } from '../../../support/channel-context.ts'
import { readOptions } from '../../../support/read-options.ts'
import { RecordingLogger } from '../../../support/recording-logger.ts'
import { SimulatedDisk } from '../../../support/simulated-disk.ts'

const all = (batch: EventBatch): Promise<string[]> => Promise.resolve(textsOf(batch))

const optionsOf = (options: Readonly<Record<string, string>>): SpillableOptions =>
  readOptions(spillable, {
    checkpointDir: '/channel/checkpoint',
    dataDirs: '/channel/data',
    ...options,
  }) as SpillableOptions

async function open(
  options: Readonly<Record<string, string>> = {},
  { disk = new SimulatedDisk(seededRandom(1)), clock = new ManualClock() }: { disk?: Disk; clock?: ManualClock } = {},
) {
  const log = new RecordingLogger()
  const context = { ...channelContext(clock, log), random: systemRandom }
  const channel = new SpillableChannel(optionsOf(options), context, disk)
  await channel.start()
  return { channel, clock, log, counters: context.counters, disk: disk as SimulatedDisk }
}

/** Five in memory, the rest on the disk, at once. */
const small = { memoryCapacity: '5', overflowCapacity: '1000', transactionCapacity: '100', overflowTimeout: '0' }

const parts: readonly [name: string, memoryShare: number, dataDirs: readonly string[]][] = [
  ['all of it in memory', 1, ['/channel/d1']],
  ['all of it on the disk', 0, ['/channel/d1']],
  ['half of it in memory', 0.5, ['/channel/d1', '/channel/d1,/channel/d2']],
]
for (const [name, share, places] of parts) {
  for (const dataDirs of places) {
    channelContract(`spillable, ${name}, ${dataDirs}`, async (limits, clock) => {
      const memoryCapacity = Math.floor(limits.capacity * share)
      const options = {
        dataDirs,
        memoryCapacity: String(memoryCapacity),
        overflowCapacity: String(limits.capacity - memoryCapacity),
        transactionCapacity: String(limits.transactionCapacity),
        overflowTimeout: String(limits.keepAliveMs / 1000),
        overflowDeactivationThreshold: '101',
      }
      const { channel, counters } = await open(options, { clock })
      if (share === 0.5) {
        // Memory has been too small once: from now on nobody waits for it.
        for (let left = memoryCapacity + 1; left > 0; left--) void channel.put(bodies('before'))
        await clock.advance(limits.keepAliveMs)
        while (channel.size > 0) await channel.take(limits.transactionCapacity, all)
      }
      return { channel, counters, close: () => channel.stop() }
    })
  }
}

describe('spillable channel', () => {
  it('puts a batch wholly into memory or wholly onto the disk (X-01)', async () => {
    const { channel } = await open(small)
    await channel.put(numbered(0, 4))
    assert.equal(channel.atRisk, 4)
    await channel.put(numbered(4, 2))
    assert.deepEqual([channel.atRisk, channel.size, channel.capacity], [4, 6, 1005])
    await channel.put(numbered(6, 1))
    assert.deepEqual([channel.atRisk, channel.size], [5, 7])
  })

  it('waits overflowTimeout for memory, then goes to the disk, and at once from then on (X-01)', async () => {
    const { channel, clock, log } = await open({ ...small, overflowTimeout: '3' })
    await channel.put(numbered(0, 5))
    let kept = 0
    const count = () => kept++
    const waiting = [channel.put(numbered(5, 3)).then(count), channel.put(numbered(8, 1)).then(count)]
    await clock.advance(2999)
    assert.equal(kept, 0)
    await clock.advance(1)
    await Promise.all(waiting)
    assert.deepEqual([channel.atRisk, channel.size], [5, 9])
    await channel.put(numbered(9, 3))
    assert.equal(channel.size, 12)
    assert.deepEqual(log.lines, ['info: memory is full: what does not fit goes to the disk'])
    assert.deepEqual(await channel.take(100, all), numbersTo(12))
  })

  it('waits for memory again once a take has left enough of it free (X-01)', async () => {
    const { channel, clock, log } = await open({ ...small, overflowTimeout: '3', overflowDeactivationThreshold: '40' })
    await channel.put(numbered(0, 5))
    const spilt = channel.put(numbered(5, 5))
    await clock.advance(3000)
    await spilt
    await channel.take(1, all)
    await channel.put(numbered(10, 5))
    assert.equal(channel.atRisk, 4, '20 % free is not 40 %: to the disk at once')
    await channel.take(1, all)
    assert.match(log.lines.at(-1) ?? '', /memory has room again/)
    let kept = false
    const waiting = channel.put(numbered(15, 5)).then(() => {
      kept = true
    })
    await settle()
    assert.equal(kept, false)
    await channel.take(3, all)
    await waiting
    assert.deepEqual([channel.atRisk, channel.size], [5, 15])
    assert.deepEqual(await channel.take(100, all), numbersTo(20).slice(5))
  })

  it('goes to the disk at once with what memory could never hold', async () => {
    const { channel } = await open({ ...small, overflowTimeout: '3' })
    await channel.put(numbered(0, 6))
    await channel.put(numbered(6, 1))
    assert.deepEqual([channel.atRisk, channel.size], [1, 7])
    assert.deepEqual(await channel.take(100, all), numbersTo(7))
  })

  it('keeps one order, and a take goes over the boundaries between memory and disk (X-02)', async () => {
    const { channel } = await open({ ...small, memoryCapacity: '2' })
    const given: number[] = []
    for (let next = 0; next < 40; next += 2) {
      // Every other batch finds memory free.
      await channel.put(numbered(next, 2))
      if (next % 8 === 6) given.push(...((await channel.take(3, all)) ?? []).map(Number))
    }
    assert.ok(channel.atRisk > 0)
    assert.ok(channel.size > channel.atRisk)
    for (let some = await channel.take(7, all); some; some = await channel.take(7, all)) {
      given.push(...some.map(Number))
      if (channel.size === 0) break
    }
    assert.deepEqual(given, numbersTo(40).map(Number))
  })

  it('takes back over the boundaries what its user threw on (MC-08)', async () => {
    const { channel, counters } = await open(small)
    await channel.put(numbered(0, 5))
    await channel.put(numbered(5, 5))
    await assert.rejects(
      channel.take(8, async (batch) => {
        assert.deepEqual(textsOf(batch), numbersTo(8))
        throw new Error('no')
      }),
      /no/,
    )
    assert.deepEqual([counters.eventPutSuccess, counters.eventTakeSuccess, channel.size], [10, 0, 10])
    assert.deepEqual(await channel.take(100, all), numbersTo(10))
    assert.deepEqual([counters.eventPutSuccess, counters.eventTakeSuccess, channel.size], [10, 10, 0])
    assert.deepEqual([counters.eventPutAttempt, counters.eventTakeAttempt], [10, 2])
  })

  it('lends nothing behind a newer event that came back while the disk was read for it', async () => {
    const disk = new SimulatedDisk(seededRandom(1))
    const { channel } = await open({ ...small, memoryCapacity: '1' }, { disk })
    await channel.put(bodies('filler'))
    await channel.put(bodies('disk'))
    await channel.take(1, all)
    await channel.put(bodies('memory'))
    let fail: (error: Error) => void = () => undefined
    const first = channel.take(1, (batch) => {
      assert.deepEqual(textsOf(batch), ['disk'])
      return new Promise((_, reject) => {
        fail = reject
      })
    })
    await settle()
    // More than is kept in memory of what lies on the disk, so that it has to be read.
    await channel.put(bodies('x'.repeat(9_000_000)))
    await channel.put(bodies('y'.repeat(9_000_000)))
    const heads = async (batch: EventBatch) => textsOf(batch).map((text) => text.slice(0, 6))
    let read: () => void = () => undefined
    const opened = new Promise<void>((resolve) => {
      read = resolve
    })
    const openToRead = disk.openToRead.bind(disk)
    disk.openToRead = (path) => opened.then(() => openToRead(path))
    const second = channel.take(9, heads)
    await settle()
    fail(new Error('no'))
    await assert.rejects(first, /no/)
    read()
    assert.deepEqual(await second, ['memory'])
    assert.deepEqual(await channel.take(9, heads), ['disk', 'xxxxxx', 'yyyyyy'])
  })

  it('loses what is in memory in a crash, and has what is on the disk (X-03)', async () => {
    const { channel, disk } = await open(small)
    await channel.put(numbered(0, 5))
    await channel.put(numbered(5, 5))
    await channel.put(numbered(10, 5))
    const { channel: after, log } = await open(small, { disk: disk.crash('power') })
    assert.equal(after.size, 10)
    assert.match(log.lines.join(), /10 events were left in the channel/)
    await after.put(numbered(15, 2))
    assert.deepEqual(await after.take(100, all), numbersTo(17).slice(5))
  })

  it('writes to the disk at a stop what is in memory, behind what lies there, more than overflowCapacity too', async () => {
    const { channel, disk, log, counters } = await open({ ...small, overflowCapacity: '5', transactionCapacity: '5' })
    await channel.put(numbered(0, 5))
    await channel.put(numbered(5, 5))
    await channel.take(2, all)
    const before = { ...counters, more: undefined }
    await channel.stop()
    assert.equal(channel.atRisk, 0)
    assert.equal(log.lines.at(-1), 'info: 3 events were written from memory to the disk, behind the 5 that were there')
    assert.deepEqual({ ...counters, more: undefined }, before, 'nothing was put or taken')
    const { channel: after } = await open(small, { disk: disk.crash('power') })
    assert.deepEqual(await after.take(100, all), ['5', '6', '7', '8', '9', '2', '3', '4'])
  })

  it('keeps what cannot be written at a stop among what is at risk', async () => {
    const { channel, disk } = await open(small)
    await channel.put(numbered(0, 5))
    disk.faults = { write: 1 }
    await assert.rejects(channel.stop(), { code: 'IO' })
    assert.equal(channel.atRisk, 5)
  })

  it('holds nothing on the disk with overflowCapacity = 0, but delivers what is there', async () => {
    const first = await open(small)
    await first.channel.put(numbered(0, 6))
    await first.channel.stop()
    const options = { ...small, overflowCapacity: '0', overflowTimeout: '3' }
    const { channel, clock, disk } = await open(options, { disk: first.disk.crash('kill') })
    assert.deepEqual([channel.size, channel.room, channel.capacity], [6, 5, 5])
    await channel.put(numbered(6, 5))
    const refused = assert.rejects(channel.put(numbered(11, 1)), {
      code: 'CHANNEL_FULL',
      retry: true,
      message:
        "Spillable Memory Channel's memory capacity has been reached and overflow is disabled. Consider increasing memoryCapacity.",
    })
    await clock.advance(3000)
    await refused
    assert.deepEqual(await channel.take(7, all), numbersTo(7))
    await channel.stop()
    assert.equal(channel.atRisk, 4, 'as a memory channel')
    const { channel: after } = await open(small, { disk: disk.crash('kill') })
    assert.equal(after.size, 0)
  })

  it('counts bodies in memory in slots of avgEventSize, headers free (MC-05)', async () => {
    // 10,000 bytes less 20 %: 16 slots of 500.
    const { channel } = await open({ ...small, memoryCapacity: '100', byteCapacity: '10000' })
    await channel.put(bodies('', 'x'.repeat(500), 'x'.repeat(501)).withHeader('h', 'y'.repeat(5000))) // 1 + 1 + 2
    await channel.put(bodies('x'.repeat(6000))) // 12
    assert.equal(channel.atRisk, 4)
    await channel.put(bodies(''))
    assert.equal(channel.atRisk, 4)
    assert.equal(channel.size, 5)
    const off = await open({ ...small, memoryCapacity: '100', byteCapacity: '10000', overflowCapacity: '0' })
    await off.channel.put(bodies('x'.repeat(7000)))
    await assert.rejects(off.channel.put(bodies('x'.repeat(1001))), {
      message:
        "Spillable Memory Channel's memory capacity has been reached. 1000 bytes are free and overflow is disabled. Consider increasing byteCapacity or capacity.",
    })
  })

  it('takes a put when the disk cannot be written and memory has room again, and says what does not work', async () => {
    const { channel, disk } = await open(small)
    await channel.put(numbered(0, 5))
    disk.faults = { sync: 1 }
    await assert.rejects(channel.put(numbered(5, 1)), { code: 'IO', retry: true })
    assert.ok(channel.problem)
    await channel.take(1, all)
    await channel.put(numbered(5, 1))
    disk.faults = {}
    await channel.put(numbered(6, 1))
    assert.equal(channel.problem, undefined)
    assert.deepEqual(await channel.take(100, all), numbersTo(7).slice(1))
  })

  it('takes new limits while it lives, and keeps its events and their order (MC-11)', async () => {
    const { channel, clock, log } = await open({
      ...small,
      overflowCapacity: '5',
      transactionCapacity: '5',
      overflowTimeout: '3',
    })
    await channel.put(numbered(0, 5))
    const waiting = channel.put(numbered(5, 5))
    await clock.advance(2000)
    await channel.reconfigure(optionsOf({ ...small, memoryCapacity: '8', overflowTimeout: '3' }))
    await clock.advance(1000)
    await waiting
    assert.equal(channel.atRisk, 5)
    await channel.put(numbered(10, 3))
    assert.equal(channel.atRisk, 8)
    assert.deepEqual([channel.capacity, channel.size], [1008, 13])
    const shrunk = channel.reconfigure(optionsOf({ ...small, memoryCapacity: '2', overflowTimeout: '1' }))
    await clock.advance(1000)
    await shrunk
    assert.match(log.lines.join('\n'), /warn: capacity stays as it was/)
    assert.deepEqual(await channel.take(100, all), numbersTo(13))
  })

  it('keeps an order of its own over thousands of random puts, takes, roll-backs and crashes', async () => {
    for (let seed = 1; seed <= 40; seed++) await randomHistory(seed)
  })

  it('starts safely after a stop that came before any start', async () => {
    const context = channelContext(new ManualClock())
    const channel = new SpillableChannel(optionsOf(small), context, new SimulatedDisk(seededRandom(1)))
    await channel.stop()
    await channel.stop()
  })

  it('is called and configured as in Flume', () => {
    assert.equal(spillable.type, 'spillablememory')
    const { memoryCapacity, overflowCapacity, overflowTimeout, overflowDeactivationThreshold, avgEventSize } =
      optionsOf({})
    assert.deepEqual(
      [memoryCapacity, overflowCapacity, overflowTimeout, overflowDeactivationThreshold, avgEventSize],
      [10_000, 100_000_000, 3, 5, 500],
    )
    const said = (options: Readonly<Record<string, string>>) =>
      problemsOf(optionsOf(options)).map(
        ({ option, severity = 'error', message }) => `${severity} ${option} ${message}`,
      )
    assert.deepEqual(said({ memoryCapacity: '0' }), [])
    assert.deepEqual(said({ overflowCapacity: '5000' }), [
      'error transactionCapacity 10000 is more than the overflowCapacity of 5000',
    ])
    assert.deepEqual(said({ overflowCapacity: '0' }), [])
    assert.deepEqual(said({ memoryCapacity: '0', overflowCapacity: '0', capacity: '7', 'keep-alive': '9' }), [
      'warning overflowCapacity cannot be 0 while memoryCapacity is 0, too; 100000000 is used, as in Flume',
      'note capacity has no effect: overflowCapacity is read instead',
      'note keep-alive has no effect: overflowTimeout is read instead',
    ])
    assert.match(said({ 'encryption.': 'k' }).join(), /encrypt/)
  })
})

function numbersTo(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i))
}

/** Overlapping takes that fail and succeed in any order: each lends the oldest that nobody has, in order. */
async function randomHistory(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const pick = (max: number): number => Math.floor(random() * max)
  const options = {
    memoryCapacity: String(pick(12)),
    overflowCapacity: '100000',
    transactionCapacity: '50',
    overflowTimeout: '0',
    overflowDeactivationThreshold: String(pick(100)),
    maxFileSize: '65536',
    dataDirs: random() < 0.5 ? '/channel/d1' : '/channel/d1,/channel/d2',
  }
  const { channel, disk } = await open(options, { disk: new SimulatedDisk(random) })
  /** Those that were put onto the disk. */
  const spilt = new Set<number>()
  const here = new Set<number>()
  const done = new Set<number>()
  const lent: { readonly numbers: readonly number[]; settle: (isTaken: boolean) => Promise<void> }[] = []
  let next = 0
  for (let step = 0; step < 300; step++) {
    const dice = random()
    if (dice < 0.45) {
      const count = 1 + pick(5)
      const before = channel.atRisk
      await channel.put(numbered(next, count))
      for (let i = 0; i < count; i++) {
        if (channel.atRisk === before) spilt.add(next)
        here.add(next++)
      }
    } else if (dice < 0.75 && here.size > 0) {
      const max = 1 + pick(12)
      const given = new Promise<void>((resolve, reject) => {
        let decide: (isTaken: boolean) => void = () => undefined
        const decided = new Promise<boolean>((settled) => (decide = settled))
        const taking = channel.take(max, async (batch) => {
          const numbers = textsOf(batch).map(Number)
          const oldest = [...here].sort((one, other) => one - other)
          assert.deepEqual(numbers, oldest.slice(0, numbers.length), `seed ${seed}, step ${step}`)
          assert.ok(numbers.length > 0 && numbers.length <= max)
          for (const number of numbers) here.delete(number)
          lent.push({
            numbers,
            settle: async (isTaken) => {
              decide(isTaken)
              await taking.catch(() => undefined)
              for (const number of numbers) (isTaken ? done : here).add(number)
            },
          })
          resolve()
          if (!(await decided)) throw new Error('rolled back')
        })
        taking.catch((error: Error) => (error.message === 'rolled back' ? undefined : reject(error)))
      })
      await given
    } else if (lent.length > 0) {
      const [one] = lent.splice(pick(lent.length), 1)
      await one?.settle(random() < 0.6)
    }
    const held = here.size + lent.reduce((sum, { numbers }) => sum + numbers.length, 0)
    assert.equal(channel.size, held, `seed ${seed}, step ${step}`)
  }
  const dice = random()
  if (dice < 0.5) {
    const kind = dice < 0.25 ? 'kill' : 'power'
    const again = await open(options, { disk: disk.crash(kind) })
    const found: number[] = []
    while (again.channel.size > 0) found.push(...((await again.channel.take(9, all)) ?? []).map(Number))
    const due = [...spilt].filter((number) => !done.has(number))
    assert.deepEqual(
      // A power failure may bring back what was delivered last.
      found.filter((number) => kind === 'kill' || !done.has(number)),
      due,
      `seed ${seed}, ${kind}`,
    )
    assert.deepEqual(
      found,
      found.toSorted((one, other) => one - other),
    )
    return
  }
  for (const one of lent) await one.settle(true)
  while (channel.size > 0) {
    const oldest = [...here].sort((one, other) => one - other)
    const numbers = ((await channel.take(9, all)) ?? []).map(Number)
    assert.deepEqual(numbers, oldest.slice(0, numbers.length), `seed ${seed}`)
    for (const number of numbers) here.delete(number)
    for (const number of numbers) done.add(number)
  }
  assert.equal(done.size, next, `seed ${seed}`)
}
