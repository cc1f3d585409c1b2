import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { spooldir } from '../../src/agent/source/spooldir/index.ts'
import { readPosition } from '../../src/agent/source/spooldir/position.ts'
import { AvroContainerWriter } from '../../src/codec/avro/container.ts'
import { systemClock } from '../../src/core/clock.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { readOptions } from '../support/read-options.ts'
import { FakeSourceContext } from '../support/source-context.ts'
import { tempDir } from '../support/temp-dir.ts'
import { until } from '../support/until.ts'
import { startFlume } from './peers.ts'

const lines = Array.from({ length: 50 }, (_, i) => `line ${i} é`)
const sync = Uint8Array.from({ length: 16 }, (_, i) => 100 + i)
const record = '{"type":"record","name":"M","fields":[{"name":"m","type":"string"}]}'
const metaName = '.flumespool/.flumespool-main.meta'

async function spoolOf(test: TestContext): Promise<{ readonly spool: string; readonly out: string }> {
  const dir = await tempDir(test)
  const [spool, out] = [join(dir, 'spool'), join(dir, 'out')]
  await mkdir(spool)
  await mkdir(out)
  return { spool, out }
}

/** A spool directory whose events go into files, one a line, or nowhere at all. */
function properties(spool: string, sink: readonly string[], more: readonly string[] = []): string {
  return [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    'a1.sources.r1.type = spooldir',
    `a1.sources.r1.spoolDir = ${spool}`,
    'a1.sources.r1.batchSize = 5',
    'a1.sources.r1.channels = c1',
    ...more.map((line) => `a1.sources.r1.${line}`),
    'a1.channels.c1.type = memory',
    'a1.channels.c1.capacity = 10',
    'a1.channels.c1.transactionCapacity = 10',
    'a1.channels.c1.keep-alive = 0',
    ...sink.map((line) => `a1.sinks.k1.${line}`),
    'a1.sinks.k1.channel = c1',
    '',
  ].join('\n')
}

const toFiles = (out: string): string[] => [
  'type = file_roll',
  `sink.directory = ${out}`,
  'sink.rollInterval = 0',
  'sink.batchSize = 5',
]
/** Nothing listens there, so the channel fills up and the source stops in the middle of a file. */
const toNowhere = ['type = avro', 'hostname = 127.0.0.1', 'port = 1', 'batch-size = 5']

/** Flume says nothing once it has written or renamed a file. */
async function eventually(condition: () => Promise<boolean>): Promise<void> {
  for (let left = 600; !(await condition()); left--) {
    if (left === 0) throw new Error('it never came true')
    await systemClock.sleep(50)
  }
}

async function written(out: string): Promise<Buffer> {
  const names = await readdir(out)
  return Buffer.concat(await Promise.all(names.map((name) => readFile(join(out, name)))))
}

for (const version of ['1.9', '1.11'] as const) {
  describe(`a spool directory shared with Flume ${version}`, () => {
    test('Flume goes on where this source stopped (S-73)', async (test) => {
      const { spool, out } = await spoolOf(test)
      await writeFile(join(spool, 'a.log'), `${lines.join('\n')}\n`)
      const context = new FakeSourceContext({ clock: new ManualClock() })
      context.room = 20
      const ended = (await spooldir.create(readOptions(spooldir, { spoolDir: spool, batchSize: '5' }), context)).run()
      await context.whenDelivered(20)
      await until(() => (context.clock as ManualClock).timerCount > 0)
      context.stop()
      await ended
      await using flume = await startFlume({ version, properties: properties(spool, toFiles(out)) })
      const rest = `${lines.slice(20).join('\n')}\n`
      // Flume does not empty its channel when it stops.
      await eventually(async () => (await written(out)).length >= Buffer.byteLength(rest))
      await eventually(async () => existsSync(join(spool, 'a.log.COMPLETED')))
      await flume.stop()
      assert.equal((await written(out)).toString(), rest)
    })

    test('this source goes on where Flume stopped (S-73)', async (test) => {
      const { spool } = await spoolOf(test)
      await writeFile(join(spool, 'a.log'), `${lines.join('\n')}\n`)
      await using flume = await startFlume({
        version,
        properties: properties(spool, toNowhere),
        ready: /will try again after/,
      })
      await flume.stop()
      const position = await readPosition(join(spool, metaName))
      assert.equal(position?.offset, Buffer.byteLength(`${lines.slice(0, 10).join('\n')}\n`))
      const context = new FakeSourceContext({ clock: new ManualClock() })
      const ended = (await spooldir.create(readOptions(spooldir, { spoolDir: spool }), context)).run()
      await context.whenDelivered(40)
      await until(() => (context.clock as ManualClock).timerCount > 0)
      context.stop()
      await ended
      assert.deepEqual(
        context.events.map(({ body }) => body),
        lines.slice(10),
      )
      assert.deepEqual((await readdir(spool)).sort(), ['.flumespool', 'a.log.COMPLETED'])
    })

    test('this source goes on where Flume stopped in an Avro container, and loses nothing', async (test) => {
      const { spool } = await spoolOf(test)
      const writer = new AvroContainerWriter({ schema: record, codec: 'null', sync, syncIntervalBytes: 100 })
      const file = Buffer.concat([
        writer.header(),
        writer.blocks(lines.length, (out, i) => out.string(lines[i] as string)),
      ])
      await writeFile(join(spool, 'a.avro'), file)
      await using flume = await startFlume({
        version,
        properties: properties(spool, toNowhere, ['deserializer = AVRO']),
        ready: /will try again after/,
      })
      await flume.stop()
      const context = new FakeSourceContext({ clock: new ManualClock() })
      const ended = (
        await spooldir.create(readOptions(spooldir, { spoolDir: spool, deserializer: 'avro' }), context)
      ).run()
      await until(() => (context.clock as ManualClock).timerCount > 0)
      context.stop()
      await ended
      const texts = context.events.map(({ body }) => body.slice(1))
      assert.deepEqual(texts.slice(-40), lines.slice(10))
    })
  })
}
