// What Flume 1.9 has in modules of their own and needs nothing of theirs: identifiers, blobs, Scribe.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { thriftTypes } from '../../src/codec/thrift/protocol.ts'
import { type Flow, type Outcome, postEvents, runFlows } from '../peers/flows.ts'
import { type Side, sideBySide } from '../peers/side-by-side.ts'
import { RawClient } from '../support/rpc.ts'
import { callFrame, struct } from '../support/thrift.ts'
import { until } from '../support/until.ts'

const version = '1.9'
const morphline = 'org.apache.flume.sink.solr.morphline'
const http = ['type = http', 'bind = 127.0.0.1', 'port = PORT']

function identified(name: string, ...options: readonly string[]): Flow {
  return {
    name: `identifiers: ${name}`,
    source: [
      ...http,
      'interceptors = i1',
      ...[`type = ${morphline}.UUIDInterceptor$Builder`, ...options].map((line) => `interceptors.i1.${line}`),
    ],
    feed: (port) =>
      postEvents(port, [{ body: 'one' }, { headers: { id: 'mine', key: 'k' }, body: 'two' }, { body: '' }]),
    lines: { c: 3 },
  }
}

const flows: readonly Flow[] = [
  identified('in the header id, unless it is there'),
  identified('behind a prefix, in a header of that name', 'headerName = key', 'prefix = web-'),
  identified('over what is there', 'preserveExisting = false'),
  {
    name: 'blobs over HTTP',
    source: [...http, `handler = ${morphline}.BlobHandler`],
    feed: async (port) => {
      const answers: number[] = []
      for (const [query, body] of [
        ['?id=1&kind=a%20b+c&id=2', 'a,b,grün'],
        ['', 'x'],
        ['?id=', ''],
      ] as const) {
        const response = await fetch(`http://127.0.0.1:${port}/${query}`, {
          method: 'POST',
          headers: { 'content-type': 'text/csv', connection: 'close' },
          body,
        })
        answers.push(response.status)
        await response.arrayBuffer()
      }
      return answers
    },
    lines: { c: 3 },
  },
]

const identifier = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g

function withoutIdentifiers({ answers, events }: Outcome): unknown {
  const lines = events['c'] ?? []
  const all = lines.join().match(identifier) ?? []
  return { answers, lines: lines.map((line) => line.replaceAll(identifier, '<id>')), different: new Set(all).size }
}

test(`identifiers and blobs are those of the modules of Flume ${version}`, async (t) => {
  const theirs = await runFlows(t, 'theirs', version, flows)
  const ours = await runFlows(t, 'ours', version, flows)
  for (const [i, { name }] of flows.entries()) {
    await t.test(name, () =>
      assert.deepEqual(withoutIdentifiers(ours[i] as Outcome), withoutIdentifiers(theirs[i] as Outcome)),
    )
  }
})

test(`spooldir with BlobDeserializer: a file is an event, a longer one several, as in Flume ${version}`, async (t) => {
  const { theirs, ours } = await sideBySide(t, {
    version,
    source: [
      'type = spooldir',
      'spoolDir = FOLDER/spool',
      `deserializer = ${morphline}.BlobDeserializer$Builder`,
      'deserializer.maxBlobLength = 10',
      'basenameHeader = true',
    ],
    prepare: async (folder) => {
      await mkdir(join(folder, 'spool'))
      await writeFile(join(folder, 'spool', 'a'), 'short')
      await writeFile(join(folder, 'spool', 'b'), '0123456789abcdefghij!')
      await writeFile(join(folder, 'spool', 'c'), '0123456789')
    },
    lines: 5,
  })
  assert.deepEqual(ours.split('\n').sort(), theirs.split('\n').sort())
})

test(`ScribeSource: answers and events are those of Flume ${version}`, async (t) => {
  const { list, string, struct: structType } = thriftTypes
  const logOf = (entries: readonly (readonly [category: string, message: string])[]): Buffer =>
    callFrame('binary-old', 'Log', (writer) => {
      writer.fieldHead(list, 1)
      writer.listHead(structType, entries.length)
      for (const entry of entries) {
        struct(writer, () => {
          for (const [i, value] of entry.entries()) {
            writer.fieldHead(string, i + 1)
            writer.string(value)
          }
        })
      }
    })
  const calls = [
    logOf([
      ['web', 'one'],
      ['db', 'grün'],
      ['', ''],
    ]),
    logOf([]),
    // transactionCapacity is 1000.
    logOf(new Array(1001).fill(['web', 'x'])),
    logOf([['web', 'last']]),
  ]
  const answers: Partial<Record<Side, string[]>> = {}
  const { theirs, ours } = await sideBySide(t, {
    version,
    source: ['type = org.apache.flume.source.scribe.ScribeSource', 'port = PORT'],
    feed: async ({ side, port }) => {
      const client = await RawClient.connect(port)
      const seen: string[] = []
      for (const call of calls) {
        const from = client.received.length
        client.write(call)
        await until(
          () =>
            client.received.length >= from + 4 &&
            client.received.length >= from + 4 + client.received.readInt32BE(from),
        )
        seen.push(client.received.subarray(from).toString('hex'))
      }
      client.destroy()
      answers[side] = seen
    },
    lines: 4,
  })
  assert.deepEqual(answers.ours, answers.theirs)
  assert.equal(ours, theirs)
})
