// A real agent on real disks that fill up, turn read-only, or go away and come back: `npm run disks`. Mounts are made in a
// mount namespace of their own (unshare), as root or as a user who may have one; without one, it says so and is skipped.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/core/clock.ts'
import type { EventBatch } from '../../src/core/event-batch.ts'
import { seededRandom } from '../../src/core/random.ts'
import { flumeService } from '../../src/net/avro-rpc/flume-service.ts'
import { freePort } from '../support/free-port.ts'
import { listenRpc } from '../support/rpc.ts'
import { aMoment, configuration, Ledger, send, startAgent } from './numbered-flow.ts'

interface Trouble {
  readonly name: string
  /** What health says of it. */
  readonly says: RegExp
  begin(data: string): void
  end(data: string): void
  /** It is there before the agent starts, with events on the disk. */
  readonly atStart?: boolean
}

const mount = (...args: readonly string[]): void => {
  execFileSync('mount', args, { stdio: 'inherit' })
}
/** The agent may have files open there; it is gone from its place all the same. */
const umount = (path: string): void => {
  execFileSync('umount', ['-l', path], { stdio: 'inherit' })
}
/** The same directory, in its own place, read-only; files that are open for writing stay so. */
const readOnly = {
  begin: (data: string) => {
    // Made beside it and moved there: in its place, a file that the agent opens in between would keep it writable.
    const beside = `${data}.read-only`
    mkdirSync(beside)
    mount('--bind', data, beside)
    mount('-o', 'remount,bind,ro', beside)
    mount('--move', beside, data)
  },
  end: umount,
}

const troubles: readonly Trouble[] = [
  {
    name: 'a full disk',
    says: /Usable space exhausted|ENOSPC/,
    begin: fill,
    end: (data) => rmSync(join(data, '..', 'filler')),
  },
  { name: 'a directory that turns read-only', says: /EROFS/, ...readOnly },
  { name: 'a directory that is read-only at the start', says: /EROFS/, ...readOnly, atStart: true },
  {
    name: 'a directory that goes away and comes back',
    says: /ENOENT|is not what it was/,
    begin: (data) => renameSync(data, `${data}.away`),
    end: (data) => renameSync(`${data}.away`, data),
  },
  {
    name: 'another disk in its place',
    says: /is not what it was/,
    begin: (data) => mount('-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', data),
    end: umount,
  },
]

const waitMs = 60_000
const diskBytes = 16 * 1024 * 1024

/** Rejects when anything acknowledged is lost or out of order, the source is not held back, or nobody says why. */
async function endure(trouble: Trouble, root: string): Promise<string> {
  mkdirSync(root)
  mount('-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', root)
  const data = join(root, 'data')
  const gate = new Gate()
  const ledger = new Ledger()
  let failure: unknown
  let lives = 1
  const collect = async (batch: EventBatch) => {
    const life = lives
    await gate.opened
    // Nobody would hear the answer.
    if (life !== lives) return 'FAILED' as const
    try {
      ledger.deliver([...batch.events()].map(({ body }) => Number(Buffer.from(body).toString().split(' ')[0])))
    } catch (error) {
      failure ??= error
    }
    return 'OK' as const
  }
  const collector = await listenRpc({ services: [flumeService({ append: collect, appendBatch: collect })] })
  const [port, pages] = [await freePort(), await freePort()]
  const conf = join(root, 'agent.properties')
  const channel = {
    checkpointDir: join(root, 'checkpoint'),
    dataDirs: data,
    maxFileSize: 65_536,
    minimumRequiredSpace: 1_048_576,
    'keep-alive': 1,
  }
  await writeFile(conf, configuration({ port, collectorPort: collector.port, channel }))
  const start = () => startAgent(conf, '-Dflume.monitoring.type=http', `-Dflume.monitoring.port=${pages}`)
  const stop = new AbortController()
  let agent = start()
  const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
    for (const untilMs = systemClock.monotonic() + waitMs; !(await holds()); ) {
      if (failure) throw failure
      assert.ok(systemClock.monotonic() < untilMs, `${trouble.name}: ${what}\n${agent.stderr.slice(-3000)}`)
      await aMoment(agent)
    }
  }
  const sending = send(port, ledger, seededRandom(1), stop.signal)
  try {
    await until('events are acknowledged', () => ledger.acknowledged >= 400)
    if (trouble.atStart) {
      // What the sender has under way may be kept, and is sent again.
      ledger.killed()
      await agent.kill()
      ledger.killed()
      lives++
      trouble.begin(data)
      agent = start()
    } else trouble.begin(data)
    const beganMs = systemClock.monotonic()
    let said = ''
    await until('health says what is wrong', async () => {
      const { status, text } = await readiness(pages)
      said = text
      return status === 503 && trouble.says.test(text)
    })
    const held = ledger.acknowledged
    await systemClock.sleep(500)
    assert.equal(ledger.acknowledged, held, 'the source is held back')
    gate.open()
    if (!trouble.atStart) await until('takes go on meanwhile', () => ledger.missing === 0)
    trouble.end(data)
    await until('the agent takes events again', () => ledger.acknowledged > held + 400)
    await until('health says that all is well', async () => (await readiness(pages)).status === 200)
    const forMs = Math.round(systemClock.monotonic() - beganMs)
    stop.abort()
    await sending
    await until('everything is delivered', () => ledger.missing === 0)
    assert.equal(await agent.stop(), 0, agent.stderr)
    assert.ok(trouble.atStart || ledger.doubles === 0)
    return `${trouble.name}: held back and back at work within ${forMs} ms; ${ledger.acknowledged} events acknowledged, none lost, order kept, ${ledger.doubles} twice; it said: ${said.trim()}`
  } finally {
    gate.open()
    stop.abort()
    await agent.kill()
    await sending
    await collector.close()
    umount(root)
  }
}

class Gate {
  open: () => void = () => undefined
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve
  })
}

async function readiness(port: number): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`)
    return { status: response.status, text: await response.text() }
  } catch {
    return { status: 0, text: '' }
  }
}

/** Takes every byte that is left, so that the next write finds none, whatever was free before. */
function fill(data: string): void {
  const file = openSync(join(data, '..', 'filler'), 'w')
  for (let size = 1024 * 1024; size >= 1; ) {
    try {
      if (writeSync(file, Buffer.alloc(size)) < size) size >>= 1
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      size >>= 1
    }
  }
  closeSync(file)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'inside') {
    const folder = await mkdtemp(join(tmpdir(), 'flume-ts-disks-'))
    try {
      for (const [index, trouble] of troubles.entries()) console.log(await endure(trouble, join(folder, String(index))))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  } else {
    const flags = process.getuid?.() === 0 ? ['-m'] : ['-rm']
    const can = spawnSync('unshare', [...flags, 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()], { encoding: 'utf8' })
    if (can.status !== 0) {
      console.log(
        `SKIPPED: no mounts can be made here (unshare ${flags.join(' ')}: ${can.stderr || can.error?.message})`,
      )
    } else {
      const [, script = ''] = process.argv
      const { status } = spawnSync('unshare', [...flags, process.execPath, '--enable-source-maps', script, 'inside'], {
        stdio: 'inherit',
      })
      process.exitCode = status ?? 1
    }
  }
}
