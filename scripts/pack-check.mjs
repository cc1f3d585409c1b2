// Packs the package, installs it into an empty folder as a user would, and uses it there.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = mkdtempSync(join(tmpdir(), 'flume-ts-pack-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const packed = run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], root)
const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
if (!tarball) fail(`npm pack made no tarball: ${packed}`)
const listed = run('tar', ['-tzf', tarball], folder).split('\n')
for (const wanted of [
  'bin/flume-ts.js',
  'bin/stream-ts.js',
  'dist/src/agent/contract.d.ts',
  'conf/agent.properties',
  'LICENSE',
  'README.md',
]) {
  if (!listed.includes(`package/${wanted}`)) fail(`${wanted} is not in the tarball`)
}
const stray = listed.filter((name) => /^package\/(test|src|dist\/test|scripts|node_modules|data)\//.test(name))
if (stray.length > 0) fail(`the tarball holds ${stray.slice(0, 5).join(', ')}`)

writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
run('npm', ['install', '--silent', '--no-audit', '--no-fund', `./${tarball}`], folder)

expect(run('npx', ['flume-ts', 'version'], folder), /\d+\.\d+\.\d+/, 'flume-ts version')
expect(run('npx', ['flume-ts', 'help', 'source', 'netcat'], folder), /max-line-length/, 'flume-ts help')
run('npx', ['flume-ts', 'validate', '--strict', '-f', 'node_modules/flume-ts/conf/agent.properties'], folder)
writeFileSync(
  join(folder, 'user.mjs'),
  `import { EventBatch, defineSink } from 'flume-ts/agent'
import { SparkConf, StreamingContext, Seconds, FlumeSource, DStream } from 'flume-ts/stream'
import { ManualClock } from 'flume-ts/testing'
console.log([EventBatch, defineSink, DStream, FlumeSource, Seconds, SparkConf, StreamingContext, ManualClock].every((it) => typeof it === 'function'))
`,
)
expect(run(process.execPath, ['user.mjs'], folder), /^true$/m, 'the exports')
writeFileSync(
  join(folder, 'job.ts'),
  `import type { StreamingContext } from 'flume-ts/stream'
enum Colour { Red = 'red' }
export default function job(ssc: StreamingContext): void {
  ssc.queueStream([ssc.sparkContext.parallelize([Colour.Red])]).foreachRDD(async (rdd) => {
    console.log('got', ...(await rdd.collect()))
    void ssc.stop()
  })
}
`,
)
expect(run('npx', ['stream-ts', 'submit', 'job.ts'], folder), /^got red$/m, 'stream-ts submit')
console.log(`${tarball}: ${listed.length} files; installed into an empty folder, both commands and every export work`)

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 120_000 })
  if (status !== 0) fail(`${command} ${args.join(' ')}: ${error?.message ?? `exit code ${status}`}\n${stdout}${stderr}`)
  return stdout
}

function expect(output, pattern, what) {
  if (!pattern.test(output)) fail(`${what} said:\n${output}`)
}

function fail(message) {
  console.error(`pack check: ${message}`)
  process.exit(1)
}
