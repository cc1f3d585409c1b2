import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Flow, postEvents, runFlows } from '../peers/flows.ts'

const http = (...selector: readonly string[]): readonly string[] => [
  'type = http',
  'bind = 127.0.0.1',
  'port = PORT',
  ...selector.map((line) => `selector.${line}`),
]
const tiny = ['capacity = 2', 'transactionCapacity = 2', 'keep-alive = 0']
const three = ['one', 'two', 'three'].map((body) => ({ body }))
const kinds = ['a', 'b', 'A', 'x.y', '', ' ', 'none', undefined].map((kind, i) => ({
  ...(kind !== undefined && { headers: { kind } }),
  body: `${i}`,
}))

const flows: readonly Flow[] = [
  {
    name: 'replicating is what there is without a word, to all of them (P-08)',
    source: http(),
    channels: { c: [], d: [] },
    feed: (port) => postEvents(port, three),
    lines: { c: 3, d: 3 },
  },
  {
    name: 'an optional channel gets what it takes, and what it refuses is nobody else’s matter (P-03)',
    source: http('type = replicating', 'optional = d e'),
    channels: { c: [], d: tiny, e: [] },
    feed: async (port) => [await postEvents(port, three), await postEvents(port, three.slice(0, 2))],
    lines: { c: 5, d: 2, e: 5 },
  },
  {
    name: 'a required channel that refuses fails the batch; those before it have it already (P-02)',
    source: http('type = replicating', 'optional = e'),
    channels: { c: [], d: tiny, e: [] },
    feed: async (port) => [await postEvents(port, three), await postEvents(port, three.slice(0, 2))],
    lines: { c: 5, d: 2, e: 2 },
  },
  {
    name: 'multiplexing: by a header, exactly, with a default for the rest (P-09)',
    source: http(
      'type = multiplexing',
      'header = kind',
      'mapping.a = c',
      'mapping.b = c d',
      'mapping.x.y = d',
      'default = e',
    ),
    channels: { c: [], d: [], e: [] },
    feed: (port) => postEvents(port, kinds),
    lines: { c: 2, d: 2, e: 5 },
  },
  {
    name: 'multiplexing: a default of several channels',
    source: http('type = MULTIPLEXING', 'header = kind', 'mapping.a = c', 'default = d e'),
    channels: { c: [], d: [], e: [] },
    feed: (port) => postEvents(port, kinds),
    lines: { c: 1, d: 7, e: 7 },
  },
  {
    name: 'multiplexing: without a default the rest is acknowledged and goes nowhere (P-09)',
    source: http(
      'type = org.apache.flume.channel.MultiplexingChannelSelector',
      'header = kind',
      'mapping.a = c',
      'mapping.b = d',
    ),
    channels: { c: [], d: [] },
    feed: (port) => postEvents(port, kinds),
    lines: { c: 1, d: 1 },
  },
  {
    name: 'multiplexing: the header is flume.selector.header by default',
    source: http('type = multiplexing', 'mapping.a = c', 'default = d'),
    channels: { c: [], d: [] },
    feed: (port) =>
      postEvents(port, [
        { headers: { 'flume.selector.header': 'a' }, body: 'one' },
        { headers: { kind: 'a' }, body: 'two' },
      ]),
    lines: { c: 1, d: 1 },
  },
  {
    name: 'multiplexing: optional channels get a copy, unless they are required for that value anyway (P-10)',
    source: http(
      'type = multiplexing',
      'header = kind',
      'mapping.a = c',
      'mapping.b = c d',
      'optional.a = d',
      'optional.b = d e',
      'optional.none = c e',
      'default = c',
    ),
    channels: { c: [], d: [], e: [] },
    feed: (port) => postEvents(port, kinds),
    lines: { c: 8, d: 2, e: 2 },
  },
  {
    name: 'multiplexing: an optional channel that refuses is only logged',
    source: http('type = multiplexing', 'header = kind', 'mapping.a = c', 'optional.a = d'),
    channels: { c: [], d: tiny },
    feed: (port) =>
      postEvents(
        port,
        Array.from({ length: 5 }, (_, i) => ({ headers: { kind: 'a' }, body: `${i}` })),
      ),
    lines: { c: 5 },
  },
  {
    name: 'multiplexing: a required channel that refuses fails the whole batch (P-02)',
    source: http('type = multiplexing', 'header = kind', 'mapping.a = c', 'mapping.b = d'),
    channels: { c: [], d: tiny },
    feed: (port) =>
      postEvents(
        port,
        ['a', 'b', 'b', 'b', 'a'].map((kind, i) => ({ headers: { kind }, body: `${i}` })),
      ),
    lines: { c: 2 },
  },
]

for (const version of ['1.9', '1.11'] as const) {
  test(`channel selectors give each channel the events of Flume ${version} (P-01 to P-10)`, async (t) => {
    const theirs = await runFlows(t, 'theirs', version, flows)
    const ours = await runFlows(t, 'ours', version, flows)
    for (const [i, { name, lines }] of flows.entries()) {
      await t.test(name, () => {
        assert.deepEqual(ours[i], theirs[i])
        for (const [channel, count] of Object.entries(lines)) assert.equal(theirs[i]?.events[channel]?.length, count)
      })
    }
  })
}
