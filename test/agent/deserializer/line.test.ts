import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type { DeserializerInput, EventBatch } from '../../../src/agent/contract.ts'
import { line } from '../../../src/agent/deserializer/line.ts'
import { type Charset, charsetNamed } from '../../../src/codec/charset.ts'
import { fc } from '../../support/properties.ts'
import { readOptions } from '../../support/read-options.ts'
import { realData } from '../../support/real-data.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'

interface Reading {
  readonly options?: Record<string, string>
  readonly charset?: string
  readonly malformed?: DeserializerInput['malformed']
  readonly offset?: number
  readonly max?: number
  /** Most bytes that one read of the file gives. */
  readonly readMax?: number
  readonly log?: RecordingLogger
}

async function open(file: Uint8Array, reading: Reading = {}) {
  return await line.create(readOptions(line, reading.options), {
    path: '/spool/a.txt',
    sizeBytes: file.length,
    offset: reading.offset ?? 0,
    read: async (target, position) => {
      const piece = file.subarray(
        position,
        position + Math.min(target.length, reading.readMax ?? Number.POSITIVE_INFINITY),
      )
      target.set(piece)
      return piece.length
    },
    log: reading.log ?? new RecordingLogger(),
    charset: charsetNamed(reading.charset ?? 'UTF-8') as Charset,
    malformed: reading.malformed ?? 'FAIL',
  })
}

/** Every event's bytes as latin1 text, which keeps each byte apart, and the offsets behind the batches. */
async function readAll(file: Uint8Array, reading: Reading = {}) {
  const deserializer = await open(file, reading)
  const bodies: string[] = []
  const offsets: number[] = []
  for (;;) {
    const piece = await deserializer.read(reading.max ?? 1)
    if (!piece) return { bodies, offsets }
    bodies.push(...latin1(piece.batch))
    offsets.push(piece.offset)
  }
}

function latin1(batch: EventBatch): string[] {
  return Array.from(batch.events(), ({ body }) => Buffer.from(body).toString('latin1'))
}

const bytesOf = (text: string): string => Buffer.from(text).toString('latin1')

describe('line deserializer', () => {
  for (const [what, file, expected] of [
    ['lines', 'a\nbc\n', ['a', 'bc']],
    ['a last line without an end', 'a\nbc', ['a', 'bc']],
    ['carriage returns, which stay (S-78)', 'a\r\nb\rc\r\n', ['a\r', 'b\rc\r']],
    ['empty lines', '\n\na\n\n', ['', '', 'a', '']],
    ['other characters that end lines elsewhere', 'a\u2028b\u0085c\vd\n', [bytesOf('a\u2028b\u0085c\vd')]],
    ['a byte order mark, which stays (S-83)', '\uFEFFa\nb\n', [bytesOf('\uFEFFa'), 'b']],
    ['an empty file', '', []],
  ] as const) {
    it(`reads ${what}`, async () => {
      assert.deepEqual((await readAll(Buffer.from(file))).bodies, expected)
    })
  }

  // What Flume 1.11 gives, but for the mended cases.
  for (const [what, file, max, expected] of [
    ['a line above the limit in pieces, none lost (S-78)', 'abcdefghij\nend\n', 4, ['abcd', 'efgh', 'ij', 'end']],
    [
      'a line of exactly the limit as one event, where Flume adds an empty one (S-78)',
      'abcd\nend\n',
      4,
      ['abcd', 'end'],
    ],
    ['twice the limit as two events', 'efghijkl\nend\n', 4, ['efgh', 'ijkl', 'end']],
    ['characters, not bytes', 'éééé\nééééé\n', 4, ['éééé', 'éééé', 'é']],
    ['a surrogate pair in one piece, where Flume writes two question marks', 'abc😀def\n', 4, ['abc', '😀de', 'f']],
    ['a last line without an end', 'abcdef', 4, ['abcd', 'ef']],
    ['a limit of one', 'ab\n\nc', 1, ['a', 'b', '', 'c']],
  ] as const) {
    it(`cuts at maxLineLength: ${what}`, async () => {
      const { bodies } = await readAll(Buffer.from(file), { options: { maxLineLength: String(max) } })
      assert.deepEqual(bodies, expected.map(bytesOf))
    })
  }

  it('warns of a long line once for each file', async () => {
    const log = new RecordingLogger()
    await readAll(Buffer.from('abcdefgh\nabcdefgh\n'), { options: { maxLineLength: '4' }, log })
    assert.equal(log.lines.length, 1)
    assert.match(log.lines[0] as string, /^warn: \/spool\/a.txt: .*maxLineLength \(4\)/)
  })

  it('takes the older option of the source over its own', async () => {
    const file = Buffer.from('abcdef\n')
    const deserializer = await line.create(readOptions(line, { maxLineLength: '100' }), {
      path: 'a',
      sizeBytes: file.length,
      offset: 0,
      read: async (target, position) => {
        target.set(file.subarray(position))
        return file.length - position
      },
      log: new RecordingLogger(),
      charset: charsetNamed('UTF-8') as Charset,
      malformed: 'FAIL',
      maxLineLength: 3,
    })
    assert.deepEqual(latin1((await deserializer.read(10))?.batch as EventBatch), ['abc', 'def'])
  })

  // The bytes that Flume 1.11 wrote for the same file and settings.
  for (const [what, file, charset, malformed, options, expected] of [
    ['UTF-16 with a mark', '\ufeffa1 é€😀\nb2 x\n', 'UTF-16', 'FAIL', {}, ['a1 é€😀', 'b2 x']],
    ['UTF-16 without a mark', 'a1 é€😀\nb2 x\n', 'UTF-16', 'FAIL', {}, ['a1 é€😀', 'b2 x']],
    ['UTF-16BE with a mark, which stays', '\ufeffa\nb', 'UTF-16BE', 'FAIL', {}, ['\ufeffa', 'b']],
    ['letters that hold the byte of a line feed', 'a\u0a0ab\u0a00\nc', 'UTF-16', 'FAIL', {}, ['a\u0a0ab\u0a00', 'c']],
  ] as const) {
    it(`reads ${what}`, async () => {
      const bytes = Buffer.from(file, 'utf16le').swap16()
      const { bodies, offsets } = await readAll(bytes, { charset, malformed, options, readMax: 3 })
      assert.deepEqual(bodies, expected.map(bytesOf))
      assert.equal(offsets.at(-1), bytes.length)
    })
  }

  it('goes on in the middle of a little-endian file, where Flume forgets its mark', async () => {
    const file = Buffer.from('\ufeffab\ncd\nef\n', 'utf16le')
    const { offsets } = await readAll(file, { charset: 'UTF-16' })
    assert.deepEqual(offsets, [8, 14, 20])
    assert.deepEqual((await readAll(file, { charset: 'UTF-16', offset: 8 })).bodies, ['cd', 'ef'])
  })

  for (const [what, bytes, charset, expected] of [
    ['ISO-8859-1', 'x\x80\xe9y\n', 'ISO-8859-1', 'x\u0080éy'],
    ['windows-1252', 'x\x80\n', 'windows-1252', 'x€'],
    ['GBK', '\xd6\xd0\xce\xc4\n', 'GBK', '中文'],
    ['Shift_JIS', '\x93\xfa\x96\x7b\n', 'Shift_JIS', '日本'],
  ] as const) {
    it(`turns ${what} into UTF-8`, async () => {
      const { bodies, offsets } = await readAll(Buffer.from(bytes, 'latin1'), { charset })
      assert.deepEqual(bodies, [bytesOf(expected)])
      assert.deepEqual(offsets, [bytes.length])
    })
  }

  it('writes outputCharset, a question mark for what it does not have', async () => {
    const file = Buffer.from('x é € 😀\n')
    assert.deepEqual((await readAll(file, { options: { outputCharset: 'ISO-8859-1' } })).bodies, ['x \xe9 ? ?'])
    assert.deepEqual((await readAll(Buffer.from('x é\n'), { options: { outputCharset: 'UTF-16' } })).bodies, [
      '\xfe\xff\0x\0 \0\xe9',
    ])
  })

  it('refuses an output charset that is only read', () => {
    assert.throws(() => readOptions(line, { outputCharset: 'GBK' }), /only read/)
    assert.throws(() => readOptions(line, { outputCharset: 'nope' }), /is none of/)
  })

  describe('bytes that are no text (S-79)', () => {
    const file = Buffer.from('good1\ngood2\nbad\xff\xe9\nmore\n', 'latin1')

    it('REPLACE makes them U+FFFD', async () => {
      const { bodies, offsets } = await readAll(file, { malformed: 'REPLACE' })
      assert.deepEqual(bodies, ['good1', 'good2', bytesOf('bad\uFFFD\uFFFD'), 'more'])
      assert.deepEqual(offsets, [6, 12, 18, 23], 'offsets are those of the file, not of the repaired text')
    })

    it('IGNORE leaves them out', async () => {
      assert.deepEqual((await readAll(file, { malformed: 'IGNORE' })).bodies, ['good1', 'good2', 'bad', 'more'])
    })

    it('FAIL delivers the good lines before, where Flume loses them, and then stops there for good', async () => {
      const deserializer = await open(file, { malformed: 'FAIL' })
      assert.deepEqual(latin1((await deserializer.read(100))?.batch as EventBatch), ['good1', 'good2'])
      for (let attempt = 0; attempt < 2; attempt++) {
        await assert.rejects(deserializer.read(100), { code: 'INVALID_DATA', message: /bytes 12 to 17 is not UTF-8/ })
      }
    })

    it('a character that the end of the file cuts is one of them, where Flume drops it', async () => {
      const cut = Buffer.from('abc\n\xe2\x82', 'latin1')
      assert.deepEqual((await readAll(cut, { malformed: 'REPLACE' })).bodies, ['abc', bytesOf('\uFFFD')])
      await assert.rejects(readAll(cut), { code: 'INVALID_DATA' })
    })

    it('a good line is good wherever a chunk of the file ends in it', async () => {
      const text = Buffer.from('é€😀\n😀😀\n')
      for (let readMax = 1; readMax < text.length; readMax++) {
        assert.deepEqual((await readAll(text, { readMax })).bodies, [bytesOf('é€😀'), bytesOf('😀😀')])
      }
    })
  })

  it('gives the same events from wherever it goes on, in whatever pieces it reads', async () => {
    const piece = fc.constantFrom('a', 'bc', '\n', '\r', 'é', '€', '😀', 'long line of text', '\n\n')
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 40 }),
        fc.record({
          max: fc.integer({ min: 1, max: 5 }),
          readMax: fc.integer({ min: 1, max: 9 }),
          limit: fc.integer({ min: 1, max: 12 }),
        }),
        fc.constantFrom('UTF-8', 'UTF-16', 'UTF-16LE'),
        async (pieces, { max, readMax, limit }, charset) => {
          const text = pieces.join('')
          const file = Buffer.from(text, charset === 'UTF-8' ? 'utf8' : 'utf16le')
          if (charset === 'UTF-16') file.swap16()
          const reading: Reading = { charset, max, readMax, options: { maxLineLength: String(limit) } }
          const whole = await readAll(file, reading)
          const lines = text.endsWith('\n') || text === '' ? text.split('\n').slice(0, -1) : text.split('\n')
          assert.equal(whole.bodies.join(''), bytesOf(lines.join('')), 'no byte is lost or added')
          for (const body of whole.bodies)
            assert.ok(Buffer.from(body, 'latin1').toString().length <= Math.max(2, limit))
          for (const offset of whole.offsets) {
            const later = await readAll(file, { ...reading, offset, max: 1 })
            assert.deepEqual(later.bodies, whole.bodies.slice(whole.bodies.length - later.bodies.length))
          }
        },
      ),
      { numRuns: 200 },
    )
  })

  it('reads a chunk once: bodies are ranges of the bytes as they were read', async () => {
    const deserializer = await open(Buffer.from('abc\ndef\nghi\n'))
    const first = await deserializer.read(2)
    const second = await deserializer.read(2)
    assert.equal(first?.batch.body, second?.batch.body)
    assert.deepEqual([first?.offset, second?.offset], [8, 12])
  })

  it('holds no more of a large file than a chunk and a line', async () => {
    // 10 GB of lines of 100 bytes, of which only what is asked for is ever made.
    const sizeBytes = 10_000_000_000
    let largestRead = 0
    const deserializer = await line.create(readOptions(line), {
      path: 'large',
      sizeBytes,
      offset: 9_990_000_000,
      read: async (target, position) => {
        largestRead = Math.max(largestRead, target.length)
        const length = Math.min(target.length, sizeBytes - position)
        target.fill(0x61, 0, length)
        for (let at = 99 - (position % 100); at < length; at += 100) target[at] = 0x0a
        return length
      },
      log: new RecordingLogger(),
      charset: charsetNamed('UTF-8') as Charset,
      malformed: 'FAIL',
    })
    let events = 0
    let offset = 0
    for (let piece = await deserializer.read(1000); piece; piece = await deserializer.read(1000)) {
      events += piece.batch.count
      offset = piece.offset
    }
    assert.equal(events, 100_000)
    assert.equal(offset, sizeBytes)
    assert.ok(largestRead <= 1024 * 1024)
  })

  const accessLog = realData('access.log')
  it('brings 10,000 real lines through as they are', {
    skip: existsSync(accessLog) ? false : 'the access log is not here',
  }, async () => {
    const file = readFileSync(accessLog)
    const { bodies } = await readAll(file, { max: 100 })
    assert.equal(bodies.length, 10_000)
    assert.equal(`${bodies.join('\n')}\n`, file.toString('latin1'))
  })
})
