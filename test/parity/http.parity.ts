import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { type Side, sideBySide } from '../peers/side-by-side.ts'

function post(port: number, method: string, path: string, body: string, type?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': Buffer.byteLength(body), ...(type && { 'content-type': type }) }
    const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const json = 'application/json; charset=utf-8'
const requests: readonly [method: string, body: string, type?: string][] = [
  ['POST', '[{"headers":{"a":"1","b":"zwei"},"body":"grün"},{"body":"two"}]', json],
  ['GET', '[{"headers":{"n":5,"t":true},"body":7,"other":{}}]', json],
  ['POST', '[]', json],
  ['POST', '[{}]', json],
  ['POST', '[{"body":"ascii"}]'],
  ['POST', '{"body":"x"}', json],
  ['POST', '[{"body":', json],
  ['POST', '', json],
  ['POST', 'null', json],
  ['POST', '[null]', json],
  ['POST', '[]', 'application/json; charset=iso-8859-1'],
  ['TRACE', ''],
  ['OPTIONS', ''],
  ['PUT', '[]', json],
  ['DELETE', ''],
]

for (const version of ['1.9', '1.11'] as const) {
  test(`http, JSON: answers and events are those of Flume ${version} (S-110…S-114)`, async (t) => {
    const statuses: Partial<Record<Side, number[]>> = {}
    const { theirs, ours } = await sideBySide(t, {
      version,
      source: ['type = http', 'bind = 127.0.0.1', 'port = PORT'],
      feed: async ({ side, port }) => {
        const answers: number[] = []
        for (const [method, body, type] of requests) answers.push(await post(port, method, '/x', body, type))
        statuses[side] = answers
      },
      lines: 5,
    })
    assert.deepEqual(statuses.ours, statuses.theirs)
    assert.equal(ours, theirs)
  })

  test(`http, BLOB: answers and events are those of Flume ${version} (S-115)`, async (t) => {
    const statuses: Partial<Record<Side, number[]>> = {}
    const { theirs, ours } = await sideBySide(t, {
      version,
      source: [
        'type = org.apache.flume.source.http.HTTPSource',
        'bind = 127.0.0.1',
        'port = PORT',
        'handler = org.apache.flume.source.http.BLOBHandler',
        'handler.mandatoryParameters = id',
      ],
      feed: async ({ side, port }) => {
        const send = (path: string, body: string): Promise<number> => post(port, 'POST', path, body, 'text/csv')
        statuses[side] = [
          await send('/?id=1&kind=a%20b+c&id=2', 'a,b,grün'),
          await send('/', 'x'),
          await send('/?id=', 'y'),
        ]
      },
      lines: 2,
    })
    assert.deepEqual(statuses.ours, statuses.theirs)
    assert.equal(ours, theirs)
  })
}
