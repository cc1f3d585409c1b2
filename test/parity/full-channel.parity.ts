import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { explain } from '../../src/core/error.ts'
import { FlumeClient } from '../../src/net/avro-rpc/flume-client.ts'
import { type Flow, postEvents, runFlows } from '../peers/flows.ts'
import { bodies } from '../support/batches.ts'

// What a sender sees of a memory channel that refuses: MC-01, MC-04, S-01, S-02, S-23, S-114.

/** Room for three events, two at a time; nobody takes them out. */
const full = ['capacity = 3', 'transactionCapacity = 2', 'keep-alive = 0']
const numbers = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => String(from + i))
const post = (port: number, from: number, count: number): Promise<number> =>
  postEvents(
    port,
    numbers(from, count).map((body) => ({ body })),
  )

/** What a client of Avro is answered, call by call; a connection that was ended is made anew. */
async function overAvro(
  port: number,
  calls: readonly (readonly [from: number, count: number | 'one'])[],
): Promise<string[]> {
  const answers: string[] = []
  for (const [from, count] of calls) {
    const client = await FlumeClient.connect({ host: '127.0.0.1', port, clock: systemClock })
    try {
      answers.push(
        count === 'one'
          ? await client.append(bodies(String(from)))
          : await client.appendBatch(bodies(...numbers(from, count))),
      )
    } catch (error) {
      answers.push(explain(error).replaceAll(String(port), 'PORT'))
    } finally {
      await client.close()
    }
  }
  return answers
}

/** Types lines into netcat, each once the one before was answered. */
async function typed(port: number, lines: readonly string[]): Promise<string[]> {
  const socket = connect(port, '127.0.0.1')
  const answers: string[] = []
  try {
    for (const line of lines) {
      socket.write(`${line}\n`)
      answers.push(String(await new Promise((resolve, reject) => socket.once('data', resolve).once('error', reject))))
    }
  } finally {
    socket.destroy()
  }
  return answers
}

const flows: readonly Flow[] = [
  {
    name: 'http: a batch above transactionCapacity is 503, and none of it is kept',
    source: ['type = http', 'bind = 127.0.0.1', 'port = PORT'],
    channels: { c: ['capacity = 10', 'transactionCapacity = 2'] },
    feed: async (port) => [await post(port, 0, 3), await post(port, 3, 2)],
    lines: { c: 2 },
  },
  {
    name: 'http: a channel without room is 503; what still fits is taken',
    source: ['type = http', 'bind = 127.0.0.1', 'port = PORT'],
    channels: { c: full },
    stuck: ['c'],
    feed: async (port) => [
      await post(port, 0, 2),
      await post(port, 2, 2),
      await post(port, 4, 1),
      await post(port, 5, 1),
    ],
    lines: {},
  },
  {
    name: 'http: bodies beyond byteCapacity are 503 (MC-05)',
    source: ['type = http', 'bind = 127.0.0.1', 'port = PORT'],
    channels: {
      c: [
        'capacity = 10',
        'transactionCapacity = 10',
        'byteCapacity = 400',
        'byteCapacityBufferPercentage = 25',
        'keep-alive = 0',
      ],
    },
    stuck: ['c'],
    feed: async (port) => [
      await postEvents(port, [{ body: 'x'.repeat(301) }]),
      await postEvents(port, [{ body: 'x'.repeat(200) }]),
      await postEvents(port, [{ body: 'x'.repeat(101) }]),
      await postEvents(port, [{ headers: { large: 'y'.repeat(1000) }, body: '' }]),
      await postEvents(port, [{ body: '' }]),
    ],
    lines: {},
  },
  {
    name: 'avro: a batch above transactionCapacity is FAILED, and none of it is kept (S-02)',
    source: ['type = avro', 'bind = 127.0.0.1', 'port = PORT'],
    channels: { c: ['capacity = 10', 'transactionCapacity = 2'] },
    feed: (port) =>
      overAvro(port, [
        [0, 3],
        [3, 2],
        [5, 0],
      ]),
    lines: { c: 2 },
  },
  {
    name: 'avro: a channel without room is FAILED, for one event and for several (S-01)',
    source: ['type = avro', 'bind = 127.0.0.1', 'port = PORT'],
    channels: { c: full },
    stuck: ['c'],
    feed: (port) =>
      overAvro(port, [
        [0, 2],
        [2, 2],
        [4, 'one'],
        [5, 'one'],
        [6, 1],
      ]),
    lines: {},
  },
  {
    name: 'avro: of two channels the second refuses, the first has the batch (P-02)',
    source: ['type = avro', 'bind = 127.0.0.1', 'port = PORT'],
    channels: { c: [], d: ['capacity = 2', 'transactionCapacity = 2'] },
    feed: (port) =>
      overAvro(port, [
        [0, 3],
        [3, 1],
      ]),
    lines: { c: 4, d: 1 },
  },
  {
    name: 'netcat: a line that finds no room is answered FAILED with the reason, the next one is tried (S-23)',
    source: ['type = netcat', 'bind = 127.0.0.1', 'port = PORT'],
    channels: { c: ['capacity = 2', 'transactionCapacity = 2', 'keep-alive = 0'] },
    stuck: ['c'],
    feed: (port) => typed(port, ['one', 'two', 'three', 'four']),
    lines: {},
  },
]

for (const version of ['1.9', '1.11'] as const) {
  test(`a channel that refuses is told to the sender as by Flume ${version}`, async (t) => {
    const theirs = await runFlows(t, 'theirs', version, flows)
    const ours = await runFlows(t, 'ours', version, flows)
    for (const [i, { name }] of flows.entries()) {
      await t.test(name, () => assert.deepEqual(ours[i], theirs[i]))
    }
  })
}
