import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type AvroAgent, avroAgent } from '../support/avro-agent.ts'
import { RunningProcess } from '../support/running-process.ts'
import { TempFiles } from '../support/temp-files.ts'
import { startJava } from './peers.ts'

const flumeTs = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))
const files = new TempFiles()

/** What an avro source got of one sender. */
async function receivedOf(
  send: (receiver: AvroAgent) => Promise<RunningProcess>,
): Promise<Pick<AvroAgent, 'events' | 'calls'>> {
  const receiver = await avroAgent()
  const sender = await send(receiver)
  assert.equal(await sender.exited, 0, sender.stderr)
  await sender.stop()
  await receiver.listener.close()
  return receiver
}

for (const version of ['1.9', '1.11'] as const) {
  test(`avro-client sends what that of a real Flume ${version} sends: lines, headers, batches (L-08, L-09)`, async () => {
    const lines = Array.from({ length: 11 }, (_, i) => `line ${i}`)
    const file = await files.write('lines.txt', `${lines.join('\n')}\r\ncarriage\rreturn\n\nlast`)
    const headers = await files.write('headers.properties', 'host = web-1\n! a comment\ndc:zh\n')
    const args = ({ listener }: AvroAgent): string[] => [
      ...['-H', '127.0.0.1', '-p', String(listener.port)],
      ...['-F', file, '-R', headers],
    ]
    const main = 'org.apache.flume.client.avro.AvroCLIClient'
    const theirs = await receivedOf((receiver) => startJava(`flume-${version}`, main, args(receiver)))
    const ours = await receivedOf(
      async (receiver) => new RunningProcess('ours', process.execPath, [flumeTs, 'avro-client', ...args(receiver)]),
    )
    assert.equal(theirs.events.length, 15)
    assert.deepEqual(ours.events, theirs.events)
    assert.deepEqual(ours.calls, theirs.calls)
  })
}
