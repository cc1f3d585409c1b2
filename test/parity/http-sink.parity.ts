import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { systemClock as clock } from '../../src/core/clock.ts'
import { type Side, startAgent } from '../peers/side-by-side.ts'
import { freePort } from '../support/free-port.ts'
import { tempDir } from '../support/temp-dir.ts'

/** What a web server does with a request: answers a status, ends the connection, or waits for the sink to give up. */
type Answer = number | 'ends' | 'hangs' | { readonly status: number; readonly location: string }

interface Case {
  readonly what: string
  /** The sink's properties. */
  readonly sink: readonly string[]
  /** Lines typed into the source in front of the sink. */
  readonly lines: readonly string[]
  /** Answers to the requests in their order; 200 afterwards. */
  readonly answers: readonly Answer[]
  /** Requests to be seen. */
  readonly requests: number
}

/** Where the two are meant to differ: what each sends. */
interface Difference extends Case {
  readonly theirs: readonly string[]
  readonly ours: readonly string[]
}

const success = ['rollback.2XX = false', 'backoff.2XX = false', 'incrementMetrics.2XX = true']

const cases: readonly Case[] = [
  {
    what: 'successes of any kind, in order, and headers as configured',
    sink: [...success, 'contentTypeHeader = application/json', 'acceptHeader = */*'],
    lines: ['{"n":1}', 'zwei grün', 'three', 'four'],
    answers: [200, 201, 204, 299],
    requests: 4,
  },
  {
    what: 'answers that are sent again after a pause, by default',
    sink: success,
    lines: ['one', 'two', 'three'],
    answers: [503, 200, 401, 404, 200],
    requests: 6,
  },
  {
    what: 'answers without an address to go to, and 304, are answers like others',
    sink: success,
    lines: ['one', 'two'],
    answers: [302, 200, 304],
    requests: 4,
  },
  {
    what: 'groups and single statuses: dropped, dropped after a pause, sent again at once',
    sink: [...success, 'rollback.4XX = false', 'backoff.4XX = false', 'rollback.429 = true', 'backoff.410 = true'],
    lines: ['one', 'two', 'three', 'four'],
    answers: [400, 429, 429, 200, 410, 500],
    requests: 7,
  },
  {
    what: 'answers that do not come are waited for, then the event is sent again after a pause',
    sink: [...success, 'requestTimeout = 1000'],
    lines: ['one', 'two'],
    answers: [200, 'hangs', 200],
    requests: 3,
  },
  {
    what: 'a kept connection that ends is made anew once at once, then after a pause',
    sink: success,
    lines: ['one', 'two'],
    answers: [200, 'ends', 'ends', 200],
    requests: 4,
  },
  {
    what: 'an empty line is dropped, and what follows comes after a pause',
    sink: success,
    lines: ['one', '', 'three'],
    answers: [],
    requests: 2,
  },
]

const differences: readonly Difference[] = [
  {
    what: 'a success is one without being told (N-11)',
    sink: [],
    lines: ['one', 'two'],
    answers: [],
    requests: 2,
    theirs: ['POST one', 'POST one'],
    ours: ['POST one', 'POST two'],
  },
  {
    what: 'a redirection does not cost the event: Flume follows it with a GET, and takes its 200 for a success',
    sink: success,
    lines: ['one', 'two'],
    answers: [{ status: 302, location: '/elsewhere' }],
    requests: 3,
    theirs: ['POST one', 'GET ', 'POST two'],
    ours: ['POST one', 'POST one', 'POST two'],
  },
]

interface Seen {
  readonly method: string
  readonly headers: readonly (string | undefined)[]
  readonly body: string
  /** Whether at least most of a second has passed since the answer before. */
  readonly paused: boolean
}

/** Between a pause of a second and none at all. */
const pauseMs = 700

/** What arrives at a web server from an agent's http sink. */
async function seenBy(
  t: Parameters<typeof tempDir>[0],
  side: Side,
  { sink, lines, answers, requests }: Case,
): Promise<readonly Seen[]> {
  const seen: Seen[] = []
  let answeredMs = Number.POSITIVE_INFINITY
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', headers } = request
      seen.push({
        method,
        headers: [headers['content-type'], headers.accept, headers['content-length'], headers['transfer-encoding']],
        body: Buffer.concat(chunks).toString(),
        paused: clock.monotonic() - answeredMs > pauseMs,
      })
      const answer = answers[seen.length - 1] ?? 200
      if (answer === 'hangs') return
      answeredMs = clock.monotonic()
      if (answer === 'ends') return response.destroy()
      const status = typeof answer === 'number' ? answer : answer.status
      response.writeHead(status, typeof answer === 'number' ? {} : { location: answer.location })
      response.end(status === 204 || status === 304 ? undefined : 'thanks')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(async () => {
    server.closeAllConnections()
    server.close()
  })
  const port = await freePort()
  const properties = [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    'a1.sources.r1.type = netcat',
    'a1.sources.r1.bind = 127.0.0.1',
    `a1.sources.r1.port = ${port}`,
    'a1.sources.r1.channels = c1',
    'a1.channels.c1.type = memory',
    'a1.sinks.k1.type = http',
    `a1.sinks.k1.endpoint = http://127.0.0.1:${(server.address() as AddressInfo).port}/in`,
    ...sink.map((line) => `a1.sinks.k1.${line}`),
    'a1.sinks.k1.channel = c1',
    '',
  ].join('\n')
  await using agent = await startAgent(side, '1.11', properties, await tempDir(t))
  connect(port, '127.0.0.1', function (this: Socket) {
    this.on('error', () => undefined)
    this.end(`${lines.join('\n')}\n`)
  }).resume()
  for (let left = 600; seen.length < requests; left--) {
    if (left === 0) throw new Error(`${side}: ${JSON.stringify(seen)}\n${agent.stderr.slice(-3000)}`)
    await clock.sleep(50)
  }
  // Another one would be too many.
  await clock.sleep(1500)
  await agent.stop()
  return seen
}

for (const one of cases) {
  test(`http sink: ${one.what}, as Flume 1.11 (N-10)`, async (t) => {
    const theirs = await seenBy(t, 'theirs', one)
    const ours = await seenBy(t, 'ours', one)
    assert.deepEqual(ours, theirs)
    assert.equal(ours.length, one.requests)
  })
}

for (const one of differences) {
  test(`http sink, unlike Flume 1.11: ${one.what}`, async (t) => {
    const said = (seen: readonly Seen[]): string[] =>
      seen.slice(0, one.requests).map(({ method, body }) => `${method} ${body}`)
    assert.deepEqual(said(await seenBy(t, 'theirs', one)), one.theirs)
    assert.deepEqual(said(await seenBy(t, 'ours', one)), one.ours)
  })
}
