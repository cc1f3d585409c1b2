import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Sink } from '../../../../src/agent/contract.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import { EventBatch } from '../../../../src/core/event-batch.ts'
import { bodies } from '../../../support/batches.ts'
import { endedWriter } from '../../../support/ended-writer.ts'
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
  const bytesOf = (path = ''): Buffer => Buffer.from(fake.contentOf(path) ?? '', 'latin1')
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

  it('closes at once the files of a process of this machine that has ended, whose lease goes on', async () => {
    const folder = fresh()
    const killed = await sinkIn(folder)
    await killed.write(bodies('one'))
    const ended = await endedWriter()
    fake.giveTo(names(folder)[0] ?? '', ended)
    const next = await sinkIn(folder)
    await next.start?.()
    await until(() => names(folder).every((path) => !path.endsWith('.tmp')))
    assert.equal(fake.contentOf(names(folder)[0] ?? ''), 'one\n')
    await next.stop?.()
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

  const kinds: readonly Readonly<Record<string, string>>[] = [
    ...['gzip', 'bzip2', 'deflate', 'snappy', 'lz4'].map((codec) => ({
      'hdfs.fileType': 'CompressedStream',
      'hdfs.codeC': codec,
    })),
    { 'hdfs.fileType': 'SequenceFile', 'hdfs.codeC': 'gzip' },
    { 'hdfs.fileType': 'SequenceFile', 'hdfs.codeC': 'lz4', 'hdfs.writeFormat': 'Text' },
    { 'hdfs.fileType': 'DataStream', serializer: 'avro_event' },
    { 'hdfs.fileType': 'CompressedStream', 'hdfs.codeC': 'snappy', serializer: 'avro_event' },
  ]
  for (const texts of kinds) {
    it(`cuts off what is torn behind the last whole batch: ${Object.values(texts).join(', ')}`, async () => {
      const timestamp = '1700000000000'
      const batch = EventBatch.of(['one', 'two', 'three'.repeat(30)].map((body) => ({ body, headers: { timestamp } })))
      // What a third batch adds to a file like this one, byte by byte as a killed writer leaves it.
      const model = await sinkIn(fresh(), texts)
      const folderOfModel = `/run-${number}`
      await model.write(batch)
      await model.write(batch)
      const two = bytesOf(names(folderOfModel)[0])
      await model.write(batch)
      const third = bytesOf(names(folderOfModel)[0]).subarray(two.length)
      await model.stop?.()
      assert.ok(third.length > 20)
      for (const torn of [0, 1, 3, 9, 20, third.length - 1]) {
        const folder = fresh()
        const killed = await sinkIn(folder, texts)
        await killed.write(batch)
        await killed.write(batch)
        const path = names(folder)[0] ?? ''
        assert.deepEqual(bytesOf(path), two)
        fake.append(path, third.subarray(0, torn))
        fake.expireLeases()
        const next = await sinkIn(folder, texts)
        await next.start?.()
        await until(() => names(folder).every((name) => !name.endsWith('.tmp')))
        assert.deepEqual(bytesOf(names(folder)[0]), two, `${torn} bytes more`)
        await next.stop?.()
      }
    })
  }

  it('removes a compressed file that never got a whole batch', async () => {
    const folder = fresh()
    const texts = { 'hdfs.fileType': 'CompressedStream', 'hdfs.codeC': 'gzip' }
    const killed = await sinkIn(folder, texts)
    await killed.write(bodies('one'))
    const path = names(folder)[0] ?? ''
    fake.setBytes(path, bytesOf(path).subarray(0, 12))
    fake.expireLeases()
    const next = await sinkIn(folder, texts)
    await next.start?.()
    await until(() => names(folder).length === 0)
    await next.stop?.()
  })

  it('does not cut a compressed file that is damaged further up', async () => {
    const folder = fresh()
    const texts = { 'hdfs.fileType': 'CompressedStream', 'hdfs.codeC': 'gzip' }
    const killed = await sinkIn(folder, texts)
    for (const body of ['one', 'two', 'three']) await killed.write(bodies(body))
    const path = names(folder)[0] ?? ''
    const damaged = bytesOf(path)
    damaged[14] = (damaged[14] as number) ^ 0xff
    fake.setBytes(path, damaged)
    fake.expireLeases()
    const next = await sinkIn(folder, texts)
    await next.start?.()
    await until(() => names(folder).every((name) => !name.endsWith('.tmp')))
    assert.deepEqual(bytesOf(names(folder)[0]), damaged)
    await next.stop?.()
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
