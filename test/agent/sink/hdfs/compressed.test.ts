import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { Sink } from '../../../../src/agent/contract.ts'
import { bzip2Uncompress } from '../../../../src/codec/compression/bzip2.ts'
import { snappyUncompress } from '../../../../src/codec/compression/snappy.ts'
import { EventBatch } from '../../../../src/core/event-batch.ts'
import { ManualClock } from '../../../../src/testing/manual-clock.ts'
import { bodies, numbered } from '../../../support/batches.ts'
import { hdfsSink } from '../../../support/hdfs-sink.ts'
import { inflateAll } from '../../../support/inflate-all.ts'
import { logLines } from '../../../support/log-lines.ts'
import { lz4Uncompress } from '../../../support/lz4.ts'
import { sequenceBlocksOf } from '../../../support/sequence-blocks.ts'
import { tempDir } from '../../../support/temp-dir.ts'

const startMs = 1_700_000_000_000
const never = { 'hdfs.rollInterval': '0', 'hdfs.rollSize': '0', 'hdfs.rollCount': '0' }
const plenty = 2 ** 26

function sinkInto(folder: string, texts: Record<string, string>): Promise<Sink> {
  return hdfsSink({ 'hdfs.path': `file://${folder}`, ...never, ...texts }, { clock: new ManualClock(startMs) })
}

function unblock(data: Buffer, uncompress: (chunk: Buffer) => Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < data.length; at += 8 + data.readUInt32BE(at + 4))
    parts.push(uncompress(data.subarray(at + 8, at + 8 + data.readUInt32BE(at + 4))))
  return Buffer.concat(parts)
}

const codecs: readonly (readonly [codec: string, extension: string, read: (data: Buffer) => Buffer])[] = [
  ['gzip', '.gz', (data) => gunzipSync(data)],
  ['org.apache.hadoop.io.compress.DefaultCodec', '.deflate', inflateAll],
  ['BZIP2', '.bz2', (data) => bzip2Uncompress(data, plenty)],
  ['SnappyCodec', '.snappy', (data) => unblock(data, (chunk) => snappyUncompress(chunk, plenty))],
  ['lz4', '.lz4', (data) => unblock(data, lz4Uncompress)],
]

for (const [codec, extension, read] of codecs) {
  test(`with ${codec} each batch can be read as soon as it is confirmed, and the name ends with ${extension} (H-03, H-14, H-24)`, async (t) => {
    const folder = await tempDir(t)
    const sink = await sinkInto(folder, { 'hdfs.fileType': 'CompressedStream', 'hdfs.codeC': codec })
    const name = `FlumeData.${startMs + 1}${extension}`
    await sink.write(numbered(0, 100))
    assert.equal(read(await readFile(join(folder, `${name}.tmp`))).toString(), text(0, 100))
    await sink.write(numbered(100, 50))
    await sink.write(bodies(logLines(400_000).toString()))
    const all = `${text(0, 150)}${logLines(400_000)}\n`
    assert.equal(read(await readFile(join(folder, `${name}.tmp`))).toString(), all)
    await sink.stop?.()
    assert.deepEqual(await readdir(folder), [name])
    assert.equal(read(await readFile(join(folder, name))).toString(), all)
  })
}

test('a suffix of one’s own takes the place of the codec’s (H-03)', async (t) => {
  const folder = await tempDir(t)
  const sink = await sinkInto(folder, {
    'hdfs.fileType': 'CompressedStream',
    'hdfs.codeC': 'gzip',
    'hdfs.fileSuffix': '.log.gz',
    'hdfs.rollCount': '2',
  })
  await sink.write(numbered(0, 3))
  await sink.stop?.()
  assert.deepEqual(
    await readdir(folder),
    [1, 2].map((n) => `FlumeData.${startMs + n}.log.gz`),
  )
})

for (const format of ['Writable', 'Text'] as const) {
  test(`a SequenceFile of ${format} values with a codec is compressed in blocks, one ended with each batch (H-23)`, async (t) => {
    const folder = await tempDir(t)
    const sink = await sinkInto(folder, { 'hdfs.codeC': 'deflate', 'hdfs.writeFormat': format })
    const timestamp = '1700000000123'
    await sink.write(EventBatch.of(['one', '', 'x'.repeat(200)].map((body) => ({ body, headers: { timestamp } }))))
    await sink.write(bodies('a'.repeat(600_000), 'b'.repeat(600_000), 'c'))
    const name = `FlumeData.${startMs + 1}.deflate`
    const file = await readFile(join(folder, `${name}.tmp`))
    const blocks = sequenceBlocksOf(file, format)
    assert.deepEqual(blocks, [
      { keys: [1700000000123n, 1700000000123n, 1700000000123n], values: ['one', '', 'x'.repeat(200)] },
      // A block ends behind a million bytes.
      { keys: [BigInt(startMs), BigInt(startMs)], values: ['a'.repeat(600_000), 'b'.repeat(600_000)] },
      { keys: [BigInt(startMs)], values: ['c'] },
    ])
    await sink.stop?.()
    assert.deepEqual(await readdir(folder), [name])
  })
}

function text(from: number, count: number): string {
  return Array.from({ length: count }, (_, i) => `${from + i}\n`).join('')
}
