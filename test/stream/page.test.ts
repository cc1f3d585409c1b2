import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { binsOf } from '../../src/stream/page/chart.ts'
import { dateTime, restDate, shortDuration, unitFor, verboseDuration } from '../../src/stream/page/words.ts'
import { StreamBench, type StreamBenchOptions } from '../support/stream-bench.ts'

const recordedFile = new URL('../../../test/fixture/streaming-rest/spark-2.4.json', import.meta.url)
const recorded = JSON.parse(await readFile(fileURLToPath(recordedFile), 'utf8'))

interface Answer {
  readonly status: number
  readonly type: string
  readonly text: string
  readonly headers: Headers
}

async function get(bench: StreamBench, path: string): Promise<Answer> {
  const answer = await fetch(`${bench.sc.uiWebUrl}${path}`, { redirect: 'manual' })
  const type = answer.headers.get('content-type') ?? ''
  return { status: answer.status, type, text: await answer.text(), headers: answer.headers }
}

/** A job of a queue and a receiver-less stream, whose second operation fails in its third batch. */
function job(options: StreamBenchOptions = {}): StreamBench {
  const bench = new StreamBench({
    ...options,
    settings: { 'spark.ui.enabled': 'true', 'spark.ui.port': '0', ...options.settings },
  })
  const words = bench.queue(['a', 'b', 'c'], ['d'], ['bad', 'e'], ['f'])
  words.count().print()
  words.foreachRDD(async (rdd) => {
    if ((await rdd.collect()).includes('bad')) throw new TypeError('this batch is <bad>\nsecond line')
  })
  return bench
}

async function run(bench: StreamBench, batches: number): Promise<void> {
  bench.ssc.awaitTermination().catch(() => undefined)
  await bench.ssc.start()
  await bench.batches(batches)
}

const api = (bench: StreamBench, path = ''): string => `/api/v1/applications/${bench.sc.applicationId}/streaming${path}`
const json = async (bench: StreamBench, path: string) => JSON.parse((await get(bench, api(bench, path))).text)

/** The names in an object and the kinds of their values, as deep as it goes; lists by their first item. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])]
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, shapeOf(field)]))
}

describe('the streaming page', () => {
  it('shows the batches, their times and what failed (streaming-ui §3)', async () => {
    await using bench = job()
    await run(bench, 4)
    const { status, type, text } = await get(bench, '/streaming/')
    assert.equal(status, 200)
    assert.match(type, /^text\/html/)
    assert.match(text, /<h1>Streaming Statistics<\/h1>/)
    assert.match(text, /Running batches of <strong>1 second<\/strong> for <strong>4 seconds<\/strong> since/)
    assert.match(text, /\(<strong>4<\/strong> completed batches, <strong>7<\/strong> records\)/)
    assert.match(text, /Timelines \(Last 4 batches, 0 active, 4 completed\)/)
    assert.match(text, /Active Batches \(0\)/)
    assert.match(text, /Completed Batches \(last 4 out of 4\)/)
    for (const id of ['stat-table', 'active-batches-table', 'completed-batches-table'])
      assert.ok(text.includes(`id="${id}"`))
    for (const title of ['Input Rate', 'Scheduling Delay', 'Processing Time', 'Total Delay']) {
      assert.ok(text.includes(`<strong>${title}</strong>`), title)
    }
    assert.match(text, /<tr id="batch-3000" class="failed">/)
    assert.match(text, /1\/2 \(1 failed\)/)
    assert.ok(text.indexOf('id="batch-4000"') < text.indexOf('id="batch-1000"'), 'the newest is the first')
  })

  it('shows one batch with its operations, each with its job (streaming-ui §4)', async () => {
    await using bench = job()
    await run(bench, 3)
    const { text } = await get(bench, '/streaming/batch/?id=3000')
    assert.match(text, /Details of batch at /)
    assert.match(text, /<dt>Input data size<\/dt><dd>2 records<\/dd>/)
    assert.match(text, /id="batch-job-table"/)
    assert.match(text, /Failed due to error: TypeError: this batch is &lt;bad&gt;/)
    assert.equal(text.match(/<td>Succeeded<\/td>/g)?.length, 1)
    assert.deepEqual(
      (await json(bench, '/batches/3000/operations')).map(({ jobIds }: { jobIds: number[] }) => jobIds),
      [[4], [5]],
    )
    assert.deepEqual(
      [(await get(bench, '/streaming/batch/')).status, (await get(bench, '/streaming/batch/?id=7')).status],
      [400, 404],
    )
    assert.match((await get(bench, '/streaming/batch/')).text, /Missing id parameter/)
    assert.match((await get(bench, '/streaming/batch/?id=<7>')).text, /Batch &lt;7&gt; does not exist/)
  })

  it('answers the REST paths in the shapes of Spark (streaming-ui §5)', async () => {
    await using bench = job()
    await run(bench, 4)
    assert.deepEqual(shapeOf(await json(bench, '/statistics')), shapeOf(recorded.statistics))
    assert.deepEqual(shapeOf(await json(bench, '/batches/4000')), shapeOf(recorded.completedBatch))
    assert.deepEqual(shapeOf(await json(bench, '/batches/3000')), shapeOf(recorded.failedBatch))
    const ofNoReceiver = recorded.receivers.find((receiver: object) => !('isActive' in receiver))
    assert.deepEqual(shapeOf(await json(bench, '/receivers')), shapeOf([ofNoReceiver]))
    const operations = await json(bench, '/batches/3000/operations')
    const succeeded = recorded.operations.find((operation: object) => !('failureReason' in operation))
    const failed = recorded.operations.find((operation: object) => 'failureReason' in operation)
    assert.deepEqual(operations.map(shapeOf), [shapeOf(succeeded), shapeOf(failed)])
    const applications = JSON.parse((await get(bench, '/api/v1/applications')).text)
    assert.deepEqual(shapeOf(applications), shapeOf(recorded.applications))
    assert.deepEqual(JSON.parse((await get(bench, '/api/v1/version')).text), { spark: bench.sc.version })
  })

  it('has the figures of the job in them', async () => {
    await using bench = job()
    await run(bench, 4)
    const statistics = await json(bench, '/statistics')
    assert.equal(statistics.numTotalCompletedBatches, 4)
    assert.equal(statistics.numProcessedRecords, 7)
    assert.equal(statistics.avgInputRate, 7 / 4)
    assert.deepEqual(
      (await json(bench, '/batches')).map(({ batchId }: { batchId: number }) => batchId),
      [4000, 3000, 2000, 1000],
    )
    assert.deepEqual(await json(bench, '/batches?status=queued&status=PROCESSING'), [])
    assert.deepEqual((await json(bench, '/receivers/0')).eventRates, [
      [1000, 3],
      [2000, 1],
      [3000, 2],
      [4000, 1],
    ])
    const batch = await json(bench, '/batches/3000')
    assert.deepEqual([batch.numCompletedOutputOps, batch.numFailedOutputOps, batch.numTotalOutputOps], [1, 1, 2])
    assert.match(batch.firstFailureReason, /^TypeError: this batch is <bad>\nsecond line\n/)
  })

  const refusals: readonly [path: string, status: number, text: RegExp][] = [
    ['/api/v1/applications/nix/streaming/statistics', 404, /^no such app: nix$/],
    ['APP/receivers/77', 404, /^unknown receiver: 77$/],
    ['APP/batches/5', 404, /^unknown batch: 5$/],
    ['APP/batches/1000/operations/9', 404, /^unknown output operation: 9$/],
    ['APP/batches/abc', 404, /no such page/],
    ['APP/nothing', 404, /no such page/],
    ['/api/v2/applications', 404, /no such page/],
  ]
  for (const [path, status, pattern] of refusals) {
    it(`answers ${path} with ${status}`, async () => {
      await using bench = job()
      await run(bench, 1)
      const answer = await get(bench, path.replace('APP', api(bench)))
      assert.equal(answer.status, status)
      assert.match(answer.text, pattern)
    })
  }

  it('has the gauges of Spark, as JSON and for Prometheus (streaming-ui §6)', async () => {
    await using bench = job()
    await run(bench, 4)
    const { gauges, ...rest } = JSON.parse((await get(bench, '/metrics/json/')).text)
    assert.deepEqual(['gauges', ...Object.keys(rest)].sort(), [...recorded.metricsKeys].sort())
    const prefix = `${bench.sc.applicationId}.driver.bench.StreamingMetrics.streaming.`
    assert.deepEqual(Object.keys(gauges).sort(), recorded.gauges.map((name: string) => prefix + name).sort())
    assert.deepEqual(gauges[`${prefix}totalProcessedRecords`], { value: 7 })
    assert.match((await get(bench, '/metrics')).text, /^stream_records_processed_total\{app="bench"\} 7$/m)
  })

  it('keeps as many batches as spark.streaming.ui.retainedBatches says', async () => {
    await using bench = job({ settings: { 'spark.streaming.ui.retainedBatches': '2' } })
    await run(bench, 4)
    assert.match((await get(bench, '/streaming/')).text, /Completed Batches \(last 2 out of 4\)/)
    assert.equal((await json(bench, '/batches')).length, 2)
  })

  it('shows no secrets among the settings, and what names hold as text', async () => {
    await using bench = job({
      settings: { 'spark.app.name': '<script>alert(1)</script>', 'spark.db.password': 'hunter2', 'spark.x': 'a<b' },
    })
    await run(bench, 1)
    const { text } = await get(bench, '/environment/')
    assert.match(text, /<td>spark\.db\.password<\/td><td>\*+\(redacted\)<\/td>/)
    assert.doesNotMatch(text, /hunter2|<script>alert/)
    assert.match(text, /<td>a&lt;b<\/td>/)
    const page = await get(bench, '/streaming/')
    assert.doesNotMatch(page.text, /<script>alert/)
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/)
  })

  it('leads from / to /streaming/, and serves its own style and script', async () => {
    await using bench = job()
    await run(bench, 1)
    const root = await get(bench, '/')
    assert.deepEqual([root.status, root.headers.get('location')], [302, '/streaming/'])
    assert.match((await get(bench, '/static/streaming/page.css')).type, /^text\/css/)
    const { text, type } = await get(bench, '/static/streaming/page.js')
    assert.match(type, /^text\/javascript/)
    assert.doesNotThrow(() => new Function(`return async () => {${text}}`))
  })

  it('takes the next free port when its own is taken, and is gone when the job has stopped', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    try {
      await using bench = job({ settings: { 'spark.ui.port': String(port) } })
      await run(bench, 1)
      const address = bench.sc.uiWebUrl as string
      const taken = Number(new URL(address).port)
      assert.ok(taken > port && taken <= port + 16, address)
      await bench.ssc.stop({ graceful: false })
      assert.equal(bench.sc.uiWebUrl, undefined)
      await assert.rejects(fetch(address))
    } finally {
      other.close()
    }
  })

  it('is not there where it is switched off, nor for a clock moved by hand unless it is asked for', async () => {
    for (const settings of [{}, { 'spark.ui.enabled': 'false' }]) {
      await using bench = new StreamBench({ settings })
      bench.queue(['a']).print()
      await run(bench, 1)
      assert.equal(bench.sc.uiWebUrl, undefined)
    }
  })
})

describe('words of the streaming page', () => {
  const verbose: readonly [ms: number, words: string][] = [
    [0, '0 ms'],
    [500, '500 ms'],
    [1000, '1 second'],
    [1250, '1 second 250 ms'],
    [123_000, '2 minutes 3 seconds'],
    [123_400, '2 minutes 3 seconds'],
    [3_725_000, '1 hour 2 minutes 5 seconds'],
    [90_000_000, '1 day 1 hour'],
  ]
  for (const [ms, words] of verbose) it(`calls ${ms} ms "${words}"`, () => assert.equal(verboseDuration(ms), words))

  const short: readonly [ms: number, words: string][] = [
    [37, '37 ms'],
    [400, '0.4 s'],
    [12_000, '12 s'],
    [210_000, '3.5 min'],
    [2_520_000, '42 min'],
    [4_680_000, '1.3 h'],
  ]
  for (const [ms, words] of short)
    it(`calls ${ms} ms "${words}" in a table`, () => assert.equal(shortDuration(ms), words))

  it('writes dates as Spark does', () => {
    assert.equal(restDate(1_709_972_130_120), '2024-03-09T08:15:30.120GMT')
    assert.match(dateTime(1_709_972_130_120, true), /^2024\/03\/\d\d \d\d:\d\d:30\.120$/)
    assert.match(dateTime(1_709_972_130_120), /:30$/)
  })

  it('takes one unit for a graph', () => {
    assert.deepEqual(
      [999, 1000, 60_000, 3_600_000, 86_400_000].map((ms) => unitFor(ms).unit),
      ['ms', 'sec', 'min', 'hrs', 'days'],
    )
  })

  it('puts values into ten bins, the largest into the last', () => {
    assert.deepEqual(binsOf([0, 0.5, 1, 9.9, 10], 10), [2, 1, 0, 0, 0, 0, 0, 0, 0, 2])
    assert.deepEqual(binsOf([0, 0], 0), [2, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  })
})
