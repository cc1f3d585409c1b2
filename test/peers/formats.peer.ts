import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Deserializer } from '../../src/agent/contract.ts'
import { avro } from '../../src/agent/deserializer/avro.ts'
import { hasZstd } from '../../src/codec/compression/zstd.ts'
import { systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { valuesOf } from '../support/avro-container.ts'
import { deserializerInput } from '../support/deserializer-input.ts'
import { hdfsSink } from '../support/hdfs-sink.ts'
import { logLines } from '../support/log-lines.ts'
import { readOptions } from '../support/read-options.ts'
import { tempDir } from '../support/temp-dir.ts'
import { startJava } from './peers.ts'

const timestamp = '1700000000123'
/** Empty, small, of many lengths, and larger than any codec's buffer. */
const bodies: readonly string[] = [
  '',
  'x',
  ...logLines(30_000).toString('latin1').split('\n'),
  logLines(700_000).toString('latin1').replaceAll('\n', ' '),
  'end',
]
const batches = [bodies.slice(0, 2), bodies.slice(2, 200), bodies.slice(200)].map((texts) =>
  EventBatch.of(texts.map((body, i) => ({ body, headers: { timestamp, n: String(i % 7) } }))),
)
const never = { 'hdfs.rollInterval': '0', 'hdfs.rollSize': '0', 'hdfs.rollCount': '0' }

/** What stands in the file when all is well, as the reader's program digests it. */
const contents = {
  stream: Buffer.from(bodies.map((body) => `${body}\n`).join('')),
  records: Buffer.from(bodies.map((body) => `${timestamp}\t${body}\n`).join('')),
}

interface Case {
  readonly name: string
  readonly options: Readonly<Record<string, string>>
  readonly expected: string
}

const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex')
const codecs = ['gzip', 'deflate', 'bzip2', 'snappy', 'lz4', ...(hasZstd ? ['zstd'] : [])]
const streams = codecs.map(
  (codec): Case => ({
    name: `stream.${codec}`,
    options: { 'hdfs.fileType': 'CompressedStream', 'hdfs.codeC': codec },
    expected: `${contents.stream.length} ${md5(contents.stream)}`,
  }),
)
// Hadoop has Zstandard in its native library only.
const records = ['None', ...codecs.filter((codec) => codec !== 'zstd'), 'default'].flatMap((codec) =>
  ['Writable', 'Text'].map(
    (format): Case => ({
      name: `records.${codec}.${format}`,
      options: { 'hdfs.codeC': codec, 'hdfs.writeFormat': format },
      expected: `${bodies.length} ${md5(contents.records)}`,
    }),
  ),
)

async function write(folder: string, { name, options }: Case): Promise<void> {
  const sink = await hdfsSink({ 'hdfs.path': `file://${folder}/${name}`, ...never, ...options }, { clock: systemClock })
  for (const batch of batches) await sink.write(batch)
  // Read while it is open: all of it is confirmed.
  const [inUse] = await readdir(join(folder, name))
  const extension = /\.\d+(\.[a-z0-9]+)?\.tmp$/.exec(inUse as string)?.[1] ?? ''
  await copyFile(join(folder, name, inUse as string), join(folder, 'all', `${name}.open${extension}`))
  await sink.stop?.()
  const [done] = await readdir(join(folder, name))
  await copyFile(join(folder, name, done as string), join(folder, 'all', `${name}.done${extension}`))
}

async function answersTo(folder: string): Promise<ReadonlyMap<string, string>> {
  await using java = await startJava('hadoop-3.3', 'FormatFiles', ['read', folder])
  await java.waitFor(/^DONE$/m)
  return new Map(
    [...java.stdout.matchAll(/^> (\S+) (.*)$/gm)].map(([, name, answer]) => [name as string, answer as string]),
  )
}

test('Hadoop’s own readers find every event in compressed files and SequenceFiles, open and closed (H-23, H-24)', async (t) => {
  const folder = await tempDir(t)
  await mkdir(join(folder, 'all'))
  for (const one of [...streams, ...records]) await write(folder, one)
  const answers = await answersTo(join(folder, 'all'))
  const wrong: string[] = []
  for (const { name, expected } of [...streams, ...records]) {
    const found = [...answers].filter(([file]) => file.startsWith(`${name}.open`) || file.startsWith(`${name}.done`))
    assert.equal(found.length, 2, name)
    for (const [file, answer] of found) if (answer !== expected) wrong.push(`${file}: ${answer}, not ${expected}`)
  }
  assert.deepEqual(wrong, [])
})

test('hadoop fs -text of 3.2 prints what its own codecs can', async (t) => {
  const folder = await tempDir(t)
  await mkdir(join(folder, 'all'))
  const plain = [...streams.slice(0, 3), ...records.filter(({ name }) => name === 'records.deflate.Text')]
  for (const one of plain) await write(folder, one)
  const files = (await readdir(join(folder, 'all'))).filter((name) => name.includes('.done'))
  assert.equal(files.length, plain.length)
  for (const name of files) {
    const url = `file://${folder}/all/${name}`
    await using shell = await startJava('hadoop-3.2', 'org.apache.hadoop.fs.FsShell', ['-text', url])
    assert.equal(await shell.exited, 0, shell.stderr.slice(-1000))
    const kind = name.startsWith('stream') ? 'stream' : 'records'
    assert.ok(shell.stdout.endsWith(contents[kind].toString()), name)
  }
})

const codecsOfAvro = ['null', 'deflate', 'snappy', 'bzip2', ...(hasZstd ? ['zstandard'] : [])]

test('Avro’s own reader finds headers and bodies in containers of every codec', async (t) => {
  const folder = await tempDir(t)
  await mkdir(join(folder, 'all'))
  const cases = codecsOfAvro.map((codec) => ({
    name: `events.${codec}`,
    options: {
      'hdfs.fileType': 'DataStream',
      serializer: 'avro_event',
      'serializer.compressionCodec': codec,
      'serializer.syncIntervalBytes': '5000',
      'hdfs.fileSuffix': '.avro',
    },
    expected: '',
  }))
  for (const one of cases) await write(folder, one)
  const schema = '{"type":"record","name":"M","fields":[{"name":"m","type":"string"}]}'
  const own = await hdfsSink(
    {
      'hdfs.path': `file://${folder}/own`,
      ...never,
      'hdfs.fileType': 'DataStream',
      serializer: 'AvroEventSerializer',
    },
    { clock: systemClock },
  )
  await own.write(
    EventBatch.of(
      ['one', 'two'].map((m) => ({
        headers: { 'flume.avro.schema.literal': schema },
        body: Buffer.from(`${String.fromCharCode(2 * m.length)}${m}`),
      })),
    ),
  )
  await own.stop?.()
  const [name] = await readdir(join(folder, 'own'))
  await copyFile(join(folder, 'own', name as string), join(folder, 'all', 'own.avro'))
  const answers = await answersTo(join(folder, 'all'))
  assert.equal(answers.get('own.avro'), `2 ${md5(Buffer.from('{"m": "one"}\n{"m": "two"}\n'))}`)
  const reference = answers.get('events.null.done.avro') as string
  assert.match(reference, new RegExp(`^${bodies.length} `))
  for (const { name } of cases) {
    for (const state of ['open', 'done']) assert.equal(answers.get(`${name}.${state}.avro`), reference, name)
  }
})

test('containers that Avro’s own writer made are read, value by value', async (t) => {
  const folder = await tempDir(t)
  await using java = await startJava('hadoop-3.3', 'FormatFiles', ['write', folder])
  await java.waitFor(/^DONE$/m)
  for (const codec of codecsOfAvro) {
    const file = await readFile(join(folder, `${codec}.avro`))
    const { values, blocks } = await valuesOf(file)
    assert.ok(blocks > 5)
    assert.deepEqual(
      JSON.parse(JSON.stringify(values)),
      Array.from({ length: 1000 }, (_, i) => ({
        n: i * i * 1000003,
        t: i % 3 === 0 ? null : `text ${i}`,
      })),
    )
    const deserializer = avro.create(readOptions(avro, {}), deserializerInput(file)) as Deserializer
    let count = 0
    for (let piece = await deserializer.read(77); piece; piece = await deserializer.read(77)) count += piece.batch.count
    assert.equal(count, 1000)
  }
})
