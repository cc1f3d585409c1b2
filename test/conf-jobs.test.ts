import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { realData } from './support/real-data.ts'
import { RunningProcess } from './support/running-process.ts'
import { tempDir } from './support/temp-dir.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('every file of conf/jobs/ is run here', async () => {
  assert.deepEqual(await readdir(join(root, 'conf/jobs')), ['access-log.ts'])
})

/** Runs the job as a user does, kills it between the first half of the log and the second, and answers what it has left. */
async function accessLog(t: TestContext, lines: readonly string[]): Promise<Map<string, string[]>> {
  const folder = await tempDir(t)
  const [logs, out] = [join(folder, 'logs'), join(folder, 'out')]
  await mkdir(logs)
  const start = (): RunningProcess => {
    const job = new RunningProcess('access-log', process.execPath, [
      ...[join(root, 'bin/stream-ts.js'), 'submit', '--batch-interval', '250'],
      ...['--conf', `spark.streaming.checkpoint.directory=${join(folder, 'state')}`],
      ...[join(root, 'conf/jobs/access-log.ts'), logs, out, '60', '0.5'],
    ])
    t.after(() => job.stop())
    return job
  }
  const half = Math.ceil(lines.length / 2)
  const move = async (name: string, part: readonly string[]): Promise<void> => {
    await writeFile(join(folder, name), part.map((line) => `${line}\n`).join(''))
    await rename(join(folder, name), join(logs, name))
  }
  const first = start()
  await first.waitFor(/StreamingContext started/)
  await move('a.log', lines.slice(0, half))
  await first.waitFor(new RegExp(`errors in ${half} requests`))
  await first.kill()
  const second = start()
  await second.waitFor(/StreamingContext started/)
  await move('b.log', lines.slice(half))
  await second.waitFor(new RegExp(`errors in ${lines.length} requests`))
  // The window is told every half second: one more of it holds everything.
  const printed = second.stdout.length
  await second.waitUntil(
    () => /\nTime: (\d+) ms\n-+\n\(\d+\.\d+\.\d+\.\d+,/.exec(second.stdout.slice(printed)) ?? undefined,
    'the clients of the window',
  )
  assert.equal(await second.stop(), 0, second.stderr)
  const saved = new Map<string, string[]>()
  for (const batch of (await readdir(out)).sort(byTime)) {
    const [name = ''] = batch.split('-')
    for (const file of await readdir(join(out, batch))) {
      if (!file.startsWith('part-')) continue
      const text = await readFile(join(out, batch, file), 'utf8')
      if (text === '') continue
      // Of what is told in every batch the last is wanted.
      const all = name === 'minutes' ? (saved.get(name) ?? []) : []
      saved.set(name, [...all, ...text.trimEnd().split('\n')])
    }
  }
  return saved
}

const byTime = (a: string, b: string): number => Number(a.split('-')[1]) - Number(b.split('-')[1])

/** `((minute,status),count)` lines; a later count of the same minute and status replaces an earlier one. */
function perMinute(lines: readonly string[]): Map<string, number> {
  return new Map(
    lines.map((line) => {
      const [, key = '', count] = /^\(\((.*)\),(\d+)\)$/.exec(line) ?? assert.fail(line)
      return [key, Number(count)]
    }),
  )
}

test('conf/jobs/access-log.ts, killed and started again: minutes, busiest clients and the share of errors are right', async (t) => {
  const requests = [
    ['10.0.0.1', '17/May/2015:10:05', 200],
    ['10.0.0.2', '17/May/2015:10:05', 200],
    ['10.0.0.1', '17/May/2015:10:06', 404],
    ['10.0.0.1', '17/May/2015:10:06', 200],
    ['10.0.0.3', '17/May/2015:10:06', 500],
    ['10.0.0.3', '17/May/2015:10:05', 200],
  ] as const
  const lines = requests.map(
    ([client, minute, status]) => `${client} - - [${minute}:03 +0000] "GET /a\\"b HTTP/1.1" ${status} 1 "-" "x"`,
  )
  const saved = await accessLog(t, lines)
  assert.deepEqual(
    perMinute(saved.get('minutes') ?? []),
    new Map([
      ['17/May/2015:10:05,200', 3],
      ['17/May/2015:10:06,404', 1],
      ['17/May/2015:10:06,200', 1],
      ['17/May/2015:10:06,500', 1],
    ]),
  )
  assert.deepEqual(saved.get('clients'), ['(10.0.0.1,3)', '(10.0.0.3,2)', '(10.0.0.2,1)'])
  assert.deepEqual(saved.get('errors'), ['2 errors in 6 requests, 33.33 %'])
})

const path = realData('access.log')

test('conf/jobs/access-log.ts tells the known figures of a real log', {
  skip: !existsSync(path) && `no ${path}`,
}, async (t) => {
  const lines = (await readFile(path, 'latin1')).trimEnd().split('\n')
  const saved = await accessLog(t, lines)
  const minutes = perMinute(saved.get('minutes') ?? [])
  const byStatus: Record<string, number> = {}
  for (const [key, count] of minutes) {
    const status = key.split(',')[1] as string
    byStatus[status] = (byStatus[status] ?? 0) + count
  }
  assert.deepEqual(byStatus, { 200: 9126, 206: 45, 301: 164, 304: 445, 403: 2, 404: 213, 416: 2, 500: 3 })
  const expected = new Map<string, number>()
  for (const line of lines) {
    const key = `${line.split('[')[1]?.slice(0, 17)},${line.split('" ')[1]?.slice(0, 3)}`
    expected.set(key, (expected.get(key) ?? 0) + 1)
  }
  assert.deepEqual(new Map([...minutes].sort()), new Map([...expected].sort()))
  const clients = saved.get('clients') ?? []
  assert.equal(clients.length, 10)
  assert.deepEqual(clients.slice(0, 3), ['(66.249.73.135,482)', '(46.105.14.53,364)', '(130.237.218.86,357)'])
  assert.deepEqual(saved.get('errors'), ['220 errors in 10000 requests, 2.20 %'])
})
