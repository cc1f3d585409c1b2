// Records what real Flume makes of the configurations of test/support/random-agents.ts.
// Needs a built dist/, a JDK and Flume's jars: node scripts/record-outcomes.mjs CLASSPATH
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agentCount, agentSeed, randomAgents } from '../dist/test/support/random-agents.js'

const folder = new URL('../test/fixture/flume-outcomes/', import.meta.url)
const [classpath] = process.argv.slice(2)
if (!classpath) throw new Error('which Flume? give the class path of its jars')

const classes = mkdtempSync(join(tmpdir(), 'outcomes-'))
try {
  run('javac', ['-cp', classpath, '-d', classes, new URL('Outcomes.java', folder).pathname])
  const input = randomAgents().map((text) => Buffer.from(text).toString('base64'))
  // Flume logs to standard output too; the answers are marked.
  const lines = run('java', ['-cp', `${classpath}:${classes}`, 'Outcomes'], `${input.join('\n')}\n`).split('\n')
  const outcomes = lines.filter((line) => line.startsWith('> ')).map((line) => line.slice(2).trim())
  if (outcomes.length !== agentCount) throw new Error(`${outcomes.length} answers to ${agentCount} configurations`)
  const text = JSON.stringify({ seed: agentSeed, count: agentCount, outcomes }, null, 1)
  writeFileSync(new URL('outcomes.json', folder), `${text}\n`)
} finally {
  rmSync(classes, { recursive: true })
}

function run(command, options, input = '') {
  const { status, stdout, stderr } = spawnSync(command, options, { input, encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (status !== 0) throw new Error(`${command}: ${stderr}`)
  return stdout
}
