import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { FlumeError } from '../../src/agent/contract.ts'
import { startTestAgent } from '../../src/testing/api.ts'

const oneFlow = (more = ''): string => `
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = localhost
a1.sources.r1.port = 44444
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
${more}
`

const failover = `
a1.sources = r1
a1.channels = c1
a1.sinks = k1 k2
a1.sinkgroups = g1
a1.sources.r1.type = netcat
a1.sources.r1.bind = localhost
a1.sources.r1.port = 44444
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = avro
a1.sinks.k1.hostname = first
a1.sinks.k1.port = 4141
a1.sinks.k1.channel = c1
a1.sinks.k2.type = avro
a1.sinks.k2.hostname = second
a1.sinks.k2.port = 4141
a1.sinks.k2.channel = c1
a1.sinkgroups.g1.sinks = k1 k2
a1.sinkgroups.g1.processor.type = failover
a1.sinkgroups.g1.processor.priority.k1 = 10
a1.sinkgroups.g1.processor.priority.k2 = 5
a1.sinkgroups.g1.processor.maxpenalty = 10000
`

describe('a configuration under test', () => {
  it('runs from its text, with scripted sources and sinks and everything between them real', async () => {
    await using agent = await startTestAgent(oneFlow())
    await agent.source('r1').send('one', { body: 'two', headers: { host: 'h1' } })
    await agent.advance(0)
    assert.deepEqual(agent.sink('k1').received, [
      { headers: {}, body: 'one' },
      { headers: { host: 'h1' }, body: 'two' },
    ])
    assert.deepEqual(agent.imbalances(), [])
  })

  it('meets a sink that times out for 10 s and then has a full disk, and loses nothing', async () => {
    await using agent = await startTestAgent(oneFlow())
    const k1 = agent.sink('k1')
    k1.script([
      { does: 'timesOut', tookMs: 2000, forMs: 10_000 },
      { does: 'fails', message: 'the disk is full', times: 2 },
    ])
    await agent.source('r1').send('one')
    await agent.until(() => k1.bodies.length === 1)
    // Pauses of 1, 2, 3, 4, 5 s lie between the tries (M-06).
    assert.deepEqual(
      k1.attempts.map(({ atMs, outcome }) => `${atMs} ${outcome}`),
      [
        '0 the destination does not answer',
        '3000 the destination does not answer',
        '7000 the destination does not answer',
        '12000 the disk is full',
        '16000 the disk is full',
        '21000 delivered',
      ],
    )
    assert.match(agent.log.join('\n'), /error: k1: the disk is full; the events stay in the channel/)
  })

  it('tells the sender when the channel is full, after keep-alive (S-23, MC-03)', async () => {
    await using agent = await startTestAgent(
      oneFlow('a1.channels.c1.capacity = 2\na1.channels.c1.transactionCapacity = 2\na1.sinks.k1.batchSize = 2'),
    )
    agent.sink('k1').script([{ does: 'fails' }])
    const answers = await agent.finish(
      agent.source('r1').script([{ events: ['a', 'b'] }, { afterMs: 500, events: ['c'] }]),
    )
    assert.deepEqual(answers, [
      { atMs: 0, answer: 'ok' },
      { atMs: 3500, answer: 'CHANNEL_FULL' },
    ])
    const each = await agent.finish(agent.source('r1').sendEach('d'))
    assert.deepEqual([each.accepted, (each.error as FlumeError).code], [0, 'CHANNEL_FULL'])
    assert.equal(await agent.stop(0), 2)
  })

  it('fails over and back as its sink group says (K-01…K-04)', async () => {
    await using agent = await startTestAgent(failover)
    const [k1, k2] = [agent.sink('k1'), agent.sink('k2')]
    k1.script([{ does: 'fails', times: 1 }])
    await agent.source('r1').send('one')
    await agent.until(() => k2.bodies.length === 1)
    await agent.advance(5000)
    await agent.source('r1').send('two')
    await agent.until(() => k1.bodies.length === 1)
    assert.deepEqual([k1.bodies, k2.bodies], [['two'], ['one']])
  })

  it('can be changed while it runs', async () => {
    await using agent = await startTestAgent(oneFlow())
    const report = await agent.reload(oneFlow('a1.sinks.k1.batchSize = 3'))
    assert.deepEqual(
      report.changes.map(({ name, change }) => `${name} ${change}`),
      ['r1 keep', 'c1 keep', 'k1 restart'],
    )
    await agent.source('r1').send('1', '2', '3', '4')
    await agent.advance(0)
    assert.deepEqual(
      agent.sink('k1').attempts.map(({ count }) => count),
      [3, 1],
    )
  })

  it('starts again what did not start: sources and sinks (M-03)', async () => {
    await using agent = await startTestAgent(oneFlow())
    agent.source('r1').failsToStart('the port is in use')
    agent.sink('k1').failsToOpen('no such folder')
    const report = await agent.reload(oneFlow('a1.sinks.k1.batchSize = 3\na1.sources.r1.max-line-length = 99'))
    assert.equal(report.outcome, 'rolled back')
    assert.equal(report.error?.message, 'no such folder')
    await agent.until(() => agent.source('r1').isRunning && agent.sink('k1').isOpen)
    await agent.source('r1').send('one')
    await agent.until(() => agent.sink('k1').bodies.length === 1)
  })

  it('keeps parts real that it is told to keep', async () => {
    await using agent = await startTestAgent(oneFlow(), { keep: ['k1'] })
    assert.throws(() => agent.sink('k1'), { code: 'USAGE' })
    await agent.source('r1').send('one')
    await agent.advance(0)
    assert.equal(agent.snapshot().channels[0]?.delivered, 1)
    assert.equal(await agent.stop(), 0)
    assert.match(agent.log.join('\n'), /Null sink k1 stopped. Event count: 1/)
  })

  it('is refused with every finding when it is wrong', async () => {
    await assert.rejects(startTestAgent(oneFlow('a1.sinks.k1.batchSize = many')), (error: FlumeError) => {
      assert.match(error.message, /agent\.properties:12:\d+.*a1\.sinks\.k1\.batchSize/)
      return error.code === 'USAGE'
    })
  })

  it('is read from files too, and starts at the time that the test says', async () => {
    const file = fileURLToPath(new URL('../../../conf/agent.properties', import.meta.url))
    assert.ok(readFileSync(file, 'utf8').includes('FlumeSource'))
    await using agent = await startTestAgent({ files: [file] }, { startMs: 1_000_000 })
    await agent.source('r1').send('from nc')
    await agent.advance(0)
    assert.deepEqual(agent.sink('k1').bodies, ['from nc'])
    assert.equal(agent.snapshot().takenAtMs, 1_000_000)
  })

  it('gives up a wait that never ends, and a source that does not run', async () => {
    await using agent = await startTestAgent(oneFlow())
    await assert.rejects(
      agent.until(() => false, 1000),
      { code: 'TIMEOUT' },
    )
    await agent.stop()
    await assert.rejects(agent.source('r1').send('late'), { code: 'INVALID_STATE' })
  })

  it('is tested as docs/testing.md says', async () => {
    const page = readFileSync(new URL('../../../docs/testing.md', import.meta.url), 'utf8')
    const example = /```ts\n(.*?)```/s.exec(page)?.[1] ?? assert.fail('the page has no example')
    // Written below the package, so that it imports what a user would. Node 20 itself knows no `await using`.
    const file = new URL(`../../../dist/testing-example-${process.pid}.mjs`, import.meta.url)
    const plain = `${example.replace('await using agent', 'const agent')}\nexport const lost = await agent.stop()\n`
    try {
      writeFileSync(file, plain)
      assert.equal(((await import(file.href)) as { lost: number }).lost, 0)
    } finally {
      rmSync(file, { force: true })
    }
  })
})
