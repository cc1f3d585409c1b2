import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'
import { startFlume } from './peers.ts'

const command = fileURLToPath(new URL('../../../bin/stream-ts.js', import.meta.url))

/** Starts a job that prints each body on a line of its own. */
async function startJob(stream: string): Promise<RunningProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'stream-peer-'))
  await writeFile(
    join(folder, 'job.ts'),
    `import { FlumeUtils, StorageLevel } from 'flume-ts/stream'
export default function (ssc) {
  ${stream}.foreachRDD((rdd) => rdd.foreach((event) => console.log(event.headers.from + ' ' + event.bodyAsString())))
  console.log('defined', StorageLevel.MEMORY_ONLY.name)
}
`,
  )
  const job = new RunningProcess('stream-ts submit', process.execPath, [
    command,
    'submit',
    '--batch-interval',
    '200',
    join(folder, 'job.ts'),
  ])
  job.afterwards(() => rm(folder, { recursive: true }))
  return job
}

/** Types lines into a netcat source, and waits until each is answered. */
function type(port: number, lines: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${lines.join('\n')}\n`))
    let answers = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      answers += text
      if (answers.length >= 3 * lines.length) socket.end()
    })
    socket.on('close', () => resolve())
    socket.on('error', reject)
  })
}

const source = (port: number): string => `
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = ${port}
a1.sources.r1.channels = c1
a1.sources.r1.interceptors = i1
a1.sources.r1.interceptors.i1.type = static
a1.sources.r1.interceptors.i1.key = from
a1.sources.r1.interceptors.i1.value = flume
a1.channels.c1.type = memory
a1.channels.c1.capacity = 10000
# A Spark receiver asks for 1000 events at a time, and the sink fails for ever when its transaction holds fewer.
a1.channels.c1.transactionCapacity = 1000
a1.sinks.k1.channel = c1
`

const lines = Array.from({ length: 500 }, (_, i) => `line ${i + 1}: Größe`)

async function expectLines(job: RunningProcess): Promise<void> {
  await job.waitUntil(() => (job.stdout.includes(`flume ${lines.at(-1)}\n`) ? true : undefined), 'the last line')
  const shown = job.stdout.split('\n').filter((line) => line.startsWith('flume '))
  assert.deepEqual(
    shown,
    lines.map((line) => `flume ${line}`),
  )
}

for (const { version, deflated } of [
  { version: '1.9', deflated: false },
  { version: '1.11', deflated: true },
] as const) {
  test(`createStream takes what the Avro sink of a real Flume ${version} sends${deflated ? ', deflated' : ''}`, async () => {
    const [typed, pushed] = [await freePort(), await freePort()]
    await using job = await startJob(
      `FlumeUtils.createStream(ssc, '127.0.0.1', ${pushed}, StorageLevel.MEMORY_ONLY, ${deflated})`,
    )
    await job.waitFor(/StreamingContext started/)
    await using _flume = await startFlume({
      version,
      properties: `${source(typed)}
a1.sinks.k1.type = avro
a1.sinks.k1.hostname = 127.0.0.1
a1.sinks.k1.port = ${pushed}
${deflated ? 'a1.sinks.k1.compression-type = deflate' : ''}`,
    })
    await type(typed, lines)
    await expectLines(job)
    assert.equal(await job.stop(), 0, job.stderr)
  })
}

test('createPollingStream pulls from the Spark sink of a real Flume 1.9, also from the one that comes after it', async () => {
  const [typed, pulled] = [await freePort(), await freePort()]
  const properties = `${source(typed)}
a1.sinks.k1.type = org.apache.spark.streaming.flume.sink.SparkSink
a1.sinks.k1.hostname = 127.0.0.1
a1.sinks.k1.port = ${pulled}`
  await using job = await startJob(`FlumeUtils.createPollingStream(ssc, '127.0.0.1', ${pulled})`)
  await job.waitFor(/Error polling/)
  const first = await startFlume({ version: '1.9', properties })
  await type(typed, lines.slice(0, 250))
  await job.waitUntil(() => (job.stdout.includes(`flume ${lines[249]}\n`) ? true : undefined), 'line 250')
  await first.stop()
  await using _second = await startFlume({ version: '1.9', properties })
  await type(typed, lines.slice(250))
  await expectLines(job)
  assert.equal(await job.stop(), 0, job.stderr)
})
