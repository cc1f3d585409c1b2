import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { Sink } from '../../../../src/agent/contract.ts'
import { hdfs } from '../../../../src/agent/sink/hdfs/index.ts'
import { EventBatch } from '../../../../src/core/event-batch.ts'
import { SinkCounters } from '../../../../src/monitor/counters.ts'
import type { Logger } from '../../../../src/monitor/logger.ts'
import { ManualClock } from '../../../../src/testing/manual-clock.ts'
import { bodies, numbered } from '../../../support/batches.ts'
import { FakeWebHdfs } from '../../../support/fake-web-hdfs.ts'
import { hdfsOptions, hdfsSink } from '../../../support/hdfs-sink.ts'
import { until } from '../../../support/until.ts'

const startMs = 1_700_000_000_000
const delegationToken = readFileSync(
  new URL('../../../../../test/fixture/hdfs-tokens/token.url', import.meta.url),
  'utf8',
)
const never = { 'hdfs.rollInterval': '0', 'hdfs.rollSize': '0', 'hdfs.rollCount': '0', 'hdfs.fileType': 'DataStream' }

describe('the HDFS sink on a mounted folder', () => {
  let folder: string
  let clock: ManualClock
  let counters: SinkCounters
  let sink: Sink | undefined
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flume-ts-'))
    clock = new ManualClock(startMs)
    counters = new SinkCounters()
  })
  afterEach(async () => {
    await sink?.stop?.()
    sink = undefined
    await rm(folder, { recursive: true })
  })

  const open = async (texts: Record<string, string>): Promise<Sink> => {
    sink = await hdfsSink(
      { 'hdfs.path': 'hdfs://namenode:8020/flume/test', ...texts },
      { clock, counters, mounts: new Map([['hdfs://namenode:8020', folder]]) },
    )
    await sink.start?.()
    return sink
  }
  const names = async (): Promise<string[]> => listFiles(folder)
  const file = (name: string): Promise<string> => readFile(join(folder, 'flume/test', name), 'utf8')

  it('writes SequenceFiles that roll at 10 events when only a path is given', async () => {
    const sink = await open({})
    await sink.write(numbered(0, 12))
    await sink.stop?.()
    assert.deepEqual(await names(), [`flume/test/FlumeData.${startMs + 1}`, `flume/test/FlumeData.${startMs + 2}`])
    const first = await readFile(join(folder, `flume/test/FlumeData.${startMs + 1}`))
    assert.equal(first.subarray(0, 4).toString('latin1'), 'SEQ\x06')
    assert.equal(first.length, 4 + 34 + 35 + 6 + 16 + 10 * (16 + 4 + 1) + 20)
  })

  it('puts exactly rollCount events into a file, counts names up, and renames at stop (H-02, H-04, H-06, H-08, H-24)', async () => {
    const sink = await open({ ...never, 'hdfs.rollCount': '10' })
    await sink.write(numbered(0, 25))
    assert.deepEqual(await names(), [
      `flume/test/FlumeData.${startMs + 1}`,
      `flume/test/FlumeData.${startMs + 2}`,
      `flume/test/FlumeData.${startMs + 3}.tmp`,
    ])
    assert.equal(await file(`FlumeData.${startMs + 2}`), lines(10, 10))
    await sink.write(numbered(25, 6))
    await sink.stop?.()
    assert.equal(await file(`FlumeData.${startMs + 3}`), lines(20, 10))
    assert.equal(await file(`FlumeData.${startMs + 4}`), lines(30, 1))
  })

  it('keeps a full file under its in-use name until the next event (H-04)', async () => {
    const sink = await open({ ...never, 'hdfs.rollCount': '2' })
    await sink.write(numbered(0, 2))
    assert.deepEqual(await names(), [`flume/test/FlumeData.${startMs + 1}.tmp`])
    await sink.write(numbered(2, 1))
    assert.deepEqual(await names(), [`flume/test/FlumeData.${startMs + 1}`, `flume/test/FlumeData.${startMs + 2}.tmp`])
  })

  it('lets the last event of a file exceed rollSize, which counts bodies (H-04)', async () => {
    const sink = await open({ ...never, 'hdfs.rollSize': '10' })
    await sink.write(bodies('12345', '1234', '123456789012', 'x', '123456789', 'y'))
    await sink.stop?.()
    assert.equal(await file(`FlumeData.${startMs + 1}`), '12345\n1234\n123456789012\n')
    assert.equal(await file(`FlumeData.${startMs + 2}`), 'x\n123456789\n')
    assert.equal(await file(`FlumeData.${startMs + 3}`), 'y\n')
  })

  it('closes a file when rollInterval has passed since it was opened; the next name starts from the clock (H-04)', async () => {
    const sink = await open({ ...never, 'hdfs.rollInterval': '30' })
    await sink.write(bodies('a'))
    await clock.advance(20_000)
    await sink.write(bodies('b'))
    await clock.advance(9999)
    assert.deepEqual(await names(), [`flume/test/FlumeData.${startMs + 1}.tmp`])
    await clock.advance(1)
    await until(async () => (await names())[0] === `flume/test/FlumeData.${startMs + 1}`)
    assert.equal(await file(`FlumeData.${startMs + 1}`), 'a\nb\n')
    await sink.write(bodies('c'))
    assert.deepEqual((await names())[1], `flume/test/FlumeData.${startMs + 30_001}.tmp`)
  })

  it('closes a file that got nothing for idleTimeout, counted from the last batch (H-10)', async () => {
    const sink = await open({ ...never, 'hdfs.idleTimeout': '5' })
    await sink.write(bodies('a'))
    await clock.advance(4000)
    await sink.write(bodies('b'))
    await clock.advance(4999)
    assert.deepEqual(await names(), [`flume/test/FlumeData.${startMs + 1}.tmp`])
    await clock.advance(1)
    await until(async () => (await names())[0] === `flume/test/FlumeData.${startMs + 1}`)
    assert.equal(clock.timerCount, 0)
  })

  it('closes the file that was not written for the longest time when there are too many (H-09)', async () => {
    const sink = await open({ ...never, 'hdfs.path': 'hdfs://namenode:8020/%{to}', 'hdfs.maxOpenFiles': '2' })
    const to = (...places: string[]): EventBatch => EventBatch.of(places.map((to) => ({ body: to, headers: { to } })))
    await sink.write(to('a', 'b', 'a'))
    await sink.write(to('a'))
    await sink.write(to('c'))
    assert.deepEqual(await names(), [
      `a/FlumeData.${startMs + 1}.tmp`,
      `b/FlumeData.${startMs + 1}`,
      `c/FlumeData.${startMs + 1}.tmp`,
    ])
    await clock.advance(1000)
    await sink.write(to('b'))
    assert.ok((await names()).includes(`b/FlumeData.${startMs + 1001}.tmp`))
    assert.equal(await readFile(join(folder, `a/FlumeData.${startMs + 1}`), 'utf8'), 'a\na\na\n')
  })

  it('names files by prefix, suffix, and both in-use parts (H-02, H-03)', async () => {
    const sink = await open({
      ...never,
      'hdfs.filePrefix': 'log-%{host}',
      'hdfs.fileSuffix': 'txt',
      'hdfs.inUsePrefix': '_',
      'hdfs.inUseSuffix': '.part',
    })
    await sink.write(EventBatch.of([{ body: 'x', headers: { host: 'web1' } }]))
    assert.deepEqual(await names(), [`flume/test/_log-web1.${startMs + 1}txt.part`])
    await sink.stop?.()
    assert.deepEqual(await names(), [`flume/test/log-web1.${startMs + 1}txt`])
  })

  it('puts inUsePrefix before the name of the file where the file prefix names a directory (H-02, H-16)', async () => {
    const sink = await open({ ...never, 'hdfs.filePrefix': 'log-%{app}', 'hdfs.inUsePrefix': '_' })
    await sink.write(EventBatch.of([{ body: 'x', headers: { app: 'web/shop' } }]))
    assert.deepEqual(await names(), [`flume/test/log-web/_shop.${startMs + 1}.tmp`])
    await sink.stop?.()
    assert.deepEqual(await names(), [`flume/test/log-web/shop.${startMs + 1}`])
  })

  it('writes under the final name when there is nothing to tell it apart (emptyInUseSuffix)', async () => {
    const sink = await open({ ...never, 'hdfs.emptyInUseSuffix': 'true', 'hdfs.inUseSuffix': '.ignored' })
    await sink.write(bodies('x'))
    assert.deepEqual(await names(), [`flume/test/FlumeData.${startMs + 1}`])
    await sink.stop?.()
    assert.equal(await file(`FlumeData.${startMs + 1}`), 'x\n')
  })

  it('never writes over or renames onto a file that was there before (H-25 is stricter here)', async () => {
    const taken = [`FlumeData.${startMs + 1}.tmp`, `FlumeData.${startMs + 2}`]
    for (const name of taken) {
      await mkdir(join(folder, 'flume/test'), { recursive: true })
      await writeFile(join(folder, 'flume/test', name), 'not ours')
    }
    const sink = await open(never)
    await sink.write(bodies('x'))
    await sink.stop?.()
    for (const name of taken) assert.equal(await file(name), 'not ours')
    assert.deepEqual(
      await names(),
      [...taken, `FlumeData.${startMs + 3}`].map((name) => `flume/test/${name}`),
    )
    assert.equal(await file(`FlumeData.${startMs + 3}`), 'x\n')
  })

  it('writes headers too with that serializer', async () => {
    const sink = await open({ ...never, serializer: 'header_and_text' })
    await sink.write(EventBatch.of([{ body: 'x', headers: { k: 'v' } }]))
    await sink.stop?.()
    assert.equal(await file(`FlumeData.${startMs + 1}`), '{k=v} x\n')
  })

  it('knows this machine’s name (H-17)', async () => {
    const sink = await open({ ...never, 'hdfs.filePrefix': '%[localhost]' })
    await sink.write(bodies('x'))
    await sink.stop?.()
    assert.deepEqual(await names(), [`flume/test/${hostname()}.${startMs + 1}`])
  })

  it('rejects a batch without timestamps before it writes any of it (H-15)', async () => {
    const sink = await open({ ...never, 'hdfs.path': 'hdfs://namenode:8020/%Y' })
    const batch = EventBatch.of([{ body: 'a', headers: { timestamp: String(startMs) } }, { body: 'b' }])
    await assert.rejects(sink.write(batch), { code: 'INVALID_DATA', retry: false })
    assert.deepEqual(await names(), [])
  })

  it('takes the SequenceFile’s key from the timestamp header, and rejects one that is no number (H-23)', async () => {
    const sink = await open({ 'hdfs.writeFormat': 'Text' })
    const mixed = ['x', '1', undefined, 'y'].map((timestamp) => ({
      body: 'a',
      ...(timestamp && { headers: { timestamp } }),
    }))
    await assert.rejects(sink.write(EventBatch.of(mixed)), { code: 'INVALID_DATA', events: [0, 3] })
    await sink.write(EventBatch.of([{ body: 'a', headers: { timestamp: '7' } }, { body: 'b' }]))
    await sink.stop?.()
    const [name] = (await names()).slice(-1)
    const bytes = await readFile(join(folder, name as string))
    assert.equal(bytes.readBigInt64BE(bytes.length - 20 - 18 - 18 + 8), 7n)
    assert.equal(bytes.readBigInt64BE(bytes.length - 20 - 18 + 8), BigInt(startMs))
  })

  it('counts files opened and closed', async () => {
    const sink = await open({ ...never, 'hdfs.rollCount': '1' })
    await sink.write(numbered(0, 3))
    assert.equal(counters.connectionCreated, 3)
    assert.equal(counters.connectionClosed, 2)
    await sink.stop?.()
    assert.equal(counters.connectionClosed, 3)
  })
})

describe('the HDFS sink on WebHDFS', () => {
  let fake: FakeWebHdfs
  let clock: ManualClock
  let logged: string[]
  let sink: Sink
  before(async () => {
    fake = await FakeWebHdfs.start()
  })
  beforeEach(() => {
    clock = new ManualClock(startMs)
    logged = []
  })
  after(() => fake.stop())

  let run = 0
  const log: Logger = {
    debug: () => undefined,
    info: (message) => void logged.push(message),
    warn: (message) => void logged.push(message),
    error: (message) => void logged.push(message),
    child: () => log,
  }
  const open = async (texts: Record<string, string> = {}): Promise<string> => {
    const root = `/run${++run}`
    const options = { ...never, 'hdfs.path': `hdfs://nn:8020${root}`, 'hdfs.webhdfs.url': fake.url, ...texts }
    sink = await hdfsSink(options, { clock, log })
    return root
  }
  const found = (root: string): string[] => fake.paths.filter((path) => path.startsWith(`${root}/`))

  it('confirms a batch only when every file it touched was confirmed, and cuts what the failed one left (H-11, H-12)', async () => {
    const root = await open({ 'hdfs.path': `hdfs://nn:8020/run${run + 1}/%{to}` })
    const batch = EventBatch.of(['a', 'b', 'c'].map((to) => ({ body: `for ${to}`, headers: { to } })))
    await sink.write(batch)
    fake.fail('APPEND', 'data', { kind: 'torn', bytes: 3 })
    await assert.rejects(sink.write(batch), { code: 'CONNECTION', retry: true })
    await sink.write(batch)
    await sink.stop?.()
    const contents = found(root).map((path) => fake.contentOf(path))
    assert.equal(contents.length, 4)
    // Two places have the batch twice: delivered at least once. None has a part of an event.
    assert.equal(contents.join('').length, 'for x\n'.length * 8)
    for (const content of contents) assert.match(content as string, /^(for (.)\n)(\1)*$/)
    assert.ok(found(root).every((path) => !path.endsWith('.tmp')))
  })

  it('puts the batches that wait for an append into one, and answers each', async () => {
    const root = await open()
    await sink.write(bodies('one'))
    const before = fake.calls.length
    await Promise.all([sink.write(bodies('two')), sink.write(bodies('three')), sink.write(bodies('four', 'five'))])
    const appends = fake.calls.slice(before).filter((call) => /APPEND .* data$/.test(call))
    assert.equal(appends.length, 1)
    await sink.stop?.()
    assert.equal(fake.contentOf(`${root}/FlumeData.${startMs + 1}`), 'one\ntwo\nthree\nfour\nfive\n')
  })

  it('rejects what waits behind a failed append, so that nothing overtakes it', async () => {
    const root = await open()
    await sink.write(bodies('one'))
    fake.fail('APPEND', 'data', { kind: 'torn', bytes: 2 })
    const writes = ['two', 'three', 'four'].map((text) => sink.write(bodies(text)))
    const results = await Promise.allSettled(writes)
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected', 'rejected'],
    )
    await sink.write(bodies('two', 'three', 'four'))
    await sink.stop?.()
    const contents = found(root).map((path) => fake.contentOf(path))
    assert.equal(contents.join(''), 'one\ntwo\nthree\nfour\n')
  })

  it('goes on with a new file at once while a dead writer’s lease holds the old one', async () => {
    const root = await open()
    await sink.write(bodies('one'))
    fake.fail('APPEND', 'data', { kind: 'crash', bytes: 2 })
    await assert.rejects(sink.write(bodies('two')))
    await sink.write(bodies('two'))
    assert.deepEqual(found(root), [`${root}/FlumeData.${startMs + 1}.tmp`, `${root}/FlumeData.${startMs + 2}.tmp`])
    fake.recover(`${root}/FlumeData.${startMs + 1}.tmp`)
    assert.equal(fake.contentOf(`${root}/FlumeData.${startMs + 1}.tmp`), 'one\ntw')
    await until(async () => clock.timerCount > 0)
    await clock.advance(5000)
    await until(async () => found(root).includes(`${root}/FlumeData.${startMs + 1}`))
    assert.equal(fake.contentOf(`${root}/FlumeData.${startMs + 1}`), 'one\n')
    await sink.stop?.()
  })

  it('rejects with one error that names the address and helps, keeps its file, and goes on when HDFS is back', async () => {
    const root = await open()
    await sink.write(bodies('one'))
    fake.down()
    for (let i = 0; i < 3; i++) {
      await assert.rejects(sink.write(bodies('two')), {
        code: 'CONNECTION',
        retry: true,
        message: /127\.0\.0\.1:/,
        hint: /--mount/,
      })
    }
    await assert.rejects(async () => sink.start?.(), { code: 'CONNECTION', retry: true })
    fake.up()
    await sink.start?.()
    await sink.write(bodies('two'))
    await sink.stop?.()
    const contents = found(root).map((path) => fake.contentOf(path))
    assert.equal(contents.join(''), 'one\ntwo\n')
    assert.ok(found(root).every((path) => !path.endsWith('.tmp')))
  })

  it('uses no names up while nothing can be created', async () => {
    const root = await open({ 'hdfs.rollCount': '1' })
    fake.down()
    for (let i = 0; i < 5; i++) await assert.rejects(sink.write(numbered(0, 3)), { code: 'CONNECTION' })
    fake.up()
    await sink.write(numbered(0, 3))
    await sink.stop?.()
    assert.deepEqual(
      found(root),
      [1, 2, 3].map((n) => `${root}/FlumeData.${startMs + n}`),
    )
  })

  it('begins a new file when someone has removed the open one, and says what is lost', async () => {
    const root = await open()
    await sink.write(bodies('one'))
    fake.remove(`${root}/FlumeData.${startMs + 1}.tmp`)
    await assert.rejects(sink.write(bodies('two')), { retry: true })
    assert.match(logged.join(), /removed by someone else, and 4 confirmed bytes with it/)
    await sink.write(bodies('two'))
    await sink.stop?.()
    assert.deepEqual(found(root), [`${root}/FlumeData.${startMs + 2}`])
    assert.equal(fake.contentOf(`${root}/FlumeData.${startMs + 2}`), 'two\n')
  })

  it('closes the file of a refused append and begins a new one (H-12)', async () => {
    const root = await open()
    await sink.write(bodies('one'))
    fake.fail('APPEND', 'name', { kind: 'status', status: 403, exception: 'QuotaExceededException' })
    await assert.rejects(sink.write(bodies('two')), { message: /QuotaExceededException/ })
    assert.deepEqual(found(root), [`${root}/FlumeData.${startMs + 1}`])
    await sink.write(bodies('two'))
    await sink.stop?.()
    assert.equal(fake.contentOf(`${root}/FlumeData.${startMs + 2}`), 'two\n')
  })

  it('gives up a call after callTimeout (H-13)', async () => {
    const root = await open({ 'hdfs.callTimeout': '700' })
    fake.fail('CREATE', 'data', { kind: 'hang' })
    const hung = new Promise<void>((resolve) => {
      fake.onHang = resolve
    })
    const rejected = assert.rejects(sink.write(bodies('one')), { code: 'TIMEOUT', retry: true })
    await hung
    await clock.advance(700)
    await rejected
    await sink.write(bodies('one'))
    await sink.stop?.()
    assert.deepEqual(
      found(root).map((path) => fake.contentOf(path)),
      ['one\n'],
    )
  })

  it('tries a failed rename again every retryInterval, saying so once (H-07)', async () => {
    const root = await open({ 'hdfs.rollInterval': '10', 'hdfs.retryInterval': '60' })
    for (let i = 0; i < 3; i++) fake.fail('RENAME', 'name', { kind: 'status', status: 500 })
    await sink.write(bodies('one'))
    await clock.advance(10_000)
    await until(async () => logged.length === 1)
    assert.match(logged[0] as string, /could not be closed.*every 60 s/)
    for (let tries = 2; tries <= 3; tries++) {
      await clock.advance(59_999)
      assert.deepEqual(found(root), [`${root}/FlumeData.${startMs + 1}.tmp`])
      await clock.advance(1)
      await until(() => clock.dueMs === clock.now() + 60_000)
    }
    await clock.advance(60_000)
    await until(async () => found(root)[0] === `${root}/FlumeData.${startMs + 1}`)
    await sink.stop?.()
    assert.equal(logged.filter((line) => line.includes('could not')).length, 1)
  })

  it('stops trying after closeTries, and says what is where (H-07)', async () => {
    const root = await open({ 'hdfs.rollInterval': '10', 'hdfs.retryInterval': '60', 'hdfs.closeTries': '2' })
    for (let i = 0; i < 2; i++) fake.fail('RENAME', 'name', { kind: 'false' })
    await sink.write(bodies('one'))
    await clock.advance(10_000)
    await until(async () => logged.length === 1)
    await clock.advance(60_000)
    await until(async () => logged.length === 2)
    assert.match(logged[1] as string, /keeps this name, and 4 bytes of it are valid/)
    assert.equal(clock.timerCount, 0)
    assert.deepEqual(found(root), [`${root}/FlumeData.${startMs + 1}.tmp`])
    await sink.stop?.()
  })

  it('takes a rename whose answer was lost for done', async () => {
    const root = await open({ 'hdfs.rollInterval': '10', 'hdfs.retryInterval': '60' })
    fake.fail('RENAME', 'name', { kind: 'lost' })
    await sink.write(bodies('one'))
    await clock.advance(10_000)
    await until(async () => logged.length === 1)
    await clock.advance(60_000)
    await until(async () => logged.length === 2)
    assert.match(logged[1] as string, /is closed, at try 2/)
    assert.deepEqual(found(root), [`${root}/FlumeData.${startMs + 1}`])
    await sink.stop?.()
  })

  it('does not wait for another try at stop, and says what is where (H-08)', async () => {
    const root = await open()
    await sink.write(bodies('one'))
    fake.fail('RENAME', 'name', { kind: 'status', status: 500 })
    fake.fail('RENAME', 'name', { kind: 'status', status: 500 })
    await sink.stop?.()
    assert.deepEqual(found(root), [`${root}/FlumeData.${startMs + 1}.tmp`])
    assert.match(logged.at(-1) as string, /keeps this name/)
  })

  it('stops soon when HDFS is away, saying which files keep their in-use names (H-08)', async () => {
    const root = await open({ 'hdfs.path': `hdfs://nn:8020/run${run + 1}/%{to}`, 'hdfs.threadsPoolSize': '1' })
    await sink.write(EventBatch.of(Array.from({ length: 20 }, (_, i) => ({ body: 'x', headers: { to: String(i) } }))))
    fake.calls.length = 0
    fake.down()
    await sink.stop?.()
    fake.up()
    assert.equal(found(root).filter((path) => path.endsWith('.tmp')).length, 20)
    assert.equal(logged.length, 2)
    assert.match(logged[0] as string, /keeps this name, and 2 bytes of it are valid/)
    assert.match(logged[1] as string, /19 more files keep their in-use names/)
  })

  it('touches no file for a batch with a key that is no number (H-23)', async () => {
    const root = await open({ 'hdfs.path': `hdfs://nn:8020/run${run + 1}/%{to}`, 'hdfs.fileType': 'SequenceFile' })
    const event = (to: string, timestamp: string) => ({ body: 'x', headers: { to, timestamp } })
    const bad = EventBatch.of([event('a', '1'), event('b', '1.5')])
    await assert.rejects(sink.write(bad), { code: 'INVALID_DATA', message: /event 2 of the batch has "1.5"/ })
    assert.deepEqual(found(root), [])
    await sink.stop?.()
  })

  it('writes no more files at a time than threadsPoolSize', async () => {
    await open({ 'hdfs.path': `hdfs://nn:8020/run${run + 1}/%{to}`, 'hdfs.threadsPoolSize': '3' })
    let running = 0
    let most = 0
    fake.chance = (op, where) => {
      if (op === 'CREATE' && where === 'name') most = Math.max(most, ++running)
      if (op === 'CREATE' && where === 'data') running--
      return undefined
    }
    await sink.write(EventBatch.of(Array.from({ length: 20 }, (_, i) => ({ body: 'x', headers: { to: String(i) } }))))
    fake.chance = undefined
    assert.ok(most >= 1 && most <= 3, `${most}`)
    await sink.stop?.()
  })
})

describe('the HDFS sink’s options', () => {
  const check = (texts: Record<string, string>) =>
    (hdfs.check?.(hdfsOptions({ 'hdfs.path': '/x', ...texts }) as never) ?? []).map(
      ({ option, severity }) => `${severity} ${option}`,
    )
  const cases: [texts: Record<string, string>, findings: string[]][] = [
    [{}, []],
    [{ 'hdfs.fileType': 'CompressedStream', 'hdfs.codeC': 'gzip' }, []],
    [{ 'hdfs.codeC': 'BZip2Codec' }, []],
    [{ 'hdfs.fileType': 'CompressedStream' }, ['error hdfs.codeC']],
    [{ 'hdfs.fileType': 'CompressedStream', 'hdfs.codeC': 'none' }, ['error hdfs.codeC']],
    [{ 'hdfs.fileType': 'DataStream', 'hdfs.codeC': 'gzip' }, ['error hdfs.codeC']],
    [{ 'hdfs.codeC': 'lzop' }, ['error hdfs.codeC']],
    [{ 'hdfs.codeC': 'rar' }, ['error hdfs.codeC']],
    [{ 'hdfs.codeC': 'None' }, []],
    [
      { 'hdfs.kerberosPrincipal': 'x', 'hdfs.kerberosKeytab': 'y' },
      ['error hdfs.kerberosPrincipal', 'error hdfs.kerberosKeytab'],
    ],
    [{ 'hdfs.client': 'webhdfs', 'hdfs.kerberosPrincipal': 'x', 'hdfs.kerberosKeytab': 'y' }, []],
    [{ 'hdfs.path': 'webhdfs://nn/x', 'hdfs.kerberosPrincipal': 'x' }, []],
    [{ 'hdfs.path': 'swebhdfs://nn/x', 'hdfs.kerberosKeytab': 'y' }, ['error hdfs.kerberosKeytab']],
    [{ 'hdfs.path': 'file:///x', 'hdfs.kerberosPrincipal': 'x' }, ['warning hdfs.kerberosPrincipal']],
    [{ 'hdfs.delegationTokenFile': '/x' }, ['error hdfs.delegationTokenFile']],
    [{ 'hdfs.path': 'webhdfs://nn/x', 'hdfs.delegationTokenFile': '/x' }, []],
    [{ 'hdfs.path': 'webhdfs://nn/x', 'hdfs.delegationToken': 'no token' }, ['error hdfs.delegationToken']],
    [{ 'hdfs.path': 'webhdfs://nn/x', 'hdfs.delegationToken': delegationToken }, []],
    [
      { 'hdfs.path': 'webhdfs://nn/x', 'hdfs.delegationToken': delegationToken, 'hdfs.delegationTokenFile': '/x' },
      ['warning hdfs.delegationTokenFile'],
    ],
    [{ 'hdfs.path': 's3a://bucket/x' }, ['error hdfs.path']],
    [{ 'hdfs.path': 'hdfs://%{host}/x' }, ['error hdfs.path']],
    [{ 'hdfs.path': '/a/../b' }, ['error hdfs.path']],
    [{ 'hdfs.path': 'hdfs://nn:8020/%c' }, ['warning hdfs.path']],
    [{ 'hdfs.path': 'hdfs://nn:8020/x', 'hdfs.filePrefix': '%H:%M' }, ['warning hdfs.filePrefix']],
    [{ 'hdfs.path': 'file:///x/%c' }, []],
    [{ 'hdfs.path': '/%[nowhere]' }, ['error hdfs.path']],
    [{ 'hdfs.inUsePrefix': 'a/b' }, ['error hdfs.inUsePrefix']],
    [{ 'hdfs.round': 'true', 'hdfs.roundUnit': 'day' }, ['warning hdfs.roundUnit']],
    [{ 'hdfs.round': 'true', 'hdfs.roundUnit': 'hour', 'hdfs.roundValue': '25' }, ['error hdfs.roundValue']],
    [{ 'hdfs.round': 'true', 'hdfs.roundValue': '0' }, ['error hdfs.roundValue']],
    [{ 'hdfs.roundValue': '100' }, []],
    [{ 'hdfs.timeZone': 'Moon/Sea' }, ['warning hdfs.timeZone']],
    [{ serializer: 'header_and_text' }, ['warning serializer']],
    [{ 'hdfs.minBlockReplicas': '1', 'hdfs.sync': 'true' }, []],
    [{ 'hdfs.path': 'hdfs://nn/x', 'hdfs.client': 'webhdfs' }, []],
    [{ 'hdfs.path': 'hdfs://nn/x', 'hdfs.client': 'webhdfs', 'hdfs.sync': 'true' }, ['warning hdfs.sync']],
    [{ 'hdfs.path': 'webhdfs://nn/x', 'hdfs.minBlockReplicas': '1' }, ['warning hdfs.minBlockReplicas']],
    [
      { 'hdfs.path': 'hdfs://nn/x', 'hdfs.client': 'native', 'hdfs.webhdfs.url': 'nn:9870' },
      ['warning hdfs.webhdfs.url'],
    ],
  ]
  for (const [texts, findings] of cases) {
    it(`say ${findings.join(' and ') || 'nothing'} about ${JSON.stringify(texts)}`, () => {
      assert.deepEqual(check(texts), findings)
    })
  }
})

function lines(from: number, count: number): string {
  return Array.from({ length: count }, (_, i) => `${from + i}\n`).join('')
}

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .flatMap((entry) => (entry.isFile() ? [join(entry.parentPath ?? dirname(entry.path), entry.name)] : []))
    .map((path) => path.slice(folder.length + 1))
    .sort()
}
