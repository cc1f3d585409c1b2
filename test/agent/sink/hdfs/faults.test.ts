import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sink } from '../../../../src/agent/contract.ts'
import { EventBatch } from '../../../../src/core/event-batch.ts'
import { seededRandom } from '../../../../src/core/random.ts'
import { ManualClock } from '../../../../src/testing/manual-clock.ts'
import { FakeWebHdfs, type Fault } from '../../../support/fake-web-hdfs.ts'
import { hdfsSink } from '../../../support/hdfs-sink.ts'

const runs = Number(process.env.SIM_RUNS ?? 12)
const firstSeed = Number(process.env.SIM_SEED ?? 1)

// Whatever fails between the sink and HDFS: every batch that was confirmed is in files under final names, whole and in
// order; a batch that was rejected is given again, as the runner does, and may then be there twice.
test('what was confirmed is in the files, whole and in order, whatever HDFS did in between', async () => {
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const fake = await FakeWebHdfs.start()
    try {
      await simulate(fake, seed)
    } catch (error) {
      throw new Error(`with SIM_SEED=${seed} SIM_RUNS=1`, { cause: error })
    } finally {
      await fake.stop()
    }
  }
})

async function simulate(fake: FakeWebHdfs, seed: number): Promise<void> {
  const random = seededRandom(seed)
  const below = (max: number): number => Math.floor(random() * max)
  const clock = new ManualClock(1_700_000_000_000)
  const places = 1 + below(3)
  const options = {
    'hdfs.path': 'hdfs://nn:8020/out/%{to}',
    'hdfs.webhdfs.url': fake.url,
    'hdfs.fileType': 'DataStream',
    'hdfs.rollCount': String([0, 1, 3, 7][below(4)]),
    'hdfs.rollSize': String([0, 40][below(2)]),
    'hdfs.rollInterval': String([0, 20][below(2)]),
    'hdfs.idleTimeout': String([0, 5][below(2)]),
    'hdfs.retryInterval': '10',
    'hdfs.maxOpenFiles': String(1 + below(3)),
    'hdfs.threadsPoolSize': String(1 + below(4)),
  }
  const sink: Sink = await hdfsSink(options, { clock })
  fake.chance = () => (random() < 0.08 ? someFault(below) : undefined)

  const delivered = new Map<string, string[]>()
  let next = 0
  for (let batches = 0; batches < 12; batches++) {
    const events = Array.from({ length: 1 + below(9) }, () => {
      const to = `p${below(places)}`
      return { body: `${to}-${next++}-${'x'.repeat(below(12))}`, headers: { to } }
    })
    let isDelivered = false
    for (let tries = 0; !isDelivered && tries < 200; tries++) {
      isDelivered = await sink.write(EventBatch.of(events)).then(
        () => true,
        () => false,
      )
      if (random() < 0.1) fake.recoverAll()
      await clock.advance(1000 * (1 + below(8)))
    }
    assert.ok(isDelivered)
    for (const { body, headers } of events) delivered.set(headers.to, [...(delivered.get(headers.to) ?? []), body])
  }

  fake.chance = undefined
  fake.recoverAll()
  await sink.stop?.()
  assert.deepEqual(
    fake.paths.filter((path) => path.endsWith('.tmp')),
    [],
  )
  for (const [place, events] of delivered) {
    const files = fake.paths.filter((path) => path.startsWith(`/out/${place}/`))
    files.sort((a, b) => Number(a.split('.')[1]) - Number(b.split('.')[1]))
    const text = files.map((path) => fake.contentOf(path)).join('')
    assert.ok(text.endsWith('\n'))
    const lines = text.slice(0, -1).split('\n')
    const known = new Set(events)
    for (const line of lines) assert.ok(known.has(line), `${JSON.stringify(line)} is no event`)
    // Of an event that is there twice the later one counts: it was confirmed.
    const last = lines.filter((line, index) => lines.lastIndexOf(line) === index)
    assert.deepEqual(last, events)
  }
}

function someFault(below: (max: number) => number): Fault {
  const faults: Fault[] = [
    { kind: 'status', status: 503 },
    { kind: 'status', status: 500 },
    { kind: 'status', status: 403, exception: 'AlreadyBeingCreatedException' },
    { kind: 'status', status: 403, exception: 'StandbyException' },
    { kind: 'torn', bytes: below(40) },
    { kind: 'crash', bytes: below(40) },
    { kind: 'lost' },
  ]
  return faults[below(faults.length)] as Fault
}
