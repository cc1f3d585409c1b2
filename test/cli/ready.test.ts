import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { notifyReady, notifyStopping } from '../../src/cli/ready.ts'
import { createLogger } from '../../src/monitor/logger.ts'
import { RunningProcess } from '../support/running-process.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'flume-ts-ready-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const heard = join(folder, 'heard')
const logged: string[] = []
const log = createLogger({ stream: { write: (line) => logged.push(line) } })
const env = { PATH: `${folder}:/usr/bin:/bin`, NOTIFY_SOCKET: '/run/systemd/notify', HEARD: heard }

function fakeSystemdNotify(script: string): void {
  writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(folder, 'systemd-notify'), 0o755)
}

beforeEach(() => {
  logged.length = 0
  writeFileSync(heard, '')
  fakeSystemdNotify('echo "$NOTIFY_SOCKET $*" >> "$HEARD"')
})

test('systemd hears of ready and of stopping, over the socket it named', async () => {
  await notifyReady(env, log)
  await notifyStopping(env, log)
  assert.equal(readFileSync(heard, 'utf8'), '/run/systemd/notify READY=1\n/run/systemd/notify STOPPING=1\n')
  assert.deepEqual(logged, [])
})

test('without systemd nothing is started', async () => {
  await notifyReady({ ...env, NOTIFY_SOCKET: undefined }, log)
  await notifyStopping({ ...env, NOTIFY_SOCKET: '' }, log)
  assert.equal(readFileSync(heard, 'utf8'), '')
})

test('an agent and a job tell systemd when they run and when they stop', async () => {
  const agent = join(folder, 'agent.properties')
  writeFileSync(
    agent,
    'a.sources = r\na.channels = c\na.channels.c.type = memory\na.sources.r.type = netcat\na.sources.r.bind = localhost\na.sources.r.port = 0\na.sources.r.channels = c\na.sinks = k\na.sinks.k.type = null\na.sinks.k.channel = c\n',
  )
  const job = join(folder, 'job.ts')
  writeFileSync(job, 'export default (ssc) => ssc.queueStream([]).print()\n')
  for (const [command, ...args] of [
    ['flume-ts', 'agent', '-f', agent],
    ['stream-ts', 'submit', job],
  ] as const) {
    writeFileSync(heard, '')
    const running = new RunningProcess(command, process.execPath, [join(root, 'bin', `${command}.js`), ...args], {
      env,
    })
    await running.waitFor(/agent a runs|StreamingContext started/)
    while (readFileSync(heard, 'utf8') === '') await new Promise((resolve) => setImmediate(resolve))
    assert.equal(await running.stop(), 0, running.stderr)
    assert.equal(readFileSync(heard, 'utf8'), '/run/systemd/notify READY=1\n/run/systemd/notify STOPPING=1\n')
  }
})

test('a systemd-notify that fails is logged in its own words and stops nothing', async () => {
  fakeSystemdNotify('echo "Failed to notify init system: Connection refused" >&2; exit 1')
  await notifyReady(env, log)
  assert.equal(logged.length, 1)
  assert.match(logged[0] ?? '', /systemd was not told READY=1: Failed to notify init system: Connection refused/)
})

test('a missing systemd-notify is logged and stops nothing', async () => {
  rmSync(join(folder, 'systemd-notify'))
  await notifyReady({ ...env, PATH: folder }, log)
  assert.equal(logged.length, 1)
  assert.match(logged[0] ?? '', /systemd was not told READY=1: spawn systemd-notify ENOENT/)
})
