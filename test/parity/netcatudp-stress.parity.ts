import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sideBySide } from '../peers/side-by-side.ts'
import { sendDatagrams } from '../support/send-datagrams.ts'

for (const version of ['1.9', '1.11'] as const) {
  test(`netcatudp: events are those of Flume ${version} (S-30)`, async (t) => {
    const { theirs, ours } = await sideBySide(t, {
      version,
      source: ['type = netcatudp', 'bind = 127.0.0.1', 'port = PORT', 'remoteAddress = from'],
      feed: ({ port }) => sendDatagrams(port, ['one\ntwo', '', 'grün', 'carriage return\r\n', 'x'.repeat(2000)]),
      lines: 5,
    })
    const withoutPort = (text: string): string => text.replaceAll(/:\d+\}/g, ':<port>}')
    assert.equal(withoutPort(ours), withoutPort(theirs))
    assert.match(ours, /\{from=\/127\.0\.0\.1:\d+\} one/)
  })

  test(`stress: bodies are those of Flume ${version}`, async (t) => {
    const { theirs, ours } = await sideBySide(t, {
      version,
      source: ['type = org.apache.flume.source.StressSource', 'size = 20', 'maxTotalEvents = 7', 'batchSize = 3'],
      lines: 7,
    })
    assert.equal(ours, theirs)
  })
}
