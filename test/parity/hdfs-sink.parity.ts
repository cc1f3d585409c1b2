import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { bzip2Uncompress } from '../../src/codec/compression/bzip2.ts'
import { readSequenceHeader } from '../../src/codec/sequence-file.ts'
import { systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { awaitDrained, monitoredOn, startFlume } from '../peers/peers.ts'
import { valuesOf } from '../support/avro-container.ts'
import { freePort } from '../support/free-port.ts'
import { hdfsSink } from '../support/hdfs-sink.ts'
import { inflateAll } from '../support/inflate-all.ts'
import { sequenceBlocksOf } from '../support/sequence-blocks.ts'

const headers = { timestamp: '1675505167123', host: 'web1', topic: 'a/b', category: 'größe' }
const lines = Array.from({ length: 25 }, (_, i) => `line ${i}${'.'.repeat(i)}`)

const cases: { what: string; path?: string; options: Record<string, string> }[] = [
  { what: 'the defaults', options: {} },
  { what: 'Text values', options: { 'hdfs.writeFormat': 'Text', 'hdfs.rollCount': '7', 'hdfs.rollSize': '0' } },
  {
    what: 'lines that roll by size',
    options: { 'hdfs.fileType': 'DataStream', 'hdfs.rollSize': '100', 'hdfs.rollCount': '0' },
  },
  { what: 'headers and lines', options: { 'hdfs.fileType': 'DataStream', serializer: 'header_and_text' } },
  {
    what: 'every escape sequence',
    path: '/%[localhost]/%[IP]/%[fqdn]/%Y-%m-%d/%{host}-%{none}/%H%M%S/%a%A%b%B%e%I%j%k%l%n%p%y%z%%/%t/%s/%{topic}/%c/%D%q',
    options: {
      'hdfs.fileType': 'DataStream',
      'hdfs.filePrefix': 'x-%{host}-%d',
      'hdfs.fileSuffix': '.log',
      'hdfs.timeZone': 'America/New_York',
      'hdfs.round': 'true',
      'hdfs.roundValue': '5',
      'hdfs.roundUnit': 'minute',
    },
  },
]

const everything = { 'hdfs.rollCount': '0', 'hdfs.rollSize': '0', 'hdfs.rollInterval': '0' }
for (const codec of ['gzip', 'BZip2Codec', 'org.apache.hadoop.io.compress.DefaultCodec']) {
  cases.push({
    what: `a stream of ${codec} (H-03, H-24)`,
    options: { ...everything, 'hdfs.fileType': 'CompressedStream', 'hdfs.codeC': codec },
  })
}
cases.push(
  {
    what: 'blocks of a SequenceFile (H-23)',
    options: { ...everything, 'hdfs.codeC': 'deflate', 'hdfs.writeFormat': 'Text' },
  },
  { what: 'an Avro container', options: { ...everything, 'hdfs.fileType': 'DataStream', serializer: 'avro_event' } },
  {
    what: 'a compressed Avro container with a suffix of its own',
    options: {
      ...everything,
      'hdfs.fileType': 'DataStream',
      'hdfs.fileSuffix': '.avro',
      serializer: 'avro_event',
      'serializer.compressionCodec': 'snappy',
    },
  },
  {
    what: 'headers in a compressed stream with a suffix of its own',
    options: {
      ...everything,
      'hdfs.fileType': 'compressedstream',
      'hdfs.codeC': 'GZIP',
      'hdfs.fileSuffix': '.x',
      serializer: 'HEADER_AND_TEXT',
      'serializer.appendNewline': 'false',
    },
  },
)

for (const version of ['1.9', '1.11'] as const) {
  test(`the files are those of Flume ${version}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'flume-ts-parity-'))
    t.after(() => rm(folder, { recursive: true }))
    const port = await freePort()
    const monitoring = await freePort()
    const jvm = monitoredOn(monitoring)
    await using flume = await startFlume({ version, properties: flumeProperties(port, folder), jvm })
    const socket = connect(port, '127.0.0.1')
    socket.write(lines.map((line) => `${line}\n`).join(''))
    let answered = ''
    for await (const chunk of socket) {
      answered += chunk
      if (answered.length >= 3 * lines.length) break
    }
    // A batch is done when the channel's wait for more is over; a stop gives every file its final name.
    await awaitDrained(flume, monitoring)
    await flume.stop()
    for (const [index, { what, path = '', options }] of cases.entries()) {
      const sink = await hdfsSink(
        { 'hdfs.path': `file://${folder}/ours/${index}${path}`, ...options },
        { clock: systemClock },
      )
      await sink.write(EventBatch.of(lines.map((body) => ({ body, headers }))))
      await sink.stop?.()
      const theirs = await filesIn(join(folder, 'theirs', String(index)))
      const ours = await filesIn(join(folder, 'ours', String(index)))
      assert.ok(theirs.length > 0, what)
      assert.deepEqual(ours, theirs, what)
    }
  })
}

function flumeProperties(port: number, folder: string): string {
  const names = cases.map((_, i) => i)
  const rows = [
    'a1.sources = r1',
    `a1.channels = ${names.map((i) => `c${i}`).join(' ')}`,
    `a1.sinks = ${names.map((i) => `k${i}`).join(' ')}`,
    'a1.sources.r1.type = netcat',
    'a1.sources.r1.bind = 127.0.0.1',
    `a1.sources.r1.port = ${port}`,
    `a1.sources.r1.channels = ${names.map((i) => `c${i}`).join(' ')}`,
    `a1.sources.r1.interceptors = ${Object.keys(headers).join(' ')}`,
  ]
  for (const [key, value] of Object.entries(headers)) {
    const escaped = value.replaceAll(/[^ -~]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)
    rows.push(`a1.sources.r1.interceptors.${key}.type = static`)
    rows.push(`a1.sources.r1.interceptors.${key}.key = ${key}`)
    rows.push(`a1.sources.r1.interceptors.${key}.value = ${escaped}`)
  }
  for (const [i, { path = '', options }] of cases.entries()) {
    rows.push(`a1.channels.c${i}.type = memory`, `a1.sinks.k${i}.type = hdfs`, `a1.sinks.k${i}.channel = c${i}`)
    rows.push(`a1.sinks.k${i}.hdfs.path = file://${folder}/theirs/${i}${path}`)
    for (const [key, value] of Object.entries(options)) rows.push(`a1.sinks.k${i}.${key} = ${value}`)
  }
  return rows.join('\n')
}

/** Names and contents in order, without what differs from run to run: counters in names and sync markers. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath ?? entry.path, entry.name)] : []))
  const found = paths.filter((path) => !path.endsWith('.crc')).sort()
  return Promise.all(
    found.map(async (path) => {
      const content = await contentOf(await readFile(path))
      return `${path.slice(folder.length).replace(/\d{13}(?=[^/]*$)/, '<n>')}: ${content}`
    }),
  )
}

/** What a file says, whatever pieces it was written in. */
async function contentOf(file: Buffer): Promise<string> {
  const bytes = file.toString('latin1')
  if (bytes.startsWith('\x1f\x8b')) return gunzipSync(file).toString('latin1')
  if (bytes.startsWith('BZh')) return bzip2Uncompress(file, 1 << 24).toString('latin1')
  if (bytes.startsWith('\x78\x9c')) return inflateAll(file).toString('latin1')
  if (bytes.startsWith('Obj\x01')) {
    const { schema, codec, values } = await valuesOf(file)
    return JSON.stringify({ schema, codec, values })
  }
  if (readSequenceHeader(file)?.inBlocks) {
    const blocks = sequenceBlocksOf(file, 'Text')
    const header = bytes.slice(0, readSequenceHeader(file)?.endBytes as number).slice(0, -16)
    const records = blocks.flatMap(({ keys, values }) => keys.map((key, i) => `${key} ${values[i]}`))
    return [header, ...records].join('\n')
  }
  const sync = /^SEQ\x06[\s\S][\w.]{33}[\s\S][\w.]{25,34}\0{6}([\s\S]{16})/.exec(bytes)?.[1]
  return sync === undefined ? bytes : bytes.replaceAll(sync, '<sync>')
}
