import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { notifyReady, notifyStopping } from '../../src/cli/ready.ts'
import { createLogger } from '../../src/monitor/logger.ts'

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
