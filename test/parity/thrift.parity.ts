import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { ThriftFlumeClient } from '../../src/net/thrift-rpc/client.ts'
import { type Side, sideBySide } from '../peers/side-by-side.ts'
import { protocols, recordedAnswers } from '../support/thrift.ts'

/** What one call brings in a connection of its own, up to its end or the end of the answer. */
function ask(port: number, call: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from(call, 'hex')))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => {
      const answer = received.toString('hex')
      // Exceptions are told in words of their own.
      resolve(/^[0-9a-f]{8}(8261|80010003)/.test(answer) ? 'exception' : answer)
    })
  })
}

const batch = EventBatch.of([
  { body: 'one', headers: { host: 'h' } },
  { body: 'grün' },
  { body: '', headers: { host: 'h2' } },
  { body: 'last', headers: { empty: '' } },
])

for (const version of ['1.9', '1.11'] as const) {
  for (const protocol of protocols) {
    test(`thrift, ${protocol}: answers and events are those of Flume ${version} (S-02, S-04)`, async (t) => {
      const answers: Partial<Record<Side, unknown[]>> = {}
      const { theirs, ours } = await sideBySide(t, {
        version,
        source: ['type = thrift', 'bind = 127.0.0.1', 'port = PORT', `protocol = ${protocol}`],
        feed: async ({ side, port }) => {
          const client = await ThriftFlumeClient.connect({
            host: '127.0.0.1',
            port,
            clock: systemClock,
            protocol,
            requestTimeoutMs: 20_000,
          })
          const seen: unknown[] = [
            await client.appendBatch(batch),
            await client.append(batch, 1),
            await client.appendBatch(EventBatch.empty),
            // transactionCapacity is 1000.
            await client.appendBatch(EventBatch.of(new Array(1001).fill({ body: 'x' }))),
            await client.append(batch, 3),
          ]
          await client.close()
          const { noArgs: _, ...calls } = recordedAnswers(`flume-${version}-thrift-source-${protocol}-answers`)
          for (const { call } of Object.values(calls)) seen.push(await ask(port, call))
          answers[side] = seen
        },
        // Six from the client; oneway, reply and extraField; binary sources take the old form too.
        lines: protocol === 'binary' ? 10 : 9,
      })
      assert.deepEqual(answers.ours, answers.theirs)
      assert.equal(ours, theirs)
    })
  }
}
