import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Sink } from '../../../../src/agent/contract.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import { bodies } from '../../../support/batches.ts'
import { FakeWebHdfs } from '../../../support/fake-web-hdfs.ts'
import { hdfsSink } from '../../../support/hdfs-sink.ts'
import { RecordingLogger } from '../../../support/recording-logger.ts'
import { tempDir } from '../../../support/temp-dir.ts'
import { until } from '../../../support/until.ts'

/** A file system without leases, seen from outside. */
interface Place {
  /** What the notes call it. */
  readonly address: string
  /** `hdfs.path` of `/flume` there, and what leads to it. */
  readonly options: Readonly<Record<string, string>>
  readonly mounts?: ReadonlyMap<string, string>
  put(path: string, content: string | Buffer): void
  contentOf(path: string): string | undefined
  /** Paths below /flume. */
  names(): string[]
}

const places: Readonly<Record<string, (test: TestContext) => Promise<Place>>> = {
  'the local disk': async (test) => {
    const root = await tempDir(test)
    const at = (path: string): string => join(root, path)
    return {
      address: root,
      options: { 'hdfs.path': 'hdfs://nn:8020/flume' },
      mounts: new Map([['hdfs://nn:8020', root]]),
      put: (path, content) => {
        mkdirSync(dirname(at(path)), { recursive: true })
        writeFileSync(at(path), content)
      },
      contentOf: (path) => readFileSync(at(path), 'latin1'),
      names: () =>
        readdirSync(at('/flume'))
          .sort()
          .map((name) => `/flume/${name}`),
    }
  },
  WebHDFS: async (test) => {
    const fake = await FakeWebHdfs.start()
    test.after(() => fake.stop())
    return {
      address: fake.url,
      options: { 'hdfs.path': `${fake.url.replace('http:', 'webhdfs:')}/flume` },
      put: (path, content) => fake.put(path, content),
      contentOf: (path) => fake.bytesOf(path)?.toString('latin1'),
      names: () => fake.paths,
    }
  },
}

for (const [kind, make] of Object.entries(places)) {
  describe(`a sink that writes to ${kind}`, () => {
    const sinkAt = (
      place: Place,
      notes: string,
      more: Readonly<Record<string, string>> = {},
      log = new RecordingLogger(),
    ) =>
      hdfsSink(
        {
          ...place.options,
          'hdfs.fileType': 'DataStream',
          'hdfs.rollInterval': '0',
          'hdfs.rollCount': '0',
          'hdfs.rollSize': '0',
          'hdfs.openFilesDir': notes,
          ...more,
        },
        { clock: systemClock, log, ...(place.mounts ? { mounts: place.mounts } : {}) },
      )
    /** Notes of an agent that was killed. */
    const note = (
      notes: string,
      place: Place,
      names: readonly (readonly [string, string])[],
      about: object = {},
    ): void => {
      const first = JSON.stringify({ version: 1, place: place.address, user: '', ending: 'newline', ...about })
      writeFileSync(
        join(notes, '0123456789abcdef.open'),
        [first, ...names.map((each) => `+${JSON.stringify(each)}`), ''].join('\n'),
      )
    }
    const startAndStop = async (sink: Sink, done: () => boolean): Promise<void> => {
      await sink.start?.()
      await until(done)
      await sink.stop?.()
    }

    it('notes each file before it is made, and nothing once it has its final name', async (test) => {
      const [place, notes] = [await make(test), await tempDir(test)]
      const sink = await sinkAt(place, notes, { 'hdfs.rollCount': '1' })
      await sink.start?.()
      assert.deepEqual(readdirSync(notes), [])
      await sink.write(bodies('one', 'two'))
      const [file] = readdirSync(notes)
      const text = readFileSync(join(notes, file as string), 'utf8')
      const [first, ...lines] = text.split('\n')
      assert.deepEqual(JSON.parse(first as string), { version: 1, place: place.address, user: '', ending: 'newline' })
      const final = (place.names()[0] as string).replace(/\.tmp$/, '')
      assert.ok(lines.includes(`+${JSON.stringify([`${final}.tmp`, final])}`), text)
      assert.equal(lines.filter((line) => line.startsWith('+')).length, 2)
      assert.equal(lines.filter((line) => line.startsWith('-')).length, 1)
      await sink.stop?.()
      assert.deepEqual(readdirSync(notes), [])
      assert.ok(place.names().every((name) => !name.endsWith('.tmp')))
    })

    it('finishes what a killed agent has noted: cut behind the last whole line, under its final name', async (test) => {
      const [place, notes] = [await make(test), await tempDir(test)]
      place.put('/flume/FlumeData.1700000000001.tmp', 'one\ntwo\nthr')
      place.put('/flume/deep/x.1700000000002.tmp', 'whole\n')
      note(notes, place, [
        ['/flume/FlumeData.1700000000001.tmp', '/flume/FlumeData.1700000000001'],
        ['/flume/deep/x.1700000000002.tmp', '/flume/deep/x.1700000000002'],
        ['/flume/never-made.1700000000003.tmp', '/flume/never-made.1700000000003'],
      ])
      await startAndStop(await sinkAt(place, notes), () => readdirSync(notes).length === 0)
      assert.equal(place.contentOf('/flume/FlumeData.1700000000001'), 'one\ntwo\n')
      assert.equal(place.contentOf('/flume/deep/x.1700000000002'), 'whole\n')
      assert.ok(place.names().every((name) => !name.endsWith('.tmp')))
    })

    it('takes the next number when the final name is taken (H-25)', async (test) => {
      const [place, notes] = [await make(test), await tempDir(test)]
      place.put('/flume/a.1700000000001.log.tmp', 'new\n')
      place.put('/flume/a.1700000000001.log', 'old\n')
      place.put('/flume/a.1700000000002.log', 'old too\n')
      note(notes, place, [['/flume/a.1700000000001.log.tmp', '/flume/a.1700000000001.log']])
      await startAndStop(await sinkAt(place, notes), () => readdirSync(notes).length === 0)
      assert.equal(place.contentOf('/flume/a.1700000000001.log'), 'old\n')
      assert.equal(place.contentOf('/flume/a.1700000000003.log'), 'new\n')
    })

    it('cuts a file that has had its final name all along', async (test) => {
      const [place, notes] = [await make(test), await tempDir(test)]
      place.put('/flume/a.1700000000001', 'one\ntw')
      note(notes, place, [['/flume/a.1700000000001', '/flume/a.1700000000001']])
      await startAndStop(await sinkAt(place, notes), () => readdirSync(notes).length === 0)
      assert.deepEqual(place.names(), ['/flume/a.1700000000001'])
      assert.equal(place.contentOf('/flume/a.1700000000001'), 'one\n')
    })

    it('cuts as the one that wrote it would have: compressed files behind their last member, others not at all', async (test) => {
      const [place, notes] = [await make(test), await tempDir(test)]
      const member = gzipSync('one\n')
      const torn = Buffer.concat([member, member.subarray(0, 9)])
      const cases: readonly (readonly [ending: string, left: Buffer, kept: Buffer | undefined])[] = [
        ['org.apache.hadoop.io.compress.GzipCodec', torn, member],
        ['org.apache.hadoop.io.compress.GzipCodec', member.subarray(0, 9), undefined],
        ['any', torn, torn],
        ['a.codec.of.another.Version', torn, torn],
      ]
      for (const [index, [ending, left, kept]] of cases.entries()) {
        const final = `/flume/a.170000000000${index}`
        place.put(`${final}.tmp`, left)
        note(notes, place, [[`${final}.tmp`, final]], { ending })
        await startAndStop(await sinkAt(place, notes), () => readdirSync(notes).length === 0)
        assert.equal(place.names().includes(final), kept !== undefined, ending)
        if (kept) assert.deepEqual(place.contentOf(final), kept.toString('latin1'), ending)
      }
    })

    it('leaves the files of a live agent alone', async (test) => {
      const [place, notes] = [await make(test), await tempDir(test)]
      const live = await sinkAt(place, notes)
      await live.write(bodies('one'))
      const [name = ''] = place.names()
      const next = await sinkAt(place, notes)
      await next.start?.()
      await next.stop?.()
      assert.deepEqual(place.names(), [name])
      await live.write(bodies('two'))
      await live.stop?.()
      assert.equal(place.contentOf(name.replace(/\.tmp$/, '')), 'one\ntwo\n')
    })

    it('leaves alone what was noted for another place, or for another user', async (test) => {
      const [place, notes] = [await make(test), await tempDir(test)]
      for (const about of [{ place: '/elsewhere' }, { user: 'alice' }]) {
        place.put('/flume/a.1700000000001.tmp', 'one\n')
        note(notes, place, [['/flume/a.1700000000001.tmp', '/flume/a.1700000000001']], about)
        const sink = await sinkAt(place, notes)
        await sink.start?.()
        await sink.stop?.()
        assert.deepEqual(place.names(), ['/flume/a.1700000000001.tmp'])
        assert.equal(readdirSync(notes).length, 1)
      }
    })

    it('hands what it could not close at its stop to the next one', async (test) => {
      const [place, notes] = [await make(test), await tempDir(test)]
      const sink = await sinkAt(place, notes)
      await sink.write(bodies('one'))
      const [inUse = ''] = place.names()
      const final = inUse.replace(/\.tmp$/, '')
      // In the way of its name, and of the hundred that come next.
      const number = Number(final.slice(-13))
      for (let i = 0; i <= 101; i++) place.put(final.replace(/\d+$/, String(number + i)), 'x')
      await sink.stop?.()
      assert.equal(place.contentOf(inUse), 'one\n')
      assert.equal(readdirSync(notes).length, 1)
      const log = new RecordingLogger()
      const next = await sinkAt(place, notes, {}, log)
      await next.start?.()
      await until(() => log.lines.some((line) => /keeps its name/.test(line)))
      await next.stop?.()
      assert.equal(readdirSync(notes).length, 1, 'it is asked again')
    })

    it('writes all the same where nothing can be noted, and says so once', async (test) => {
      const [place, notes] = [await make(test), join(await tempDir(test), 'file')]
      writeFileSync(notes, '')
      const log = new RecordingLogger()
      const sink = await sinkAt(place, join(notes, 'below'), { 'hdfs.rollCount': '1' }, log)
      await sink.start?.()
      await sink.write(bodies('one', 'two'))
      await sink.write(bodies('three'))
      await sink.stop?.()
      assert.equal(place.names().length, 3)
      assert.equal(log.lines.filter((line) => /cannot be noted in/.test(line)).length, 1, log.lines.join('\n'))
    })

    it('notes nothing when told so', async (test) => {
      const place = await make(test)
      const sink = await sinkAt(place, 'none')
      await sink.write(bodies('one'))
      await sink.stop?.()
      assert.equal(place.names().length, 1)
    })
  })
}

describe('a sink that starts over WebHDFS', () => {
  it('asks for a file until the lease of a dead data node is over', async (test) => {
    const fake = await FakeWebHdfs.start()
    test.after(() => fake.stop())
    const notes = await tempDir(test)
    const options = {
      'hdfs.path': `${fake.url.replace('http:', 'webhdfs:')}/flume`,
      'hdfs.fileType': 'DataStream',
      'hdfs.openFilesDir': notes,
      'hdfs.closeTries': '1',
      'hdfs.retryInterval': '0',
    }
    const killed = await hdfsSink(options, { clock: systemClock })
    await killed.write(bodies('one'))
    fake.fail('APPEND', 'data', { kind: 'crash', bytes: 3 })
    await assert.rejects(killed.write(bodies('two')))
    const [inUse = ''] = fake.paths
    await killed.stop?.()
    assert.deepEqual(fake.paths, [inUse])
    fake.calls.length = 0
    const next = await hdfsSink(options, { clock: systemClock })
    await next.start?.()
    await until(() => fake.calls.filter((call) => call.startsWith('POST TRUNCATE')).length > 1)
    fake.recoverAll()
    await until(() => readdirSync(notes).length === 0)
    await next.stop?.()
    assert.deepEqual(fake.paths, [inUse.replace(/\.tmp$/, '')])
    // What had arrived of the second batch was no whole line.
    assert.equal(fake.contentOf(fake.paths[0] as string), 'one\n')
  })
})
