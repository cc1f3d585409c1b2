// Records what java.util.regex makes of the patterns and texts of test/support/java-patterns.ts.
// Needs a built dist/ and a JDK (Java 17 wrote the fixture): node scripts/record-java-regex.mjs [FILE-FOR-ALL-ANSWERS]
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { randomPatterns, regexTexts, shortTexts, writtenPatterns } from '../dist/test/support/java-patterns.js'

const folder = new URL('../test/fixture/java-regex/', import.meta.url)
const encode = (text) => Buffer.from(text, 'utf16le').toString('base64')
const random = randomPatterns()
const writtenAnswers = record(writtenPatterns, regexTexts)
const randomAnswers = record(random, shortTexts)

function record(patterns, texts) {
  const input = [...texts.map(encode), '-', ...patterns.map(encode), ''].join('\n')
  const { status, stdout, stderr } = spawnSync('java', [new URL('Record.java', folder).pathname], {
    input,
    encoding: 'ascii',
    maxBuffer: 2 ** 28,
    timeout: 60_000,
  })
  if (status !== 0) throw new Error(stderr)
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line, 'base64').toString('utf16le'))
}

const written = Object.fromEntries(
  writtenPatterns.map((pattern, index) => [
    pattern,
    writtenAnswers[index] === '!' ? null : writtenAnswers[index].split('\0').slice(0, -1),
  ]),
)
const digests = randomAnswers.map((answer) =>
  answer === '!' ? '!' : createHash('sha256').update(answer, 'utf16le').digest('hex').slice(0, 12),
)
writeFileSync(new URL('answers.json', folder), `${JSON.stringify({ written, random: digests }, null, 1)}\n`)
if (process.argv[2]) {
  writeFileSync(
    process.argv[2],
    JSON.stringify(Object.fromEntries(random.map((p, i) => [p, randomAnswers[i].split('\0')]))),
  )
}
