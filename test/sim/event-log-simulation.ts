import assert from 'node:assert/strict'
import { EventBatch } from '../../src/core/event-batch.ts'
import { type Random, seededRandom } from '../../src/core/random.ts'
import { EventLog, type EventLogOptions, type Slice } from '../../src/storage/event-log.ts'
import type { Damage } from '../../src/storage/segment-log.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type CrashKind, type Faults, SimulatedDisk } from '../support/simulated-disk.ts'

/** What the log may be like: small files and little memory, so that few events meet every edge. */
interface World {
  readonly random: Random
  readonly directories: readonly string[]
  readonly checkpointDirectory: string | undefined
  readonly segmentBytesMax: number
  readonly memoryBytesMax: number
  readonly clock: ManualClock
}

/** `kept`: acknowledged. `unknown`: refused, or under way in a crash. */
type Put = 'waits' | 'kept' | 'unknown'
/** `noted`: its removal is written. `gone`: that is synced too. `maybe`: under way in a crash, or delivered and not noted. */
type Take = 'here' | 'lent' | 'maybe' | 'noted' | 'gone'

/** The log as a list of events: all that it promises. */
class Model {
  readonly puts: Put[] = []
  readonly takes: Take[] = []

  /** What must come, unless it is lent. */
  isDue(id: number): boolean {
    return this.puts[id] === 'kept' && this.takes[id] === 'here'
  }

  /** What was noted is on the medium. */
  synced(): void {
    for (const [id, take] of this.takes.entries()) if (take === 'noted') this.takes[id] = 'gone'
  }

  /** What was lent and under way when the process ended may be there again. */
  crashed(kind: CrashKind): void {
    if (kind === 'kill') this.synced()
    for (const [id, take] of this.takes.entries()) if (take === 'noted') this.takes[id] = 'maybe'

    for (const [id, put] of this.puts.entries()) if (put === 'waits') this.puts[id] = 'unknown'
    for (const [id, take] of this.takes.entries()) if (take === 'lent') this.takes[id] = 'here'
  }
}

/** One seeded history of puts, takes, faults, crashes and openings, compared with the model at every step. */
export async function simulate(seed: number, crashAt?: number): Promise<{ readonly steps: number }> {
  const random = seededRandom(seed)
  const one = random() < 0.6
  const world: World = {
    random,
    directories: one ? ['/d1'] : ['/d1', '/d2'],
    checkpointDirectory: random() < 0.7 ? '/check' : undefined,
    segmentBytesMax: 300 + Math.floor(random() * 1500),
    memoryBytesMax: Math.floor(random() * 800),
    clock: new ManualClock(),
  }
  const model = new Model()
  let disk = new SimulatedDisk(random)
  const lives = crashAt === undefined ? 1 + Math.floor(random() * 3) : 1
  let steps = 0
  for (let life = 0; life < lives; life++) {
    const faults: Faults =
      random() < 0.5 ? {} : { write: 0.02, noSpace: 0.03, sync: 0.03, read: random() < 0.5 ? 0.02 : 0, name: 0.02 }
    if (crashAt !== undefined) disk.crashAt(crashAt)
    else if (random() < 0.8) disk.crashAt(disk.steps + Math.floor(random() * 250))
    try {
      await live(world, disk, model, faults, crashAt === undefined ? random : seededRandom(seed + 1))
    } catch (error) {
      if (!disk.isDead) throw error
    }
    steps = disk.steps
    const kind = random() < 0.5 ? 'power' : 'kill'
    model.crashed(kind)
    disk.faults = {}
    disk = disk.crash(kind)
  }
  await drain(world, disk, model)
  return { steps }
}

const syncTakesWithinMs = 20

async function openLog(world: World, disk: SimulatedDisk, more: Partial<EventLogOptions> = {}): Promise<EventLog> {
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
  return EventLog.open({
    ...world,
    disk,
    report: quiet,
    freeBytesMin: 0,
    syncEach: true,
    syncTakesWithinMs,
    onDamage: ({ isEnd, path, offset }) => assert.ok(isEnd, `damage reported at ${offset} of ${path}`),
    onLost: (count) => assert.fail(`${count} events lost`),
    onArrival: () => undefined,
    ...more,
  })
}

async function live(world: World, disk: SimulatedDisk, model: Model, faults: Faults, random: Random): Promise<void> {
  let unnoted = 0
  const log = await openLog(world, disk, {
    report: {
      info: () => undefined,
      warn: () => undefined,
      error: (message) => {
        if (message.includes('could not be noted')) unnoted++
      },
    },
  })
  disk.faults = faults
  const underWay: Promise<unknown>[] = []
  const lent: (readonly Slice[])[] = []
  for (let step = 10 + Math.floor(random() * 30); step > 0 && !disk.isDead; step--) {
    const dice = random()
    if (dice < 0.5) {
      const put = keep(log, model, 1 + Math.floor(random() * 4), random)
      if (random() < 0.6) await put
      else underWay.push(put)
    } else if (dice < 0.8) {
      const slices = await borrow(log, model, 1 + Math.floor(random() * 6), disk, random)
      if (slices.length > 0) lent.push(slices)
    } else if (dice < 0.95) {
      const [slices] = lent.splice(Math.floor(random() * lent.length), 1)
      if (!slices) continue
      const ids = idsOf(slices)
      if (random() < 0.4) {
        for (const id of ids) model.takes[id] = 'here'
        log.giveBack(slices)
        continue
      }
      for (const id of ids) model.takes[id] = 'maybe'
      const before = unnoted
      await log.remove(slices, () => undefined)
      if (!disk.isDead && unnoted === before) for (const id of ids) model.takes[id] = 'noted'
    } else if (dice < 0.96) await log.saveIndex()
    else if (dice < 0.97) {
      // Takes are synced when asked for, and by the clock.
      if (random() < 0.5) await log.sync()
      else await world.clock.advance(syncTakesWithinMs)
      if (!disk.isDead && log.problem === undefined) model.synced()
    } else if (dice < 0.98) {
      disk.free = disk.free === 0 ? Number.MAX_SAFE_INTEGER : 0
      await world.clock.advance(10_000)
    }
  }
  await Promise.all(underWay)
  disk.free = Number.MAX_SAFE_INTEGER
  if (disk.isDead || random() < 0.5) return
  for (const slices of lent) for (const id of idsOf(slices)) model.takes[id] = 'here'
  for (const slices of lent) log.giveBack(slices)
  disk.faults = {}
  await log.close({ saveIndex: random() < 0.7 })
  if (!disk.isDead && log.problem === undefined) model.synced()
}

async function keep(log: EventLog, model: Model, count: number, random: Random): Promise<void> {
  const ids: number[] = []
  for (let i = 0; i < count; i++) {
    ids.push(model.puts.length)
    model.puts.push('waits')
    model.takes.push('here')
  }
  const events = ids.map((id) => ({ body: `${id}:${'x'.repeat(Math.floor(random() * 60))}`, headers: headersOf(id) }))
  try {
    await log.put(EventBatch.of(events), () => undefined)
    for (const id of ids) model.puts[id] = 'kept'
  } catch {
    for (const id of ids) model.puts[id] = 'unknown'
  }
}

async function borrow(
  log: EventLog,
  model: Model,
  max: number,
  disk: SimulatedDisk,
  random: Random,
): Promise<readonly Slice[]> {
  const due = model.puts.findIndex((_, id) => model.isDue(id))
  const waiting = model.puts.indexOf('waits')
  let slices: readonly Slice[]
  try {
    // Sometimes only what lies below a number, as when newer events of another place come first.
    const below = random() < 0.3 ? (log.oldest ?? 0) + 1 + Math.floor(random() * 6) : Number.POSITIVE_INFINITY
    slices = await log.lend(max, () => below)
    for (const { first, batch } of slices) assert.ok(first + batch.count <= below, `below ${below}`)
    // Numbers at the beginning may belong to puts that failed.
    if (slices.length === 0) slices = await log.lend(max)
  } catch (error) {
    if (!disk.isDead && disk.faults.read === undefined) throw error
    return []
  }
  const ids = idsOf(slices)
  // A put under way in another directory may hold newer ones back.
  if (due >= 0 && (waiting < 0 || waiting > due)) {
    assert.ok(ids.length > 0, `event ${due} is there and nothing is lent`)
    assert.ok((ids[0] as number) <= due, `event ${due} comes before ${ids[0]}`)
  }
  check(ids, model)
  assert.ok(ids.length <= max)
  for (const id of ids) model.takes[id] = 'lent'
  return slices
}

/** Opens without faults and takes everything: it must be exactly what is due, in order, and perhaps what is in doubt. */
async function drain(world: World, disk: SimulatedDisk, model: Model): Promise<void> {
  const log = await openLog(world, disk)
  const { size } = log
  const all: number[] = []
  for (let slices = await log.lend(7); slices.length > 0; slices = await log.lend(7)) all.push(...idsOf(slices))
  assert.equal(size, all.length, 'the size says how many there are')
  check(all, model)
  const missing = model.puts.findIndex((_, id) => model.isDue(id) && !all.includes(id))
  assert.equal(missing, -1, `event ${missing} was acknowledged and is not there`)
  await log.close({ saveIndex: false })
}

function check(ids: readonly number[], model: Model): void {
  for (const [i, id] of ids.entries()) {
    assert.ok(i === 0 || (ids[i - 1] as number) < id, `order: ${ids.join()}`)
    assert.ok(model.puts[id] !== undefined, `event ${id} was never put`)
    assert.ok(!['gone', 'noted'].includes(model.takes[id] as Take), `event ${id} was taken`)
    assert.notEqual(model.takes[id], 'lent', `event ${id} is lent already`)
  }
}

/** The events of slices, each looked at as a whole. */
function idsOf(slices: readonly Slice[]): number[] {
  return slices.flatMap(({ batch }) =>
    [...batch.events()].map(({ body, headers }) => {
      const text = Buffer.from(body).toString()
      const id = Number(/^(\d+):x*$/.exec(text)?.[1])
      assert.deepEqual(headers, headersOf(id), `event ${text}`)
      return id
    }),
  )
}

function headersOf(id: number): Record<string, string> {
  return id % 3 === 0 ? { host: 'h', id: String(id) } : id % 3 === 1 ? { host: 'h' } : {}
}

/** A closed log with one change behind its back: everything else must come, and the change be noticed. */
export async function simulateDamage(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const world: World = {
    random,
    directories: ['/d1'],
    checkpointDirectory: '/check',
    segmentBytesMax: 400 + Math.floor(random() * 1500),
    memoryBytesMax: 0,
    clock: new ManualClock(),
  }
  const model = new Model()
  const first = new SimulatedDisk(random)
  const log = await openLog(world, first)
  const batches = 5 + Math.floor(random() * 15)
  for (let i = 0; i < batches; i++) await keep(log, model, 1 + Math.floor(random() * 4), random)
  await log.close({ saveIndex: random() < 0.5 })
  const disk = first.crash('kill')
  if (random() < 0.5) for (const path of disk.paths) if (path.endsWith('.index')) disk.removeFile(path)
  const segments = disk.paths.filter((path) => path.endsWith('.flog'))
  const path = segments[Math.floor(random() * segments.length)] as string
  const at = Math.floor(random() * disk.contentOf(path).length)
  const before = Buffer.from(disk.contentOf(path))
  const isZeros = random() < 0.3
  const length = Math.min(1 + Math.floor(random() * 40), before.length - at)
  disk.damage(path, (content) => {
    if (isZeros) content.fill(0, at, at + length)
    else content[at] = (content[at] as number) ^ (1 << Math.floor(random() * 8))
    return content
  })
  const isChanged = !disk.contentOf(path).equals(before)
  const damages: Damage[] = []
  const reopened = await openLog(world, disk, {
    onDamage: (damage) => damages.push(damage),
    onLost: () => undefined,
  })
  const all: number[] = []
  for (let slices = await reopened.lend(7); slices.length > 0; slices = await reopened.lend(7)) {
    all.push(...idsOf(slices))
  }
  check(all, model)
  // Zeros reach over two records at most: none is smaller than they are long.
  const hit = damages.length === 0 ? 0 : 8
  const missing = model.puts.length - all.length
  assert.ok(missing <= hit, `${missing} events are missing, ${damages.length} damages were told of`)
  // What an index has saved reading is not read: damage there does no harm, and whoever looks for it finds it.
  if (isChanged && damages.length === 0) {
    await reopened.close({ saveIndex: false })
    const verifying = { checkpointDirectory: undefined, onDamage: (damage: Damage) => damages.push(damage) }
    await (await openLog(world, disk, verifying)).close({ saveIndex: false })
  }
  if (isChanged) {
    assert.ok(damages.length > 0, 'a changed byte is noticed')
    const end = isZeros ? at + length : at + 1
    assert.ok(
      damages.some(({ offset, bytes }) => offset < end && at < offset + bytes),
      `at ${at}: ${JSON.stringify(damages)}`,
    )
  }
  await reopened.close({ saveIndex: false })
}
