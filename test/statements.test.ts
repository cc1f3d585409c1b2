import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

/**
 * What is known of how Flume behaves is numbered, chapter by chapter; a test names the numbers that it holds to. A chapter
 * that is through is added here with its last number, and with the numbers that were not given; it stays through.
 */
const chapters: readonly (readonly [letters: string, about: string, last: number, gaps?: readonly string[]])[] = [
  ['C', 'reading and judging configurations', 33],
  ['R', 'reloading', 8],
  ['L', 'the command line', 12],
  ['M', 'starting, stopping and retrying', 7],
  ['T', 'transactions', 5],
  ['MC', 'the memory channel', 12],
  ['F', 'the file channel', 16],
  ['X', 'the spillable channel and the Kafka channel', 5],
  ['P', 'channel processors and selectors', 11],
  ['K', 'sink processors', 11],
  ['I', 'interceptors', 7],
  ['O', 'monitoring', 7],
  [
    'S',
    'sources',
    121,
    [
      'S-07…S-09',
      'S-15…S-19',
      'S-26…S-29',
      'S-32…S-39',
      'S-52…S-59',
      'S-67…S-69',
      'S-84…S-89',
      'S-103…S-109',
      'S-117…S-119',
    ],
  ],
  ['H', 'the HDFS sink', 26],
  ['N', 'other sinks', 14],
]

const root = fileURLToPath(new URL('../..', import.meta.url))
const tests = readdirSync(join(root, 'test'), { recursive: true })
  .map(String)
  .filter((name) => /(\.(test|peer|parity|sim)|^contract\/[\w-]+)\.ts$/.test(name) && name !== 'statements.test.ts')
const pages = [...tests.map((name) => join('test', name)), 'docs/differences.md']

/** `H-04` names one, `C-10…C-14` all from the one to the other. */
function namedIn(text: string): readonly string[] {
  return [...text.matchAll(/\b([A-Z]{1,2})-(\d{2,3})(?!\d)(?:…(?:\1-)?(\d{2,3})(?!\d))?/g)].flatMap(
    ([, letters, from, to = from]) =>
      Array.from({ length: Number(to) - Number(from) + 1 }, (_, index) =>
        numbered(letters as string, Number(from) + index),
      ),
  )
}

/** How Spark Streaming behaves is numbered without a hyphen, and with gaps between its chapters. */
const streaming: readonly (readonly [about: string, first: number, last: number])[] = [
  ['batch times', 1, 10],
  ['windows', 11, 24],
  ['remembering and forgetting', 30, 38],
  ['output operations, jobs and their order', 40, 48],
  ['failures', 50, 56],
  ['print and files', 60, 65],
  ['elements, keys and partitions', 70, 74],
  ['state', 75, 85],
  ['joins and other operations on pairs', 86, 88],
  ['inputs', 90, 97],
  ['receivers, blocks and rates', 100, 114],
  ['the life of a context', 120, 128],
  ['checkpoints, logs and recovery', 130, 140],
  ['surroundings', 150, 153],
]

/** `B91` names one, `B12–B14` all from the one to the other. */
function streamingNamedIn(text: string): readonly number[] {
  return [...text.matchAll(/\bB(\d{1,3})(?:[–…]B(\d{1,3}))?\b/g)].flatMap(([, from, to = from]) =>
    Array.from({ length: Number(to) - Number(from) + 1 }, (_, index) => Number(from) + index),
  )
}

function numbered(letters: string, number: number): string {
  return `${letters}-${String(number).padStart(2, '0')}`
}

test('one number, and a range of them, is found', () => {
  assert.deepEqual(namedIn('a (C-05, C-10…C-12), H-07…08, S-100 and UTF-8'), [
    'C-05',
    'C-10',
    'C-11',
    'C-12',
    'H-07',
    'H-08',
    'S-100',
  ])
})

test('one number of streaming, and a range of them, is found', () => {
  assert.deepEqual(streamingNamedIn('(B9, B12–B14), B150 and 8B7'), [9, 12, 13, 14, 150])
})

const texts = pages.map((page) => readFileSync(join(root, page), 'utf8'))
const named = new Set(texts.flatMap(namedIn))
const streamingNamed = new Set(texts.flatMap(streamingNamedIn))

for (const [letters, about, last, gaps = []] of chapters) {
  test(`every statement about ${about} (${letters}-01 to ${numbered(letters, last)}) is named by a test or among the differences`, () => {
    const none = new Set(gaps.flatMap(namedIn))
    const all = Array.from({ length: last }, (_, index) => numbered(letters, index + 1)).filter(
      (each) => !none.has(each),
    )
    assert.deepEqual(
      all.filter((statement) => !named.has(statement)),
      [],
    )
    const beyond = [...named].filter((statement) => statement.startsWith(`${letters}-`) && !all.includes(statement))
    assert.deepEqual(beyond, [], 'there are no such statements')
  })
}

for (const [about, first, last] of streaming) {
  test(`every statement about ${about} (B${first} to B${last}) is named by a test or among the differences`, () => {
    const all = Array.from({ length: last - first + 1 }, (_, index) => first + index)
    assert.deepEqual(
      all.filter((number) => !streamingNamed.has(number)).map((number) => `B${number}`),
      [],
    )
  })
}

test('no test and no difference names a statement about streaming that there is not', () => {
  const known = (number: number): boolean => streaming.some(([, first, last]) => number >= first && number <= last)
  assert.deepEqual(
    [...streamingNamed].filter((number) => !known(number)).map((number) => `B${number}`),
    [],
  )
})
