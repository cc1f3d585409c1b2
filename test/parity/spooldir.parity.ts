import assert from 'node:assert/strict'
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { AvroContainerWriter, type ContainerCodec } from '../../src/codec/avro/container.ts'
import { systemClock } from '../../src/core/clock.ts'
import { type Side, sideBySide } from '../peers/side-by-side.ts'

interface Case {
  readonly what: string
  readonly options: readonly string[]
  /** Path below the spool directory → content; each a second older than the next unless its name ends with `=`. */
  readonly files: Readonly<Record<string, string | Buffer>>
  /** Lines that come out. */
  readonly lines: number
  readonly versions?: readonly ('1.9' | '1.11')[]
}

const numbers = Array.from({ length: 250 }, (_, i) => `line ${i}\n`).join('')

function avroFile(codec: ContainerCodec): Buffer {
  const schema =
    '{"type":"record","name":"M","namespace":"a.b","doc":"A message.","fields":[{"name":"m","type":"string"},{"name":"n","type":["null","long"],"default":null}]}'
  const sync = Uint8Array.from({ length: 16 }, (_, i) => 100 + i)
  const writer = new AvroContainerWriter({ schema, codec, sync, syncIntervalBytes: 200 })
  const blocks = writer.blocks(60, (out, i) => {
    out.string(`message ${i}`)
    out.long(i % 2)
    if (i % 2) out.long(i * 1000)
  })
  return Buffer.concat([writer.header(), blocks])
}

const cases: readonly Case[] = [
  {
    what: 'lines of all kinds, an empty file and an unfinished one (S-71, S-72, S-76…S-78, S-83)',
    options: [],
    files: {
      a: 'one\r\ntwo\n\nthree',
      empty: '',
      'c.COMPLETED': 'done before\n',
      '.hidden': 'no\n',
      d: '\ufeffgrün €\n',
      e: numbers,
    },
    lines: 256,
    versions: ['1.9', '1.11'],
  },
  {
    what: 'headers of one’s own names, a suffix of one’s own (S-80)',
    options: [
      'fileHeader = true',
      'fileHeaderKey = path',
      'basenameHeader = true',
      'basenameHeaderKey = name',
      'fileSuffix = .done',
      'batchSize = 7',
    ],
    files: { a: numbers, empty: '', 'x.done': 'no\n' },
    lines: 251,
    versions: ['1.9', '1.11'],
  },
  {
    what: 'patterns and directories (S-71)',
    options: [
      'includePattern = .*\\\\.log',
      'ignorePattern = (secret.*|skip)',
      'recursiveDirectorySearch = true',
      'basenameHeader = true',
    ],
    files: {
      'a.log': '1\n',
      'b.txt': 'no\n',
      'secret.log': 'no\n',
      'under/c.log': '2\n',
      'under/deep/d.log': '3\n',
      'skip/e.log': 'no\n',
      '.dot/f.log': 'no\n',
      'xa.log.bak': 'no\n',
    },
    lines: 3,
  },
  {
    what: 'the youngest first, ties by name (S-72)',
    options: ['consumeOrder = youngest', 'basenameHeader = true'],
    files: { old: 'o\n', 'm2=': '2\n', 'm1=': '1\n', 'm3=': '3\n', young: 'y\n' },
    lines: 5,
  },
  {
    what: 'markers in a tracker directory (S-76)',
    options: [
      'trackingPolicy = tracker_dir',
      'trackerDir = FOLDER/tracker',
      'recursiveDirectorySearch = true',
      'fileHeader = true',
    ],
    files: { a: '1\n', 'under/b': '2\n', 'under/empty': '' },
    lines: 3,
  },
  {
    what: 'files that are deleted (S-76)',
    options: ['deletePolicy = IMMEDIATE', 'pollDelay = 50', 'consumeOrder = OLDEST'],
    files: { a: '1\n', b: numbers },
    lines: 251,
    versions: ['1.9', '1.11'],
  },
  {
    what: 'malformed bytes that are replaced (S-79)',
    options: ['decodeErrorPolicy = replace'],
    files: { a: Buffer.from('good\nb\xffad\n\xe2\x82\nend\n', 'latin1') },
    lines: 4,
  },
  {
    what: 'malformed bytes that are left out (S-79)',
    options: ['decodeErrorPolicy = IGNORE'],
    files: { a: Buffer.from('good\nb\xffad\n\xc3\nend\n', 'latin1') },
    lines: 4,
  },
  {
    what: 'other charsets in and out',
    options: ['inputCharset = ISO-8859-1', 'deserializer.outputCharset = UTF-16BE', 'deserializer = LINE'],
    files: { a: Buffer.from('gr\xfcn\nblau\n', 'latin1') },
    lines: 2,
  },
  {
    what: 'long lines (S-78)',
    options: ['deserializer.maxLineLength = 10', 'batchSize = 3'],
    files: { a: `${'x'.repeat(25)}\nshort\n${'äöü'.repeat(5)}\nend` },
    lines: 7,
  },
  {
    what: 'the older name for the longest line',
    options: ['bufferMaxLineLength = 4', 'bufferMaxLines = 100'],
    files: { a: 'abcdefghi\njk\n' },
    lines: 4,
  },
  {
    what: 'Avro with fingerprints',
    options: ['deserializer = AVRO', 'batchSize = 7', 'basenameHeader = true'],
    files: { 'plain.avro': avroFile('null'), 'packed.avro': avroFile('deflate'), 'snappy.avro': avroFile('snappy') },
    lines: 180,
  },
  {
    what: 'Avro with schemas',
    options: [
      'deserializer = org.apache.flume.serialization.AvroEventDeserializer$Builder',
      'deserializer.schemaType = literal',
    ],
    files: { 'plain.avro': avroFile('null') },
    lines: 60,
    versions: ['1.9', '1.11'],
  },
]

async function fill(folder: string, files: Case['files']): Promise<void> {
  let second = 1_400_000_000
  for (const [path, content] of Object.entries(files)) {
    const name = join(folder, 'spool', path)
    await mkdir(dirname(name), { recursive: true })
    await writeFile(name, content)
    if (!path.endsWith('=')) second++
    await utimes(name, second, second)
  }
}

/** Headers have the order of a hash map, which depends on how that was made. */
function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/^\{(.*?)\} /, (_, headers: string) => `{${headers.split(', ').sort().join(', ')}} `))
}

/** What lies there in the end; Flume leaves the position of its last file, and the folder for it. */
async function namesIn(folder: string): Promise<readonly string[]> {
  const names: string[] = []
  for (const where of ['spool', 'tracker']) {
    const found = await readdir(join(folder, where), { recursive: true }).catch(() => [])
    names.push(...found.map((name) => `${where}/${name}`))
  }
  return names.filter((name) => !name.endsWith('.meta')).sort()
}

for (const { what, options, files, lines, versions } of cases) {
  for (const version of versions ?? (['1.11'] as const)) {
    test(`spooldir, ${what}: events and files are those of Flume ${version}`, async (t) => {
      const folders: Partial<Record<Side, string>> = {}
      const { theirs, ours } = await sideBySide(t, {
        version,
        source: ['type = spooldir', 'spoolDir = FOLDER/spool', ...options],
        prepare: (folder) => fill(folder, files),
        feed: async ({ side, folder, written }) => {
          folders[side] = folder
          await written(lines)
          // A file that was read to its end is renamed a moment later.
          await systemClock.sleep(1000)
        },
        lines,
      })
      assert.deepEqual(linesOf(ours), linesOf(theirs))
      assert.deepEqual(await namesIn(folders.ours as string), await namesIn(folders.theirs as string))
    })
  }
}
