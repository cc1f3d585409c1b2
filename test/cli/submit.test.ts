import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'

const command = fileURLToPath(new URL('../../../bin/stream-ts.js', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'submit-'))
after(() => rm(folder, { recursive: true }))

function streamTs(...args: string[]): RunningProcess {
  return new RunningProcess('stream-ts', process.execPath, [command, ...args], { cwd: folder, env: { TMPDIR: folder } })
}

async function job(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text)
  return name
}

/** What a job said to its user: standard error without the log. */
const words = (stderr: string): string => stderr.replaceAll(/^\{.*\n/gm, '')

async function outcome(...args: string[]): Promise<{ code: number; stdout: string; words: string }> {
  await using process_ = streamTs(...args)
  const code = await process_.exited
  return { code, stdout: process_.stdout, words: words(process_.stderr) }
}

/** The job of the product page, word for word but for the port. */
const flumeJob = (
  port: number,
): string => `import { SparkConf, StreamingContext, Seconds, FlumeSource, DStream } from 'flume-ts/stream'

const conf = new SparkConf().setAppName('SparkStreamingWithFlume')
const ssc = new StreamingContext(conf, Seconds(1))
const flumeSource = new FlumeSource(ssc, 'localhost', ${port})
const flumeStream = new DStream(ssc, flumeSource)
flumeStream.print()
ssc.start()
await ssc.awaitTermination()
`

test('the job of the product page prints the lines typed to its port, and SIGTERM stops it with 0', async () => {
  const port = await freePort()
  await using running = streamTs('submit', await job('flume.ts', flumeJob(port)))
  await running.waitFor(/listening there for text and Avro/)
  const acknowledged = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, 'localhost', () => socket.write('hello\nworld\n'))
    let answer = ''
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
    socket.on('data', (chunk) => {
      answer += chunk
      if (answer === 'OK\nOK\n') socket.end()
    })
  })
  assert.equal(acknowledged, 'OK\nOK\n')
  await running.waitFor(/^-{43}\nTime: \d+000 ms\n-{43}\nhello\nworld\n\n/m)
  assert.equal(await running.stop('SIGTERM'), 0)
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('stream-ts-')),
    [],
    'the bundle is deleted',
  )
})

test('a job that exports a function gets a context, with its batch interval, and its arguments', async () => {
  await job(
    'exported.ts',
    `import type { StreamingContext } from 'flume-ts/stream'
enum Word { hello = 'HELLO' }
export default function (ssc: StreamingContext, args: string[]): void {
  const { sparkContext: sc } = ssc
  console.log(JSON.stringify([sc.appName, sc.master, sc.getConf().get('spark.a'), sc.getConf().get('spark.b'), args, process.argv.slice(2)]))
  ssc.queueStream([sc.parallelize([Word.hello])]).foreachRDD(async (rdd, time) => {
    console.log(time.milliseconds % 100, await rdd.collect())
    ssc.stop()
  })
}
`,
  )
  await writeFile(join(folder, 'spark.properties'), '# comment\nspark.a from-file\nspark.b = from-file\n')
  const { code, stdout } = await outcome(
    'submit',
    '--master',
    'local[2]',
    '--name',
    'mine',
    '--conf',
    'spark.b=from-option',
    '--properties-file',
    'spark.properties',
    '--batch-interval',
    '100',
    'exported.ts',
    'x',
    '--y',
  )
  // On a slow machine the next batch has begun when the first one stops the job.
  assert.equal(
    stdout.replace(/(0 \[\]\n)+$/, ''),
    `["mine","local[2]","from-file","from-option",["x","--y"],["x","--y"]]\n0 [ 'HELLO' ]\n`,
  )
  assert.equal(code, 0)
})

test("what the job's code sets wins over --conf", async () => {
  await job(
    'wins.ts',
    `import { SparkConf } from 'flume-ts/stream'\nconsole.log(new SparkConf().setAppName('code').get('spark.app.name'))\n`,
  )
  assert.equal((await outcome('submit', '--name', 'option', 'wins.ts')).stdout, 'code\n')
})

test('a graceful stop works off what was received; a second signal ends at once (B128)', async () => {
  await job(
    'slow.ts',
    `export default function (ssc) {
  ssc.queueStream([ssc.sparkContext.parallelize([1])], true).foreachRDD(async (rdd) => {
    if (await rdd.isEmpty()) return
    console.log('begun')
    await new Promise((resolve) => setTimeout(resolve, 400))
    console.log('done')
  })
}
`,
  )
  // Ten batches are a second, in which a slow machine does not come to the end of either job.
  const options = ['--batch-interval', '100', '--conf', 'spark.streaming.gracefulStopTimeout=60s']
  await using patient = streamTs('submit', ...options, 'slow.ts')
  await patient.waitFor(/begun/)
  assert.equal(await patient.stop('SIGINT'), 0)
  assert.match(patient.stdout, /begun\ndone\n/)

  await job('never.ts', (await readFile(join(folder, 'slow.ts'), 'utf8')).replace('resolve, 400', 'resolve, 90_000'))
  await using hasty = streamTs('submit', ...options, 'never.ts')
  await hasty.waitFor(/begun/)
  process.kill(hasty.pid, 'SIGTERM')
  await hasty.waitFor(/stopping/)
  process.kill(hasty.pid, 'SIGTERM')
  assert.equal(await hasty.exited, 130)
  assert.doesNotMatch(hasty.stdout, /done/)
})

describe('errors are one clear line, and the lines of the job where there are any', () => {
  test('a function that throws in a batch: message, batch time, operation, place in the right file', async () => {
    await job(
      'helper.ts',
      `// a comment\n\nexport function helper(x: number): number {\n  if (x === 2) throw new RangeError('two is too much')\n  return x\n}\n`,
    )
    await job(
      'boom.ts',
      `import { helper } from './helper.ts'\n\nexport default function (ssc: any): void {\n  ssc.queueStream([ssc.sparkContext.parallelize([1, 2])]).map((x: number) => helper(x)).print()\n}\n`,
    )
    const { code, words: said } = await outcome('submit', '--batch-interval', '100', 'boom.ts')
    assert.match(
      said,
      /^stream-ts: RangeError: two is too much \(batch \d+00 ms, print at boom\.ts:4\)\n {4}at helper \(helper\.ts:4:22\)\n {4}at <anonymous> \(boom\.ts:4:\d+\)\n$/,
    )
    assert.equal(code, 1)
  })

  test('one that throws in a worker thread: the same', async () => {
    const { code, words: said } = await outcome('submit', '--master', 'local[2]', '--batch-interval', '100', 'boom.ts')
    assert.match(
      said,
      /^stream-ts: RangeError: two is too much \(batch \d+00 ms, print at boom\.ts:4\)\n {4}at helper \(helper\.ts:4:22\)\n {4}at <anonymous> \(boom\.ts:4:\d+\)\n$/,
    )
    assert.equal(code, 1)
  })

  test('a module that throws while it is loaded', async () => {
    await job('top.ts', `const config = undefined as any\n\nconsole.log(config.port)\n`)
    const { code, words: said } = await outcome('submit', 'top.ts')
    assert.match(
      said,
      /^stream-ts: TypeError: Cannot read properties of undefined \(reading 'port'\)\n {4}at <anonymous> \(top\.ts:3:20\)\n$/,
    )
    assert.equal(code, 1)
  })

  test('a promise that the job left alone and that rejects', async () => {
    await job(
      'stray.ts',
      `export default function (ssc: any): void {
  ssc.queueStream([]).print()
  setTimeout(() => {
    void Promise.reject(new Error('nobody listens'))
  }, 10)
}
`,
    )
    const { code, words: said } = await outcome('submit', 'stray.ts')
    assert.match(said, /^stream-ts: nobody listens\n {4}at \S+ \(stray\.ts:4:25\)\n$/)
    assert.equal(code, 1)
  })

  const table: readonly { name: string; file: string; text: string; code: number; said: RegExp }[] = [
    {
      name: 'a syntax error has file, line and column',
      file: 'syntax.ts',
      text: 'const a = 1\nconst x = 5 +* 3\n',
      code: 1,
      said: /^stream-ts: syntax\.ts:2:14: Unexpected "\*"\n$/,
    },
    {
      name: 'an import that is not there',
      file: 'import.ts',
      text: `import { x } from './nowhere.ts'\nconsole.log(x)\n`,
      code: 1,
      said: /^stream-ts: import\.ts:1:\d+: Could not resolve "\.\/nowhere\.ts"\n$/,
    },
    {
      name: 'a package that is not installed',
      file: 'package.ts',
      text: `import x from 'not-installed-here'\nconsole.log(x)\n`,
      code: 1,
      said: /^stream-ts: package\.ts:1:\d+: Could not resolve "not-installed-here" \(type: npm install not-installed-here\)\n$/,
    },
    {
      name: 'a part of a package with a scope that is not installed',
      file: 'scoped.ts',
      text: `import x from '@acme/orders/model.js'\nconsole.log(x)\n`,
      code: 1,
      said: /Could not resolve "@acme\/orders\/model\.js" \(type: npm install @acme\/orders\)\n$/,
    },
    {
      name: 'a package that is missing only when the job runs',
      file: 'late.ts',
      text: `const name: string = 'not-installed-late/part.js'\nawait import(name)\n`,
      code: 1,
      said: /Cannot find package 'not-installed-late' .*\(type: npm install not-installed-late\)\n/,
    },
    {
      name: 'an entrance that flume-ts does not have',
      file: 'entrance.ts',
      text: `import { x } from 'flume-ts/nothing'\nconsole.log(x)\n`,
      code: 1,
      said: /flume-ts\/nothing is not there; flume-ts has flume-ts\/agent, flume-ts\/stream/,
    },
    {
      name: 'a name that the entrance does not export',
      file: 'name.ts',
      text: `// a job\nimport { SparkConf, StreamingContex } from 'flume-ts/stream'\nnew StreamingContex(new SparkConf())\n`,
      code: 1,
      said: /^stream-ts: name\.ts:2:21: flume-ts\/stream has no export StreamingContex \(did you mean "StreamingContext"\?\)\n$/,
    },
    {
      name: 'no output operation',
      file: 'nothing.ts',
      text: `export default function (ssc: any) { ssc.queueStream([]) }\n`,
      code: 2,
      said: /No output operations registered, so nothing to execute/,
    },
    {
      name: 'a default export that is no function',
      file: 'five.ts',
      text: `export default 5\n`,
      code: 2,
      said: /^stream-ts: five\.ts makes no context, and exports number as default, but no function to run \(export default/,
    },
    {
      name: 'a function that is not the default export',
      file: 'named.ts',
      text: `export function job(ssc: any) { ssc.queueStream([]).print() }\n`,
      code: 2,
      said: /^stream-ts: named\.ts makes no context, and exports job, but no function to run/,
    },
    {
      name: 'a module without a job in it',
      file: 'idle.ts',
      text: `console.log(1)\n`,
      code: 0,
      said: /^stream-ts: idle\.ts ended without a context: make one/,
    },
    {
      name: 'streams that are never started',
      file: 'unstarted.ts',
      text: `import { Seconds, SparkConf, StreamingContext } from 'flume-ts/stream'
new StreamingContext(new SparkConf(), Seconds(1)).queueStream([]).print()\n`,
      code: 0,
      said: /^stream-ts: unstarted\.ts made streams and ended without having started them: call ssc\.start\(\)\n$/,
    },
    {
      name: 'data sets without streams, which need no start',
      file: 'sets.ts',
      text: `import { SparkConf, SparkContext } from 'flume-ts/stream'
await new SparkContext(new SparkConf()).parallelize([1]).collect()\n`,
      code: 0,
      said: /^$/,
    },
    {
      name: 'a promise that nothing can settle',
      file: 'unsettled.ts',
      text: `await new Promise(() => undefined)\n`,
      code: 1,
      said: /^stream-ts: the job waits for a promise that nothing can settle any more/,
    },
    {
      name: 'undefined thrown by a function',
      file: 'undefined.ts',
      text: `export default function (ssc: any) { ssc.queueStream([ssc.sparkContext.parallelize([1])]).map(() => { throw undefined }).print() }\n`,
      code: 1,
      said: /^stream-ts: undefined was thrown, which is not an error \(batch \d+ ms, print at undefined\.ts:1\)\n$/,
    },
    {
      name: 'a function for lists that answers none',
      file: 'unlisted.ts',
      text: `export default function (ssc: any) { ssc.queueStream([ssc.sparkContext.parallelize([1])]).flatMap(() => undefined).print() }\n`,
      code: 1,
      said: /^stream-ts: TypeError: a function had to answer a list of records or another iterable, not undefined \(batch/,
    },
  ]
  for (const { name, file, text, code, said } of table) {
    test(name, async () => {
      const result = await outcome('submit', await job(file, text))
      assert.match(result.words, said)
      assert.equal(result.code, code)
    })
  }

  for (const { args, said } of [
    {
      args: ['submit', 'missing.ts'],
      said: 'stream-ts: no such job file: missing.ts (give the path of a .ts or .js module)\n',
    },
    { args: ['submit', '--wat', 'x.ts'], said: "stream-ts: unknown option '--wat'\n(Did you mean --watch?)\n" },
    { args: ['submit'], said: "stream-ts: missing required argument 'job'\n" },
    {
      args: ['submit', '--conf', 'novalue', 'x.ts'],
      said: "stream-ts: option '--conf <key=value>' argument 'novalue' is invalid. it must be key=value.\n",
    },
    {
      args: ['submit', '--batch-interval', '0', 'x.ts'],
      said: "stream-ts: option '--batch-interval <ms>' argument '0' is invalid. it must be a whole number of milliseconds above 0.\n",
    },
    {
      args: ['submit', '--master', 'yarn', 'x.ts'],
      said: "stream-ts: Could not parse Master URL: 'yarn' (take local (this thread), local[n] or local[*] (n worker threads), local[n,f] (each task may fail f times))\n",
    },
    { args: ['wat'], said: "stream-ts: unknown command 'wat'\n" },
  ]) {
    test(`stream-ts ${args.join(' ')} ends with 2`, async () => {
      assert.deepEqual(await outcome(...args), { code: 2, stdout: '', words: said })
    })
  }
})

test('a job of its own making runs on worker threads: loaded in each, printing once, its tasks with their own output', async () => {
  await job(
    'threads.ts',
    `import { isMainThread } from 'node:worker_threads'
import { Milliseconds, SparkConf, StreamingContext } from 'flume-ts/stream'
console.log('loaded with', process.argv.slice(2))
const ssc = new StreamingContext(new SparkConf(), Milliseconds(100))
const words = ssc.queueStream([ssc.sparkContext.parallelize(['b', 'a', 'b'], 2)]).map((word) => {
  console.log('task in main thread', isMainThread)
  return [word, isMainThread] as [string, boolean]
})
words.reduceByKey((a, b) => a && b).foreachRDD(async (rdd) => {
  if (await rdd.isEmpty()) return
  console.log('result', (await rdd.collect()).sort())
  ssc.stop()
})
ssc.start()
await ssc.awaitTermination()
console.log('ended')
`,
  )
  const { code, stdout } = await outcome('submit', '--master', 'local[2]', 'threads.ts', 'x')
  assert.equal(code, 0)
  const lines = stdout.trimEnd().split('\n')
  assert.deepEqual(
    lines.filter((line) => line.startsWith('loaded')),
    [`loaded with [ 'x' ]`],
  )
  assert.deepEqual(
    lines.filter((line) => line.startsWith('task')),
    Array(3).fill('task in main thread false'),
  )
  assert.match(stdout, /result \[ \[ 'a', false \], \[ 'b', false \] \]\n/)
  assert.equal(lines.filter((line) => line === 'ended').length, 1)
})

test('an installed package beside the job is loaded from where it lies, CommonJS too', async () => {
  const home = join(folder, 'node_modules', 'some-package')
  await mkdir(home, { recursive: true })
  await writeFile(join(home, 'package.json'), '{"name":"some-package","main":"index.js"}')
  await writeFile(join(home, 'index.js'), 'exports.home = __dirname\n')
  await job('uses.ts', `import { home } from 'some-package'\nconsole.log(home, import.meta.url)\n`)
  const { stdout } = await outcome('submit', 'uses.ts')
  const [packageHome, url] = stdout.trim().split(' ')
  assert.match(packageHome ?? '', /node_modules\/some-package$/)
  assert.match(url ?? '', /^file:.*\/uses\.ts$/)
})

test('a receiver that fails to start is told with the line that threw', async () => {
  await job(
    'receiver.ts',
    `import { Receiver, type StreamingContext } from 'flume-ts/stream'
class Broken extends Receiver<string> {
  onStart(): void {
    throw new Error('no such queue')
  }
  onStop(): void {}
}
export default function (ssc: StreamingContext): void {
  ssc.receiverStream(new Broken()).print()
}
`,
  )
  await using running = streamTs('submit', 'receiver.ts')
  await running.waitFor(/"error":"no such queue","at":"receiver\.ts:4"/)
  assert.equal(await running.stop('SIGTERM'), 0)
})

test('a CommonJS job is loaded, and shares the engine with the command', async () => {
  const text = `const { SparkConf } = require('flume-ts/stream')
module.exports = (ssc, [word]) => {
  ssc.queueStream([ssc.sparkContext.parallelize([word])]).foreachRDD(async (rdd) => {
    const words = await rdd.collect()
    if (words.length > 0) console.log(words, new SparkConf().get('spark.a'))
    void ssc.stop()
  })
}
`
  for (const [name, written] of [
    ['common.cjs', text],
    [
      'compiled.cjs',
      text.replace(
        'module.exports =',
        "Object.defineProperty(exports, '__esModule', { value: true })\nexports.default =",
      ),
    ],
  ] as const) {
    const args = ['submit', '--batch-interval', '100', '--conf', 'spark.a=b', await job(name, written), 'hello']
    assert.deepEqual(await outcome(...args), { code: 0, stdout: "[ 'hello' ] b\n", words: '' })
  }
})

test('version and help print to standard output and end with 0', async () => {
  const version = await outcome('version')
  assert.match(version.stdout, /^stream-ts \d+\.\d+\.\d+ /)
  assert.equal(version.code, 0)
  for (const args of [['help'], ['--help'], ['help', 'submit']]) {
    const help = await outcome(...args)
    assert.match(help.stdout, /submit/)
    assert.equal(help.code, 0)
  }
})
