// Records what the real java.util.Properties reads from the texts of test/support/tricky-properties.ts.
// Needs a built dist/ and a JDK (11 or newer): node scripts/build.mjs && node scripts/record-properties.mjs
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { randomCount, randomSeed, randomTexts, trickyTexts } from '../dist/test/support/tricky-properties.js'

const folder = new URL('../test/fixture/properties/', import.meta.url)
const tricky = read(trickyTexts.map(([, text]) => text))
const random = read(randomTexts())

const cases = trickyTexts.map(([name, text], index) => ({ name, text, expected: tricky[index] }))
write('tricky.json', cases)
write('random.json', { seed: randomSeed, count: randomCount, digests: random.map(digest) })

/** For each text the pairs in the order they were put, or null where Java refuses the text. */
function read(texts) {
  const input = texts.map((text) => Buffer.from(text).toString('base64')).join('\n')
  const { status, stdout, stderr } = spawnSync('java', [new URL('Record.java', folder).pathname], {
    input: `${input}\n`,
    encoding: 'latin1',
    maxBuffer: 2 ** 26,
  })
  if (status !== 0) throw new Error(stderr)
  const lines = stdout.split('\n').slice(0, texts.length)
  return lines.map((line) => {
    if (line === '!') return null
    return line === '' ? [] : line.split(' ').map((pair) => pair.split(',').map(utf16))
  })
}

function utf16(base64) {
  return Buffer.from(base64, 'base64').swap16().toString('utf16le')
}

function digest(result) {
  return createHash('sha256').update(JSON.stringify(result)).digest('hex').slice(0, 12)
}

function write(name, value) {
  writeFileSync(new URL(name, folder), `${JSON.stringify(value, null, 1)}\n`)
}
