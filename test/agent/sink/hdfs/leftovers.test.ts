import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Sink } from '../../../../src/agent/contract.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import { bodies } from '../../../support/batches.ts'
import { FakeHdfs } from '../../../support/fake-hdfs.ts'
import { hdfsSink } from '../../../support/hdfs-sink.ts'
import { until } from '../../../support/until.ts'

describe('a sink that starts after one that was killed', () => {
  let fake: FakeHdfs
  let number = 0
  before(async () => {
    fake = await FakeHdfs.start()
  })
  after(async () => {
    await fake.stop()
    assert.deepEqual(fake.complaints, [])
  })

  const sinkIn = (folder: string, texts: Readonly<Record<string, string>> = {}): Promise<Sink> =>
    hdfsSink(
      {
        'hdfs.path': `hdfs://127.0.0.1:${fake.nameNode.port}${folder}/%{to}`,
        'hdfs.fileType': 'DataStream',
        'hdfs.rollInterval': '0',
        'hdfs.rollCount': '0',
        'hdfs.rollSize': '0',
        ...texts,
      },
      { clock: systemClock },
    )
  const fresh = (): string => `/run-${++number}`
  const names = (folder: string): string[] => fake.paths.filter((path) => path.startsWith(`${folder}/`))

  it('closes its files once the lease is over, and gives them their names', async () => {
    const folder = fresh()
    const killed = await sinkIn(folder)
    await killed.write(bodies('one', 'two'))
    assert.match(names(folder)[0] ?? '', /\.tmp$/)
    assert.ok(fake.isOpen(names(folder)[0] ?? ''))
    fake.expireLeases()
    const next = await sinkIn(folder)
    await next.start?.()
    await until(() => names(folder).every((path) => !path.endsWith('.tmp')))
    assert.match(names(folder)[0] ?? '', /FlumeData\.\d+$/)
    assert.equal(fake.contentOf(names(folder)[0] ?? ''), 'one\ntwo\n')
    await next.stop?.()
  })

  it('leaves the files of a live one alone', async () => {
    const folder = fresh()
    const live = await sinkIn(folder)
    await live.write(bodies('one'))
    const next = await sinkIn(folder)
    await next.start?.()
    await until(() => (fake.calls.get('append') ?? 0) > 1)
    assert.match(names(folder)[0] ?? '', /\.tmp$/)
    await live.write(bodies('two'))
    await next.stop?.()
    await live.stop?.()
    assert.equal(fake.contentOf(names(folder)[0] ?? ''), 'one\ntwo\n')
  })

  it('cuts off the part of a batch that had arrived', async () => {
    for (const [type, fileType] of [
      ['text', 'DataStream'],
      ['records', 'SequenceFile'],
    ] as const) {
      const folder = `${fresh()}-${type}`
      const killed = await sinkIn(folder, { 'hdfs.fileType': fileType })
      await killed.write(bodies('one', 'two'))
      const path = names(folder)[0] ?? ''
      const whole = fake.contentOf(path) as string
      // The next batch is stored in part when its writer dies.
      fake.append(path, 'thr')
      fake.expireLeases()
      assert.equal(fake.contentOf(path), `${whole}thr`)
      const next = await sinkIn(folder, { 'hdfs.fileType': fileType })
      await next.start?.()
      await until(() => names(folder).every((name) => !name.endsWith('.tmp')))
      assert.equal(fake.contentOf(names(folder)[0] ?? ''), whole)
      await next.stop?.()
    }
  })

  it('does not take files of other sinks, or such that look finished', async () => {
    const folder = fresh()
    const other = await sinkIn(folder, { 'hdfs.filePrefix': 'Other' })
    await other.write(bodies('one'))
    fake.expireLeases()
    const next = await sinkIn(folder)
    await next.start?.()
    await next.stop?.()
    assert.match(names(folder)[0] ?? '', /Other\.\d+\.tmp$/)
  })
})
