import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { FileChannel, file } from '../../../../src/agent/channel/file/index.ts'
import type { FileOptions } from '../../../../src/agent/channel/file/options.ts'
import { seededRandom, systemRandom } from '../../../../src/core/random.ts'
import type { Disk } from '../../../../src/storage/disk.ts'
import { realDisk } from '../../../../src/storage/real-disk.ts'
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts'
import { channelContract } from '../../../contract/channel.ts'
import { bodies, numbered, textsOf } from '../../../support/batches.ts'
import { channelContext } from '../../../support/channel-context.ts'
import { readOptions } from '../../../support/read-options.ts'
import { RecordingLogger } from '../../../support/recording-logger.ts'
import { SimulatedDisk } from '../../../support/simulated-disk.ts'
import { tempDir } from '../../../support/temp-dir.ts'

const all = (batch: Parameters<typeof textsOf>[0]): Promise<string[]> => Promise.resolve(textsOf(batch))

interface Given {
  readonly disk: Disk
  readonly folder: string
  readonly clock?: ManualClock
  readonly log?: RecordingLogger
  readonly options?: Readonly<Record<string, string>>
}

const optionsOf = (folder: string, options: Readonly<Record<string, string>>): FileOptions =>
  readOptions(file, { checkpointDir: `${folder}/checkpoint`, dataDirs: `${folder}/data`, ...options }) as FileOptions

function make({ disk, folder, clock = new ManualClock(), log = new RecordingLogger(), options = {} }: Given) {
  const context = { ...channelContext(clock, log), random: systemRandom }
  return { channel: new FileChannel(optionsOf(folder, options), context, disk), clock, log, counters: context.counters }
}

async function open(given: Given) {
  const made = make(given)
  await made.channel.start()
  return made
}

const simulated = () => ({ disk: new SimulatedDisk(seededRandom(1)), folder: '/channel' })

channelContract('file, on a simulated disk', async ({ capacity, transactionCapacity, keepAliveMs }, clock) => {
  const options = {
    capacity: String(capacity),
    transactionCapacity: String(transactionCapacity),
    'keep-alive': String(keepAliveMs / 1000),
  }
  const { channel, counters } = await open({ ...simulated(), clock, options })
  return { channel, counters, close: () => channel.stop() }
})

channelContract('file, on two directories', async ({ capacity, transactionCapacity, keepAliveMs }, clock) => {
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-'))
  const options = {
    dataDirs: `${folder}/d1, ${folder}/d2`,
    capacity: String(capacity),
    transactionCapacity: String(transactionCapacity),
    'keep-alive': String(keepAliveMs / 1000),
    minimumRequiredSpace: '0',
  }
  const { channel, counters } = await open({ disk: realDisk, folder, clock, options })
  const close = async () => {
    await channel.stop()
    await rm(folder, { recursive: true })
  }
  return { channel, counters, close }
})

describe('file channel', () => {
  it('has after a restart what was left, in order, headers too (F-16)', async (t) => {
    const folder = await tempDir(t)
    const first = await open({ disk: realDisk, folder })
    await first.channel.put(numbered(0, 5).withHeader('host', 'h1'))
    await first.channel.put(numbered(5, 5))
    assert.deepEqual(await first.channel.take(3, all), ['0', '1', '2'])
    await first.channel.stop()
    const { channel, log } = await open({ disk: realDisk, folder })
    assert.equal(channel.size, 7)
    assert.equal(channel.room, channel.capacity - 7)
    assert.match(log.lines.join(), /7 events were left in the channel/)
    const headers = await channel.take(2, async (batch) => [...batch.events()].map((event) => event.headers))
    assert.deepEqual(headers, [{ host: 'h1' }, { host: 'h1' }])
    assert.deepEqual(await channel.take(10, all), ['5', '6', '7', '8', '9'])
    await channel.stop()
  })

  it('has taken events again when the process ended before its take was done (F-11)', async () => {
    const { disk, folder } = simulated()
    const first = await open({ disk, folder })
    await first.channel.put(numbered(0, 4))
    await first.channel.take(1, all)
    void first.channel.take(2, () => new Promise(() => undefined))
    const { channel } = await open({ disk: disk.crash('kill'), folder })
    assert.deepEqual(await channel.take(10, all), ['1', '2', '3'])
  })

  it('makes sure of takes with the next put, or after 20 ms: a power failure brings back no more than that', async () => {
    for (const makeSure of ['put', 'time'] as const) {
      const { disk, folder } = simulated()
      const { channel, clock } = await open({ disk, folder })
      await channel.put(numbered(0, 4))
      await channel.take(2, all)
      if (makeSure === 'put') await channel.put(numbered(4, 1))
      else await clock.advance(20)
      const { channel: after } = await open({ disk: disk.crash('power'), folder })
      assert.deepEqual((await after.take(2, all)) as string[], ['2', '3'], makeSure)
    }
  })

  it('starts as well without its checkpoint directory, as after rm -rf (F-07)', async (t) => {
    const folder = await tempDir(t)
    const first = await open({ disk: realDisk, folder })
    for (let i = 0; i < 20; i++) await first.channel.put(numbered(i, 1))
    await first.channel.take(5, all)
    await first.channel.stop()
    await rm(join(folder, 'checkpoint'), { recursive: true })
    const { channel } = await open({ disk: realDisk, folder })
    assert.equal(channel.size, 15)
    assert.deepEqual(await channel.take(2, all), ['5', '6'])
    await channel.stop()
  })

  it('opens with more events than a lowered capacity and lets none in until there is room (F-15)', async () => {
    const { disk, folder } = simulated()
    const first = await open({ disk, folder })
    await first.channel.put(numbered(0, 8))
    await first.channel.stop()
    const { channel, clock } = await open({ disk, folder, options: { capacity: '5', transactionCapacity: '5' } })
    assert.deepEqual([channel.size, channel.room], [8, 0])
    await channel.take(3, all)
    const refused = assert.rejects(channel.put(numbered(8, 1)), { code: 'CHANNEL_FULL' })
    await clock.advance(3000)
    await refused
    await channel.take(1, all)
    await channel.put(numbered(8, 1))
  })

  it("refuses at put, in Flume's words, when it is full (F-02)", async () => {
    const { channel, clock } = await open({ ...simulated(), options: { capacity: '2', transactionCapacity: '2' } })
    await channel.put(numbered(0, 2))
    const refused = assert.rejects(channel.put(numbered(2, 1)), /^FlumeError: The channel has reached it's capacity\. /)
    await clock.advance(3000)
    await refused
  })

  it('refuses what has more bytes of bodies than byteCapacity lets in, and takes it when others are gone', async () => {
    // 1000 bytes less the 20 % buffer: 8 slots of 100.
    const { channel, clock } = await open({ ...simulated(), options: { byteCapacity: '1000' } })
    await channel.put(bodies('', 'x'.repeat(101), 'x'.repeat(400))) // 1 + 2 + 4
    assert.equal(channel.room, channel.capacity - 3)
    const refused = assert.rejects(channel.put(bodies('x'.repeat(101))), {
      code: 'CHANNEL_FULL',
      retry: true,
      message: /^Cannot commit transaction\. Byte capacity allocated to store event body 800 reached/,
    })
    await clock.advance(3000)
    await refused
    await channel.put(bodies('y'))
    let kept = false
    const put = channel.put(bodies('x'.repeat(101))).then(() => {
      kept = true
    })
    await channel.take(1, async () => {
      await settle()
      assert.equal(kept, false, 'a lent event may still come back')
    })
    assert.equal(kept, false, 'one slot is not enough')
    await channel.take(1, all)
    await put
    assert.deepEqual(await channel.take(9, async (batch) => textsOf(batch).map(({ length }) => length)), [400, 1, 101])
  })

  it('counts what it finds at a start against byteCapacity, until all of it is gone', async () => {
    const { disk, folder } = simulated()
    const first = await open({ disk, folder })
    for (let i = 0; i < 10; i++) await first.channel.put(bodies('x'.repeat(1000)))
    await first.channel.take(4, all)
    await first.channel.stop()
    const options = { byteCapacity: '10000', byteCapacityBufferPercentage: '0' }
    const { channel, clock } = await open({ disk, folder, options })
    // About 6,000 bytes, and some for their records.
    const refused = assert.rejects(channel.put(bodies('x'.repeat(4000))), { code: 'CHANNEL_FULL' })
    await clock.advance(3000)
    await refused
    await channel.put(bodies('x'.repeat(3000)))
    await channel.take(6, all)
    await channel.take(1, all)
    await channel.put(bodies(...Array.from({ length: 10 }, () => 'x'.repeat(1000))))
  })

  it('takes new limits while it lives, and keeps its events (MC-11)', async () => {
    const { disk, folder } = simulated()
    const small = { capacity: '4', transactionCapacity: '4' }
    const { channel, clock, log } = await open({ disk, folder, options: small })
    await channel.put(numbered(0, 4))
    const waiting = channel.put(numbered(4, 2))
    await channel.reconfigure(optionsOf(folder, { capacity: '6', transactionCapacity: '6' }))
    await waiting
    assert.deepEqual([channel.capacity, channel.size, channel.transactionCapacity], [6, 6, 6])
    await channel.reconfigure(
      optionsOf(folder, {
        ...small,
        capacity: '5',
        byteCapacity: '200',
        'keep-alive': '1',
        fsyncPerTransaction: 'false',
      }),
    )
    assert.deepEqual([channel.capacity, channel.size, channel.room], [5, 6, 0])
    assert.deepEqual(await channel.take(9, all), ['0', '1', '2', '3'])
    assert.equal(channel.room, 3)
    const refused = assert.rejects(channel.put(bodies('two', 'slots')), { message: /Byte capacity/ })
    await clock.advance(1000)
    await refused
    await channel.reconfigure(
      optionsOf(folder, { fsyncPerTransaction: 'false', fsyncInterval: '2', maxFileSize: '65536' }),
    )
    await channel.put(bodies('x'.repeat(70_000)))
    await channel.put(numbered(6, 1))
    assert.equal(disk.paths.filter((path) => path.endsWith('.flog')).length, 3)
    await clock.advance(2000)
    assert.deepEqual(log.lines, [])
    const { channel: after } = await open({ disk: disk.crash('power'), folder })
    assert.deepEqual(
      (await after.take(9, all))?.map((text) => text.slice(0, 2)),
      ['4', '5', 'xx', '6'],
    )
  })

  it('has the counters of the real one', async () => {
    const { disk, folder } = simulated()
    const { channel, clock, counters } = await open({ disk, folder, options: { checkpointInterval: '1000' } })
    const names = [
      'Open',
      'Closed',
      'Unhealthy',
      'EventPutErrorCount',
      'EventTakeErrorCount',
      'CheckpointWriteErrorCount',
      'CheckpointBackupWriteErrorCount',
    ]
    assert.deepEqual(Object.keys(counters.more).sort(), [...names].sort())
    const values = () => names.map((name) => counters.more[name])
    assert.deepEqual(values(), [1, 0, 0, 0, 0, 0, 0])
    await channel.put(numbered(0, 1))
    disk.faults = { name: 1 }
    await clock.advance(1000)
    assert.deepEqual(values(), [1, 0, 0, 0, 0, 1, 0], 'what makes a start quick could not be written')
    disk.faults = {}
    await channel.stop()
    assert.deepEqual(values(), [0, 1, 0, 0, 0, 1, 0])
  })

  it('gives a header without a value no value: there is no such header (F-13)', async () => {
    const { channel } = await open(simulated())
    await channel.put(bodies('a', 'b').withHeader('h', ['x', undefined]))
    const headers = await channel.take(2, async (batch) => [...batch.events()].map((event) => event.headers))
    assert.deepEqual(headers, [{ h: 'x' }, {}])
  })

  it('is opened by one at a time, and says who is in the way (F-09)', async (t) => {
    const folder = await tempDir(t)
    const first = await open({ disk: realDisk, folder })
    const second = make({ disk: realDisk, folder })
    await assert.rejects(second.channel.start(), { code: 'INVALID_STATE', message: /in use: .*in_use\.lock/ })
    assert.equal(second.counters.more['Unhealthy'], 1)
    await assert.rejects(second.channel.put(numbered(0, 1)), { code: 'CLOSED', message: 'Channel closed [channel=c1]' })
    await first.channel.stop()
    await second.channel.start()
    await second.channel.stop()
  })

  it('starts safely after a stop that came before any start', async () => {
    const { channel } = make(simulated())
    await channel.stop()
    await channel.stop()
  })

  it('holds the source back while the disk is full, lets sinks go on, and goes on by itself (F-06)', async () => {
    const { disk, folder } = simulated()
    const { channel, clock, log } = await open({ disk, folder })
    await channel.put(numbered(0, 3))
    disk.free = 524_288_000
    // Flume looks every 15 s, this every 5 s.
    await clock.advance(5000)
    await assert.rejects(channel.put(numbered(3, 1)), {
      code: 'CHANNEL_FULL',
      retry: true,
      message: /^Usable space exhausted, only 524288000 bytes remaining/,
    })
    assert.match(channel.problem ?? '', /Usable space exhausted/)
    assert.deepEqual(await channel.take(2, all), ['0', '1'])
    await assert.rejects(channel.put(numbered(3, 1)), { code: 'CHANNEL_FULL' })
    disk.free = 2 ** 40
    await channel.put(numbered(3, 1))
    assert.equal(channel.problem, undefined)
    assert.deepEqual(await channel.take(5, all), ['2', '3'])
    const told = log.lines.filter((line) => /takes nothing|works again/.test(line))
    assert.deepEqual(
      told.map((line) => line.split(':')[0]),
      ['error', 'info'],
    )
  })

  it('gives the newest file up when its events are gone and the disk is full of it, and goes on (F-06)', async () => {
    const { disk, folder } = simulated()
    const roomBytes = 524_288_000 + 1_000_000
    const used = () => disk.paths.reduce((sum, path) => sum + disk.contentOf(path).length, 0)
    Object.defineProperty(disk, 'free', { get: () => roomBytes - used() })
    const { channel } = await open({ disk, folder })
    const large = (text: string) => bodies(text.repeat(600_000))
    await channel.put(large('a'))
    await assert.rejects(channel.put(large('b')), { code: 'CHANNEL_FULL' })
    assert.equal((await channel.take(5, all))?.length, 1)
    for (const text of ['c', 'd', 'e']) {
      await channel.put(large(text))
      assert.deepEqual(
        (await channel.take(5, all))?.map((body) => body.slice(0, 2)),
        [text.repeat(2)],
      )
    }
    assert.equal(channel.problem, undefined)
  })

  it('answers a failed sync with a refusal and never writes behind it', async () => {
    const { disk, folder } = simulated()
    const { channel, log, counters } = await open({ disk, folder })
    await channel.put(numbered(0, 1))
    assert.equal(counters.more['Unhealthy'], 0)
    disk.faults = { sync: 1 }
    await assert.rejects(channel.put(numbered(1, 1)), { code: 'IO', retry: true })
    await assert.rejects(channel.put(numbered(1, 1)), { code: 'IO', retry: true })
    assert.equal(channel.size, 1)
    assert.ok(channel.problem)
    assert.deepEqual([counters.more['Unhealthy'], counters.more['EventPutErrorCount']], [1, 2])
    // A delivery that cannot be noted is a delivery all the same.
    assert.deepEqual(await channel.take(1, all), ['0'])
    assert.match(log.lines.join('\n'), /error: delivered events could not be noted as such/)
    disk.faults = {}
    const before = disk.paths
    await channel.put(numbered(2, 1))
    assert.equal(channel.problem, undefined)
    const begun = disk.paths.filter((path) => path.endsWith('.flog') && !before.includes(path))
    assert.equal(begun.length, 1)
    assert.equal(counters.more['Unhealthy'], 0)
    const next = await open({ disk: disk.crash('power'), folder })
    assert.ok((await next.channel.take(9, all))?.includes('2'))
  })

  it('syncs by the clock when fsyncPerTransaction is false', async () => {
    const { disk, folder } = simulated()
    const { channel, clock } = await open({
      disk,
      folder,
      options: { fsyncPerTransaction: 'false', fsyncInterval: '2' },
    })
    await channel.put(numbered(0, 1))
    await clock.advance(2000)
    await channel.put(numbered(1, 3))
    const { channel: after } = await open({ disk: disk.crash('power'), folder })
    assert.equal((await after.take(9, all))?.[0], '0')
  })

  it('uses all of its data directories, and one order over them', async (t) => {
    const folder = await tempDir(t)
    const options = { dataDirs: `${folder}/d1,${folder}/d2,${folder}/d3` }
    const { channel } = await open({ disk: realDisk, folder, options })
    for (let i = 0; i < 9; i++) await channel.put(numbered(i, 1))
    await channel.stop()
    for (const name of ['d1', 'd2', 'd3']) {
      const logs = (await readdir(join(folder, name))).filter((each) => each.endsWith('.flog'))
      assert.equal(logs.length, 1, name)
    }
    const again = await open({ disk: realDisk, folder, options })
    assert.deepEqual(await again.channel.take(9, all), [...'012345678'])
    await again.channel.stop()
  })

  it('does not start without a data directory that it had, as when its disk is not mounted', async (t) => {
    const folder = await tempDir(t)
    const options = { dataDirs: `${folder}/d1,${folder}/d2` }
    const { channel } = await open({ disk: realDisk, folder, options })
    await channel.put(numbered(0, 1))
    await channel.stop()
    await rm(join(folder, 'd2'), { recursive: true })
    for (const given of [options, { dataDirs: `${folder}/d1` }]) {
      await assert.rejects(open({ disk: realDisk, folder, options: given }), {
        code: 'INVALID_STATE',
        message: /data directory .*d2 of this channel is not there/,
      })
    }
    await rm(join(folder, 'checkpoint', 'channel.json'))
    const again = await open({ disk: realDisk, folder, options })
    await again.channel.stop()
  })

  it('takes directories of another channel for what they are', async (t) => {
    const folder = await tempDir(t)
    for (const name of ['a', 'b']) {
      const { channel } = await open({ disk: realDisk, folder: join(folder, name) })
      await channel.stop()
    }
    await assert.rejects(open({ disk: realDisk, folder, options: { dataDirs: `${folder}/a/data,${folder}/b/data` } }), {
      message: /belong to different channels/,
    })
  })

  it('does not pass over what real Flume left', async (t) => {
    const folder = await tempDir(t)
    await mkdir(join(folder, 'data'))
    await writeFile(join(folder, 'data', 'log-1'), 'x')
    await assert.rejects(open({ disk: realDisk, folder }), { message: /holds files of Apache Flume, such as log-1/ })
  })

  it('says what is wrong when a directory cannot be made', async (t) => {
    const folder = await tempDir(t)
    await writeFile(join(folder, 'data'), '')
    await assert.rejects(open({ disk: realDisk, folder }), { code: 'EEXIST', message: /data/ })
  })

  it('refuses puts while its directory is away or another one is in its place, and goes on when it is back', async (t) => {
    const folder = await tempDir(t)
    const data = join(folder, 'data')
    const { channel } = await open({ disk: realDisk, folder })
    await rename(data, `${data}.away`)
    await assert.rejects(channel.put(numbered(0, 1)), { code: 'IO', retry: true, message: /data cannot be written/ })
    // As when a disk is not mounted any more: what is written here now would be missed when it comes back.
    await mkdir(data)
    await assert.rejects(channel.put(numbered(0, 1)), {
      code: 'IO',
      retry: true,
      message: /data cannot be written: .*data is not what it was: its directory\.json is not there/,
    })
    assert.deepEqual(await readdir(data), [])
    assert.match(channel.problem ?? '', /^[^:]*data is not what it was/)
    await rm(data, { recursive: true })
    await rename(`${data}.away`, data)
    await channel.put(numbered(1, 1))
    assert.equal(channel.problem, undefined)
    assert.deepEqual(await channel.take(9, all), ['1'])
    await channel.stop()
  })

  it('delivers everything but the record that is damaged, says which, and keeps the file', async (t) => {
    const folder = await tempDir(t)
    const first = await open({ disk: realDisk, folder })
    for (let i = 0; i < 5; i++) await first.channel.put(numbered(i * 10, 2))
    await first.channel.stop()
    const data = join(folder, 'data')
    const [name] = (await readdir(data)).filter((each) => each.endsWith('.flog')) as [string]
    const bytes = await readFile(join(data, name))
    const at = bytes.indexOf('2021')
    bytes[at] = 0x33
    await writeFile(join(data, name), bytes)
    const { channel, log, counters } = await open({ disk: realDisk, folder })
    assert.equal(channel.size, 10)
    assert.deepEqual(await channel.take(20, all), ['0', '1', '10', '11', '30', '31', '40', '41'])
    assert.equal(channel.size, 0)
    assert.match(log.lines.join('\n'), /error: .*\.flog is damaged: \d+ bytes at \d+ are no record \(events 4 to 5\)/)
    assert.match(log.lines.join('\n'), /error: 2 events of the log cannot be read any more/)
    assert.equal(counters.more['EventTakeErrorCount'], 2)
    await channel.put(bodies('new'))
    await channel.take(5, all)
    await channel.stop()
    assert.ok(existsSync(join(data, `${name}.damaged`)))
  })

  it('rolls at maxFileSize and removes a file when all its events are delivered (F-05)', async (t) => {
    const folder = await tempDir(t)
    const { channel } = await open({ disk: realDisk, folder, options: { maxFileSize: '65536' } })
    const data = join(folder, 'data')
    const logs = async () => (await readdir(data)).filter((name) => name.endsWith('.flog')).length
    for (let i = 0; i < 10; i++) await channel.put(bodies('x'.repeat(30_000)))
    assert.equal(await logs(), 5)
    for (let i = 0; i < 10; i++) await channel.take(1, async () => undefined)
    await channel.stop()
    assert.equal(await logs(), 1)
  })

  it('counts under the names of /metrics, in step with its size', async () => {
    const { channel, counters } = await open(simulated())
    await channel.put(numbered(0, 4))
    await channel.take(3, all)
    assert.deepEqual(
      [counters.eventPutAttempt, counters.eventPutSuccess, counters.eventTakeAttempt, counters.eventTakeSuccess],
      [4, 4, 1, 3],
    )
    assert.equal(counters.eventPutSuccess - counters.eventTakeSuccess, channel.size)
  })

  it('says what an option does not do', () => {
    const problems = (values: Record<string, string>) =>
      file.check?.(readOptions(file, values)).map(({ option, code, severity }) => [option, code, severity])
    assert.deepEqual(problems({}), [])
    assert.deepEqual(problems({ 'encryption.': 'k' }), [['encryption.', 'not-yet', undefined]])
    assert.deepEqual(problems({ capacity: '5', transactionCapacity: '6' }), [
      ['transactionCapacity', 'transaction-capacity', undefined],
    ])
    assert.deepEqual(problems({ useDualCheckpoints: 'true', 'use-fast-replay': 'false', dataDirs: ' , ' }), [
      ['useDualCheckpoints', 'no-effect', 'note'],
      ['dataDirs', 'missing', undefined],
    ])
    assert.equal(file.capabilities.durable, true)
  })
})
