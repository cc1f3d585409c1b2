import assert from 'node:assert/strict'
import { appendFile, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { main } from '../../src/cli/flume-ts.ts'
import { systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { systemRandom } from '../../src/core/random.ts'
import { EventLog } from '../../src/storage/event-log.ts'
import { realDisk } from '../../src/storage/real-disk.ts'
import { bodies } from '../support/batches.ts'
import { tempDir } from '../support/temp-dir.ts'

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await main(argv, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: {},
  })
  return { code, out, err }
}

function openLog(folder: string): Promise<EventLog> {
  const nothing = () => undefined
  return EventLog.open({
    disk: realDisk,
    clock: systemClock,
    random: systemRandom,
    report: { info: nothing, warn: nothing, error: nothing },
    directories: [join(folder, 'data')],
    checkpointDirectory: join(folder, 'checkpoint'),
    segmentBytesMax: 1024 * 1024,
    freeBytesMin: 0,
    syncEach: true,
    memoryBytesMax: 0,
    onDamage: nothing,
    onLost: nothing,
    onArrival: nothing,
  })
}

/** A stopped channel that holds `b` to `e`, the last with a header and bytes that are no text; `a` was delivered. */
async function channelIn(test: TestContext): Promise<string> {
  const folder = await tempDir(test)
  const log = await openLog(folder)
  const nothing = () => undefined
  await log.put(bodies('a', 'b'), nothing)
  await log.remove(await log.lend(1), nothing)
  await log.put(bodies('cccc'), nothing)
  await log.put(bodies('d'), nothing)
  await log.put(EventBatch.of([{ headers: { host: 'h' }, body: Uint8Array.of(0xff, 0xfe) }]), nothing)
  await log.close({ saveIndex: true })
  return folder
}

async function segmentOf(folder: string): Promise<string> {
  const [name] = (await readdir(join(folder, 'data'))).filter((each) => each.endsWith('.flog'))
  return join(folder, 'data', name as string)
}

async function contentsOf(folder: string): Promise<Map<string, string>> {
  const contents = new Map<string, string>()
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name)
    if ((await stat(path)).isFile()) contents.set(name, (await readFile(path)).toString('base64'))
  }
  return contents
}

describe('flume-ts channel', () => {
  it('looks into a stopped channel without changing it', async (t) => {
    const folder = await channelIn(t)
    const before = await contentsOf(folder)
    const inspected = await run('channel', 'inspect', join(folder, 'data'))
    assert.match(inspected.out, /^4 events held; the oldest has number 1, the next will have number 5\n.*: 1 file\n/)
    assert.deepEqual(await run('channel', 'peek', '-n', '2', join(folder, 'checkpoint')), {
      code: 0,
      out: '{"headers":{},"body":"b"}\n{"headers":{},"body":"cccc"}\n',
      err: '',
    })
    const verified = await run('channel', 'verify', join(folder, 'data'))
    assert.deepEqual(verified, { code: 0, out: '1 file read, 4 events held, 0 damaged records\n', err: '' })
    assert.equal(
      (await run('channel', 'export', '--format', 'text', join(folder, 'data'))).out.slice(0, 9),
      'b\ncccc\nd\n',
    )
    assert.deepEqual(await contentsOf(folder), before)
  })

  it('puts back what it exported, byte for byte', async (t) => {
    const [from, to] = [await channelIn(t), await channelIn(t)]
    const { out } = await run('channel', 'export', join(from, 'data'))
    await writeFile(join(from, 'export.json'), out)
    const replayed = await run('channel', 'replay', '-i', join(from, 'export.json'), join(to, 'data'))
    assert.match(replayed.out, /^4 events were put into the channel; it holds 8 now/)
    assert.equal((await run('channel', 'export', join(to, 'data'))).out, out + out)
    const log = await openLog(to)
    assert.equal(log.size, 8)
    await log.close({ saveIndex: true })
  })

  it('says which line of a replay is no event', async (t) => {
    const folder = await channelIn(t)
    await writeFile(join(folder, 'lines'), '{"body":"x"}\n{"body":5}\n')
    const { code, err } = await run('channel', 'replay', '-i', join(folder, 'lines'), join(folder, 'data'))
    assert.equal(code, 1)
    assert.match(err, /line 2 is no exported event; 0 events were put before it/)
  })

  for (const [name, repair] of [
    ['channel repair', (folder: string) => run('channel', 'repair', join(folder, 'data'))],
    ["Flume's fcintegritytool (L-12)", (folder: string) => run('tool', 'fcintegritytool', '-l', join(folder, 'data'))],
  ] as const) {
    it(`finds a broken byte, and sets only its record aside: ${name}`, async (t) => {
      const folder = await channelIn(t)
      const segment = await segmentOf(folder)
      const bytes = await readFile(segment)
      const at = bytes.indexOf('cccc')
      bytes[at] = 0x78
      await writeFile(segment, bytes)
      const verified = await run('channel', 'verify', join(folder, 'data'))
      assert.equal(verified.code, 1)
      assert.match(verified.out, /\.flog: 48 bytes at \d+ are damaged \(event 2\)\n.* 3 events held, 1 damaged record/)
      const repaired = await repair(folder)
      assert.equal(repaired.code, 0)
      assert.match(repaired.out, /kept as .*\.damaged\n1 damaged record set aside; the rest is whole/)
      const [kept] = (await readdir(join(folder, 'data'))).filter((each) => each.endsWith('.damaged')) as [string]
      assert.ok((await readFile(join(folder, 'data', kept))).includes('xccc'))
      assert.equal((await run('channel', 'verify', join(folder, 'data'))).code, 0)
      assert.match((await run('channel', 'repair', join(folder, 'data'))).out, /^nothing is damaged/)
      const { out } = await run('channel', 'export', '--format', 'text', join(folder, 'data'))
      assert.equal(out.slice(0, 4), 'b\nd\n')
    })
  }

  it('keeps away from a channel that an agent has open', async (t) => {
    const folder = await channelIn(t)
    const log = await openLog(folder)
    for (const what of ['inspect', 'repair', 'replay']) {
      const { code, err } = await run('channel', what, join(folder, 'data'))
      assert.equal(code, 1)
      assert.match(err, /in use: another process holds .*\(stop the agent that has it, or look at a copy\)/)
    }
    await log.close({ saveIndex: false })
  })

  it('tells what a crash cut off from room that was made ahead, and from nothing at all', async (t) => {
    const folder = await channelIn(t)
    const segment = await segmentOf(folder)
    await appendFile(segment, Buffer.alloc(5000))
    for (const what of ['verify', 'repair']) {
      const { code, out } = await run('channel', what, join(folder, 'data'))
      assert.equal(code, 0)
      assert.doesNotMatch(out, /no whole record|unfinished/)
    }
    await appendFile(segment, 'FTr1 and no more')
    const { code, out } = await run('channel', 'verify', join(folder, 'data'))
    assert.equal(code, 0)
    assert.match(out, /4 events held, 0 damaged records\n1 file with an unfinished end: after a crash, that is what/)
    assert.match((await run('channel', 'repair', join(folder, 'data'))).out, /left as it is\nnothing is damaged/)
  })

  it('says that nothing is held', async (t) => {
    const folder = await channelIn(t)
    const log = await openLog(folder)
    await log.remove(await log.lend(9), () => undefined)
    await log.close({ saveIndex: false })
    const { out } = await run('channel', 'inspect', join(folder, 'data'))
    assert.match(out, /^no events are held, the next will have number 5\n/)
  })

  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['channel'], /missing required argument 'what'/],
    [['channel', 'look', '/tmp'], /there is no "channel look"/],
    [['channel', 'export', '--format', 'xml', '/tmp'], /the format is json, text or avro/],
    [['channel', 'peek', '-n', 'all', '/tmp'], /-n takes a number of events/],
    [['channel', 'verify', '/no/such'], /there is no directory \/no\/such/],
    [['channel', 'repair', '/no/such'], /there is no directory \/no\/such/],
    [['tool', 'other'], /there is no tool "other"/],
    [['tool', 'fcintegritytool', '-l', '/tmp', '-e', 'a.B'], /names a Java class/],
  ]
  for (const [argv, message] of wrong) {
    it(`refuses: ${argv.join(' ')}`, async () => {
      const { code, err } = await run(...argv)
      assert.equal(code, 2)
      assert.match(err, message)
    })
  }

  it('says that a directory is none of a channel, and leaves nothing in it', async (t) => {
    const folder = await tempDir(t)
    for (const what of ['inspect', 'verify', 'repair', 'export']) {
      const { code, err } = await run('channel', what, folder)
      assert.equal(code, 1)
      assert.match(err, /is no data directory of a file channel/)
    }
    assert.deepEqual(await readdir(folder), [])
  })
})
