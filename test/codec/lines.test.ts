import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LineCutter, type LineOptions } from '../../src/codec/lines.ts'
import { fc } from '../support/properties.ts'

interface Cut {
  readonly lines: string[]
  readonly end: string | undefined
}

function cut(options: LineOptions, ...chunks: (Buffer | string)[]): Cut {
  const cutter = new LineCutter(options)
  const lines: string[] = []
  for (const chunk of chunks) {
    const { batch, end } = cutter.cut(Buffer.from(chunk))
    for (const event of batch.events()) lines.push(Buffer.from(event.body).toString())
    if (end) return { lines, end }
  }
  return { lines, end: undefined }
}

const bytes = { lineMax: 10, unit: 'bytes' } as const
const characters = { lineMax: 10, unit: 'characters', checkUtf8: true } as const

const cases: { name: string; options: LineOptions; chunks: (Buffer | string)[]; lines: string[]; end?: string }[] = [
  {
    name: 'an empty line is an event without a body (S-20)',
    options: bytes,
    chunks: ['\n\na\n'],
    lines: ['', '', 'a'],
  },
  { name: 'a carriage return stays (S-20)', options: bytes, chunks: ['a\r\nb\n'], lines: ['a\r', 'b'] },
  {
    name: 'what follows the last newline waits for its own',
    options: bytes,
    chunks: ['a\nb', 'c\nd'],
    lines: ['a', 'bc'],
  },
  { name: 'a line may come in many chunks', options: bytes, chunks: ['a', 'b', 'c', '\n'], lines: ['abc'] },
  { name: 'a line and its newline just fit', options: bytes, chunks: ['123456789\n'], lines: ['123456789'] },
  {
    name: 'a line that leaves no room for its newline is too long (S-22)',
    options: bytes,
    chunks: ['a\n1234567890\nb\n'],
    lines: ['a'],
    end: 'overlong',
  },
  {
    name: 'a line is too long before its newline comes (S-22)',
    options: bytes,
    chunks: ['a\n12345', '67890'],
    lines: ['a'],
    end: 'overlong',
  },
  {
    name: 'nine characters of three bytes fit ten characters',
    options: characters,
    chunks: ['€€€€€€€€€\n'],
    lines: ['€€€€€€€€€'],
  },
  { name: 'ten characters do not fit', options: characters, chunks: ['€€€€€€€€€€\n'], lines: [], end: 'overlong' },
  {
    name: 'a character outside the basic plane counts twice, as in Java',
    options: characters,
    chunks: ['😀😀😀😀1\n', '😀😀😀😀😀\n'],
    lines: ['😀😀😀😀1'],
    end: 'overlong',
  },
  {
    name: 'characters cut between chunks are whole again',
    options: characters,
    chunks: [Buffer.from('e282', 'hex'), Buffer.from('ac0a', 'hex')],
    lines: ['€'],
  },
  {
    name: 'bytes that are no UTF-8 end the session behind the lines before them (S-24)',
    options: characters,
    chunks: [Buffer.from('610a62ff0a630a', 'hex')],
    lines: ['a'],
    end: 'invalid',
  },
  {
    name: 'bytes that are no UTF-8 pass when nobody asks',
    options: bytes,
    chunks: [Buffer.from('ff0a', 'hex')],
    lines: ['\ufffd'],
  },
]
for (const { name, options, chunks, lines, end } of cases) {
  test(name, () => assert.deepEqual(cut(options, ...chunks), { lines, end }))
}

test('lines are the same however the stream is cut, and the same as splitting the text', () => {
  const text = fc.array(fc.constantFrom('\n', 'a', 'bc', '€', '\r'), { maxLength: 60 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, fc.array(fc.nat(12)), (whole, cuts) => {
      const stream = Buffer.from(whole)
      const chunks: Buffer[] = []
      let at = 0
      for (const length of cuts) {
        chunks.push(stream.subarray(at, at + length))
        at += length
      }
      chunks.push(stream.subarray(at))
      const { lines, end } = cut({ lineMax: 1000, unit: 'characters', checkUtf8: true }, ...chunks)
      assert.deepEqual(lines, whole.split('\n').slice(0, -1))
      assert.equal(end, undefined)
    }),
    { numRuns: 500 },
  )
})

test('a chunk of whole lines is the batch, without a copy', () => {
  const chunk = Buffer.from('one\ntwo\n')
  const { batch } = new LineCutter(bytes).cut(chunk)
  assert.equal(batch.body, chunk)
})

test('an unfinished line keeps at most three bytes per character of the limit', () => {
  const cutter = new LineCutter({ lineMax: 100, unit: 'characters', checkUtf8: true })
  // Continuation bytes count no character: without a second bound they could go on for ever.
  const chunk = Buffer.alloc(50, 0x80)
  let end: string | undefined
  let chunks = 0
  while (!end && chunks < 100) {
    end = cutter.cut(Buffer.from(chunk)).end
    chunks++
  }
  assert.equal(end, 'overlong')
  assert.ok(chunks <= 7, `${chunks} chunks of 50 bytes`)
  assert.ok(cutter.carryBytes <= 300)
})
