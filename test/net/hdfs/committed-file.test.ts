import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import { CommittedFile, leasePatienceMs } from '../../../src/net/hdfs/committed-file.ts'
import { WebHdfs } from '../../../src/net/hdfs/webhdfs.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { FakeWebHdfs } from '../../support/fake-web-hdfs.ts'
import { until } from '../../support/until.ts'

describe('a committed file', () => {
  let fake: FakeWebHdfs
  let clock: ManualClock
  let file: CommittedFile
  let number = 0
  before(async () => {
    fake = await FakeWebHdfs.start()
  })
  beforeEach(() => {
    clock = new ManualClock()
    const nodes = { nameNodes: [fake.url], user: 'flume', timeoutMs: 60_000, clock: systemClock }
    file = new CommittedFile(new WebHdfs(nodes), `/f${++number}`, clock)
  })
  after(() => fake.stop())

  const content = (): string | undefined => fake.contentOf(file.path)
  const write = (text: string): Promise<void> => file.write([Buffer.from(text)])

  it('is created by the first write and grows by the next ones', async () => {
    assert.equal(file.state, 'absent')
    await write('one ')
    await write('two')
    assert.equal(file.state, 'clean')
    assert.equal(file.committedBytes, 7)
    assert.equal(content(), 'one two')
  })

  it('stays as it was when a write certainly did nothing', async () => {
    fake.fail('CREATE', 'name', { kind: 'status', status: 503 })
    await assert.rejects(write('one'))
    assert.equal(file.state, 'absent')
    await write('one')
    fake.fail('APPEND', 'name', { kind: 'status', status: 503 })
    await assert.rejects(write('two'))
    assert.equal(file.state, 'clean')
  })

  it('takes no more bytes until a torn write is cut off', async () => {
    await write('one ')
    fake.fail('APPEND', 'data', { kind: 'torn', bytes: 2 })
    await assert.rejects(write('two'))
    assert.equal(content(), 'one tw')
    await assert.rejects(write('three'), /repaired/)
    await file.repair()
    assert.equal(content(), 'one ')
    await write('two')
    assert.equal(content(), 'one two')
  })

  it('is removed when its first write was torn', async () => {
    fake.fail('CREATE', 'data', { kind: 'torn', bytes: 2 })
    await assert.rejects(write('one'))
    assert.equal(content(), 'on')
    await file.repair()
    assert.equal(content(), undefined)
    assert.equal(file.state, 'absent')
  })

  it('cuts off a whole batch whose confirmation was lost, since it will come again', async () => {
    await write('one ')
    fake.fail('APPEND', 'data', { kind: 'lost' })
    await assert.rejects(write('two'))
    await file.repair()
    assert.equal(content(), 'one ')
  })

  it('waits out a dead writer’s lease, though the length looks right before it is recovered', async () => {
    await write('one ')
    fake.fail('APPEND', 'data', { kind: 'crash', bytes: 2 })
    await assert.rejects(write('two'))
    assert.equal(content(), 'one ')
    const repaired = file.repair()
    // The client and the fake talk over real sockets: time moves on only when the file waits for it.
    for (let waitedMs = 0; waitedMs < 70_000; waitedMs += 5000) {
      await untilWaiting(clock)
      await clock.advance(5000)
    }
    // Not while a question is under way, whose answer would then be the last one.
    await untilWaiting(clock)
    fake.recover(file.path)
    assert.equal(content(), 'one tw')
    await clock.advance(5000)
    await repaired
    assert.equal(content(), 'one ')
    assert.equal(file.state, 'clean')
  })

  it('gives up on a lease after its patience, still torn', async () => {
    await write('one ')
    fake.fail('APPEND', 'data', { kind: 'crash', bytes: 2 })
    await assert.rejects(write('two'))
    let isOver = false
    const rejected = assert.rejects(
      file.repair().finally(() => {
        isOver = true
      }),
      { reason: 'leased' },
    )
    while (!isOver) {
      await until(() => isOver || clock.timerCount > 0)
      if (!isOver) await clock.advance(5000)
    }
    await rejected
    assert.ok(clock.now() >= 70_000 && clock.now() <= leasePatienceMs, `${clock.now()}`)
    assert.equal(file.state, 'torn')
  })

  it('asks again while a truncation is under way', async () => {
    await write('one ')
    fake.fail('APPEND', 'data', { kind: 'torn', bytes: 1 })
    await assert.rejects(write('two'))
    fake.fail('TRUNCATE', 'name', { kind: 'false' })
    const repaired = file.repair()
    await untilWaiting(clock)
    await clock.advance(5000)
    await repaired
    assert.equal(content(), 'one ')
  })
})

/** Resolves once a timer is armed. */
async function untilWaiting(clock: ManualClock): Promise<void> {
  await until(() => clock.timerCount > 0)
}
