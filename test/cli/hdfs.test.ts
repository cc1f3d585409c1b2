import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { main } from '../../src/cli/flume-ts.ts'
import { systemClock } from '../../src/core/clock.ts'
import { NativeHdfs } from '../../src/net/hdfs/native/native-hdfs.ts'
import { OpenNames } from '../../src/storage/open-names.ts'
import { realDisk } from '../../src/storage/real-disk.ts'
import { settle } from '../../src/testing/manual-clock.ts'
import { FakeHdfs } from '../support/fake-hdfs.ts'
import { RunningProcess } from '../support/running-process.ts'

const flumeTs = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'flume-ts-'))
after(() => rmSync(folder, { recursive: true }))

async function run(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const taken = { out: '', err: '' }
  const into = (where: 'out' | 'err'): Writable =>
    new Writable({
      write: (chunk, _encoding, done) => {
        taken[where] += String(chunk)
        done()
      },
    })
  const terminal = { stdout: into('out'), stderr: into('err'), env: {} }
  const code = await main(['hdfs', ...argv, '--mount', `hdfs://nn:8020=${folder}`], terminal)
  return { code, ...taken }
}

describe('flume-ts hdfs', () => {
  it('writes a file, lists it, prints it and closes it', async () => {
    const local = join(folder, 'local.txt')
    writeFileSync(local, 'größer\n')
    assert.match((await run('put', 'hdfs://nn:8020/logs/a.txt', local)).out, /^\/logs\/a\.txt: 9 bytes$/m)
    assert.equal(readFileSync(join(folder, 'logs/a.txt'), 'utf8'), 'größer\n')
    assert.match((await run('ls', 'hdfs://nn:8020/logs')).out, /^- 9 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \/logs\/a\.txt\n$/)
    assert.match((await run('ls', 'hdfs://nn:8020')).out, /^d - .* \/logs$/m)
    assert.equal((await run('cat', 'hdfs://nn:8020/logs/a.txt')).out, 'größer\n')
    assert.match((await run('recover', 'hdfs://nn:8020/logs/a.txt')).out, /is closed, 9 bytes/)
  })

  it('replaces a file only when told to', async () => {
    const local = join(folder, 'other.txt')
    writeFileSync(local, 'other')
    await run('put', 'hdfs://nn:8020/b.txt', local)
    const refused = await run('put', 'hdfs://nn:8020/b.txt', local)
    assert.equal(refused.code, 1)
    assert.match(refused.err, /exist/)
    assert.equal((await run('put', 'hdfs://nn:8020/b.txt', local, '--force')).code, 0)
  })

  const notes = join(folder, 'notes')
  /** As an agent leaves it that notes its files in use. */
  const note = (...names: readonly string[]): void => {
    mkdirSync(notes, { recursive: true })
    const lines = [
      `{"version":1,"place":${JSON.stringify(folder)},"user":"etl","ending":"newline"}`,
      ...names.map((name) => `+["${name}.tmp","${name}"]`),
      '',
    ]
    writeFileSync(join(notes, '0123456789abcdef.open'), lines.join('\n'))
    for (const name of names) writeFileSync(join(folder, `${name}.tmp`), 'whole\ntorn')
  }
  const recover = (path: string, ...more: readonly string[]) =>
    run('recover', `hdfs://nn:8020${path}`, '--open-files', notes, ...more)

  it('finishes what a killed agent left below a directory, and nothing else', async () => {
    note('/a.1700000000001', '/a.1700000000002', '/b.1700000000003')
    const one = await recover('/a.1700000000001.tmp')
    assert.equal(one.out, '/a.1700000000001.tmp is finished as /a.1700000000001, 6 bytes\n', one.err)
    assert.equal(readFileSync(join(folder, 'a.1700000000001'), 'utf8'), 'whole\n')
    rmSync(join(folder, 'b.1700000000003.tmp'))
    const rest = await recover('/')
    assert.match(rest.out, /^\/a\.1700000000002\.tmp is finished as \/a\.1700000000002, 6 bytes$/m)
    assert.match(rest.out, /^\/b\.1700000000003\.tmp is not there any more$/m)
    assert.deepEqual(readdirSync(notes), [])
    const nothing = await recover('/')
    assert.equal(nothing.code, 1)
    assert.match(nothing.err, /no file below \/ is noted .*--open-files/s)
  })

  it('leaves a file to the agent that writes it, unless told otherwise', async () => {
    const held = await OpenNames.begin(realDisk, notes, { place: folder, user: '', ending: 'newline' })
    writeFileSync(join(folder, 'c.tmp'), 'one\n')
    await held.add({ name: '/c.tmp', finalName: '/c' })
    const refused = await recover('/c.tmp')
    assert.equal(refused.code, 1)
    assert.match(refused.err, /\/c\.tmp is being written by an agent that runs/)
    assert.match((await recover('/c.tmp', '--force')).out, /\/c\.tmp is closed, 4 bytes/)
    await held.remove('/c.tmp')
    await held.close()
  })

  it('asks again, as a process of its own, until the writer of a file has closed it', async (t) => {
    const fake = await FakeHdfs.start()
    t.after(() => fake.stop())
    const { host, port } = fake.nameNode
    const files = new NativeHdfs({ nameNodes: [fake.nameNode], user: 'u', timeoutMs: 60_000, clock: systemClock })
    const file = await files.begin('/open', [Buffer.from('bytes')])
    const url = `hdfs://${host}:${port}/open`
    const recover = new RunningProcess('recover', process.execPath, [flumeTs, 'hdfs', 'recover', url])
    t.after(() => recover.stop())
    // It has looked at the file, and waits for nothing but its next look.
    let isOver = false
    void recover.exited.then(() => {
      isOver = true
    })
    while (!isOver && (fake.calls.get('isFileClosed') ?? 0) < 2) await settle()
    await file.close()
    await files.close()
    assert.equal(await recover.exited, 0, recover.stderr)
    assert.match(recover.stdout, /^\/open is closed, 5 bytes$/m)
    assert.deepEqual(fake.complaints, [])
  })

  const wrong: [argv: string[], code: number, err: RegExp][] = [
    [['look', 'hdfs://nn:8020/'], 2, /knows no "look" .*ls, cat, put, recover/],
    [['ls'], 2, /missing required argument/],
    [['ls', 'hdfs://nn:8020/', 'x'], 2, /takes one address/],
    [['ls', 'ftp://nn/'], 2, /no file system for ftp:/],
    [['ls', 'hdfs://nn:8020/nothing'], 1, /nothing/],
    [['ls', 'hdfs://nn:8020/', '--client', 'java'], 2, /java/],
    [['ls', 'hdfs://nn:8020/', '--timeout', 'long'], 2, /not a number of seconds/],
  ]
  for (const [argv, code, err] of wrong) {
    it(`says what is wrong with ${argv.join(' ')}`, async () => {
      const outcome = await run(...argv)
      assert.equal(outcome.code, code, outcome.err)
      assert.match(outcome.err, err)
    })
  }
})
