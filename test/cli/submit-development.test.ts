import assert from 'node:assert/strict'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RunningProcess } from '../support/running-process.ts'
import { tempDir } from '../support/temp-dir.ts'

const command = fileURLToPath(new URL('../../../bin/stream-ts.js', import.meta.url))
const typescript = dirname(fileURLToPath(import.meta.resolve('typescript/package.json')))

async function project(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await tempDir(t)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  return folder
}

/** TypeScript and the types of Node, as a project has them. */
async function addCompiler(folder: string): Promise<void> {
  await mkdir(join(folder, 'node_modules'))
  for (const name of ['typescript', '@types']) {
    await symlink(join(dirname(typescript), name), join(folder, 'node_modules', name))
  }
}

function streamTs(folder: string, ...args: string[]): RunningProcess {
  return new RunningProcess('stream-ts', process.execPath, [command, ...args], { cwd: folder })
}

describe('submit --check', () => {
  const right = `import type { StreamingContext } from 'flume-ts/stream'
import { twice } from '@lib/twice'
export default function (ssc: StreamingContext): void {
  ssc.queueStream([ssc.sparkContext.parallelize([1])]).map(twice).foreachRDD(async (rdd) => {
    console.log('sum', await rdd.sum())
    void ssc.stop()
  })
}
`
  const files = {
    'tsconfig.json':
      '{ "compilerOptions": { "strict": true, "module": "nodenext", "target": "es2023", "paths": { "@lib/*": ["./lib/*.ts"] } } } // mine',
    'lib/twice.ts': 'export const twice = (x: number): number => 2 * x\n',
    'job.ts': right,
    'unrelated.ts': 'export const wrong: number = "x"\n',
  }

  async function withCompiler(t: TestContext, more: Readonly<Record<string, string>> = {}): Promise<string> {
    const folder = await project(t, { ...files, ...more })
    await addCompiler(folder)
    return folder
  }

  test('runs a job whose types are right, with the paths of its project, whatever other files there are', async (t) => {
    await using running = streamTs(await withCompiler(t), 'submit', '--check', '--batch-interval', '100', 'job.ts')
    assert.equal(await running.exited, 0, running.stderr + running.stdout)
    assert.match(running.stdout, /^sum 2\n/)
  })

  test('does not run one with a wrong type, and shows where', async (t) => {
    const folder = await withCompiler(t, { 'job.ts': right.replace('.map(twice)', '.map((n) => n.length).map(twice)') })
    await using running = streamTs(folder, 'submit', '--check', 'job.ts')
    assert.equal(await running.exited, 1)
    assert.match(running.stderr, /job\.ts\(4,\d+\): error TS2339: Property 'length' does not exist on type 'number'/)
    assert.match(running.stderr, /stream-ts: job\.ts is not run: a type is wrong\n$/)
    assert.equal(running.stdout, '')
  })

  test('checks a job without a tsconfig.json strictly', async (t) => {
    const folder = await project(t, { 'job.ts': 'export default function (ssc): void {\n  ssc.stop()\n}\n' })
    await addCompiler(folder)
    await using running = streamTs(folder, 'submit', '--check', 'job.ts')
    assert.equal(await running.exited, 1)
    assert.match(running.stderr, /error TS7006: Parameter 'ssc' implicitly has an 'any' type/)
  })

  test('says what to install where there is no TypeScript', async (t) => {
    await using running = streamTs(await project(t, { 'job.ts': 'export {}\n' }), 'submit', '--check', 'job.ts')
    assert.equal(await running.exited, 2)
    assert.equal(
      running.stderr,
      'stream-ts: --check needs TypeScript, and there is none beside the job (type: npm install --save-dev typescript)\n',
    )
  })
})

describe('submit --watch', () => {
  const job = `import { InputDStream, SparkConf, Milliseconds, StreamingContext } from 'flume-ts/stream'
import { mark } from './mark.ts'
class Ones extends InputDStream<[string, number]> {
  compute() {
    return this.context.sparkContext.parallelize<[string, number]>([['all', 1]])
  }
}
const conf = new SparkConf().setAppName('watched')
const ssc = await StreamingContext.getOrCreate('state', () => {
  const made = new StreamingContext(conf, Milliseconds(100))
  made.checkpoint('state')
  new Ones(made)
    .updateStateByKey((values: number[], before: number | undefined) => (before ?? 0) + values.length)
    .foreachRDD(async (rdd) => {
      for (const [, count] of await rdd.collect()) console.log(process.argv[2], mark, count)
    })
  return made
})
await ssc.start()
await ssc.awaitTermination()
`

  test('starts the job anew from its checkpoint when a file it imports changes, and ends on a signal', async (t) => {
    const folder = await project(t, { 'job.ts': job, 'mark.ts': `export const mark = 'one'\n` })
    await using running = streamTs(folder, 'submit', '--watch', 'job.ts', '--first')
    await running.waitFor(/^--first one 3\n/m)
    await writeFile(join(folder, 'mark.ts'), `export const mark = 'second'\n`)
    await running.waitFor(/^--first second \d+\n/m)
    const counts = [...running.stdout.matchAll(/^--first (one|second) (\d+)$/gm)]
    const [last] = counts.filter(([, mark]) => mark === 'one').slice(-1)
    const [next] = counts.filter(([, mark]) => mark === 'second')
    assert.ok(Number(next?.[2]) > 3, `${next?.[2]} goes on from ${last?.[2]}`)
    assert.match(running.stderr, /stream-ts: \S+mark\.ts has changed; the job starts anew\n/)

    // A job that cannot be read waits for the next change.
    await writeFile(join(folder, 'mark.ts'), `export const mark = +*\n`)
    await running.waitFor(/mark\.ts:1:\d+: Unexpected "\*"\n[^]*ended with 1; waiting for a change/)
    await writeFile(join(folder, 'mark.ts'), `export const mark = 'third'\n`)
    await running.waitFor(/^--first third \d+\n/m)
    assert.equal(await running.stop('SIGTERM'), 0)
  })
})
