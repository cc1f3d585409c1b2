// Records what Joda-Time makes of the patterns and texts of test/support/joda-times.ts.
// Needs a built dist/, a JDK and Joda's jar: node scripts/record-joda.mjs CLASSPATH
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { jodaTimes } from '../dist/test/support/joda-times.js'

const folder = new URL('../test/fixture/joda-dates/', import.meta.url)
const [classpath] = process.argv.slice(2)
if (!classpath) throw new Error('which Joda? give the class path of its jar')

const encode = (text) => Buffer.from(text).toString('base64')
const input = Object.entries(jodaTimes).flatMap(([pattern, texts]) =>
  texts.map((text) => `${encode(pattern)} ${encode(text)}`),
)
const { status, stdout, stderr } = spawnSync('java', ['-cp', classpath, new URL('Record.java', folder).pathname], {
  input: `${input.join('\n')}\n`,
  encoding: 'utf8',
  timeout: 60_000,
})
if (status !== 0) throw new Error(stderr)
const answers = stdout.trim().split('\n')
const times = Object.fromEntries(
  Object.entries(jodaTimes).map(([pattern, texts]) => [
    pattern,
    texts.map(() => answers.shift()).map((answer) => (answer === '-' ? null : Number(answer))),
  ]),
)
writeFileSync(new URL('times.json', folder), `${JSON.stringify(times, null, 1)}\n`)
