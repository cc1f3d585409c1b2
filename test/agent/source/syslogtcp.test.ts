import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { connect } from 'node:tls'
import { syslogTcp } from '../../../src/agent/source/syslogtcp.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { authority, noSettings, serverTls } from '../../support/key-stores.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { RawClient } from '../../support/rpc.ts'
import { type RunningSource, startSource } from '../../support/running-source.ts'
import type { FakeSourceContextOptions } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

async function dialogue(
  texts: Readonly<Record<string, string>>,
  use: (client: RawClient, source: RunningSource) => Promise<void>,
  options: FakeSourceContextOptions = {},
): Promise<void> {
  const source = await startSource(syslogTcp, { host: '127.0.0.1', ...texts }, options)
  const client = await RawClient.connect(source.port)
  try {
    await use(client, source)
  } finally {
    client.destroy()
    await source.stop()
  }
}

const line = '<34>1 2003-08-24T05:14:15Z h b\n'

describe('syslogtcp source', () => {
  it('one read is one batch; each event has its headers (S-40, S-50)', () =>
    dialogue({}, async (client, { context }) => {
      client.write(line.repeat(1000))
      await context.whenDelivered(1000)
      assert.ok(context.batches.length < 10)
      assert.equal(context.batches[0]?.headers.get('host'), 'h')
      assert.deepEqual(Object.keys(context.events[999]?.headers ?? {}).sort(), [
        'Facility',
        'Severity',
        'host',
        'priority',
        'timestamp',
        'version',
      ])
    }))

  it("gives the sender's address and host name where asked for", () =>
    dialogue({ clientIPHeader: 'ip', clientHostnameHeader: 'name' }, async (client, { context }) => {
      client.write(line)
      await context.whenDelivered(1)
      assert.equal(context.events[0]?.headers.ip, '127.0.0.1')
      assert.equal(context.events[0]?.headers.name, 'localhost')
    }))

  it('a full channel holds the sender back instead of dropping (S-50)', async () => {
    const clock = new ManualClock()
    await dialogue(
      {},
      async (client, { context }) => {
        context.room = 3
        for (let i = 0; i < 5; i++) client.write(`<13>message ${i}\n`)
        await until(() => clock.timerCount === 1)
        context.room = 100
        client.write('<13>message 5\n')
        await clock.advance(100)
        await context.whenDelivered(6)
        assert.deepEqual(
          context.events.map(({ body }) => body),
          Array.from({ length: 6 }, (_, i) => `<13>message ${i}`),
        )
      },
      { clock },
    )
  })

  it('an event that can never be taken is dropped and said, the others go on', async () => {
    const log = new RecordingLogger()
    await dialogue(
      {},
      async (client, { context }) => {
        context.failure = new FlumeError('BATCH_TOO_LARGE', 'too large')
        client.write('<13>a\n')
        await until(() => log.lines.some((text) => text.includes('dropped: too large')))
        context.failure = undefined
        client.write('<13>b\n')
        await context.whenDelivered(1)
        assert.equal(context.events[0]?.body, '<13>b')
      },
      { log },
    )
  })

  it('a sender of one byte at a time, and one that sends no newline, hold nobody up', () =>
    dialogue({ eventSize: '100' }, async (slow, source) => {
      const other = await RawClient.connect(source.port)
      for (const byte of '<13>slow') slow.write(byte)
      other.write(Buffer.alloc(1_000_000, 'x'))
      other.write(`\n${line}`)
      await source.context.whenDelivered(10_001)
      assert.ok(source.context.events.slice(0, 10_000).every(({ body }) => body.length === 100))
      slow.write('\n')
      await source.context.whenDelivered(10_002)
      assert.equal(source.context.events.at(-1)?.body, '<13>slow')
      other.destroy()
    }))

  it('a stop while the channel is full ends at once', async () => {
    const source = await startSource(syslogTcp, { host: '127.0.0.1' })
    source.context.room = 0
    const client = await RawClient.connect(source.port)
    client.write(line)
    await until(() => source.context.counters.eventReceived > 0)
    await source.stop()
    client.destroy()
  })

  it('takes messages over TLS', async () => {
    const source = await startSource(syslogTcp, { host: '127.0.0.1', clientIPHeader: 'ip', ...serverTls })
    const client = connect({ port: source.port, host: '127.0.0.1', ca: authority })
    client.write(line.repeat(3))
    await source.context.whenDelivered(3)
    assert.equal(source.context.events[2]?.headers.ip, '127.0.0.1')
    client.destroy()
    await source.stop()
  })

  it('bind is not read and said to be so, patterns of your own and TLS are findings', () => {
    const problems = (texts: Record<string, string>, more = {}): string[] =>
      (
        syslogTcp.check?.({ ...readOptions(syslogTcp, { port: '0', ...texts }), ...more } as never, noSettings) ?? []
      ).map(({ option, severity = 'error' }) => `${severity} ${option}`)
    assert.deepEqual(problems({ bind: 'x' }), ['warning bind'])
    assert.deepEqual(problems({ ssl: 'true' }), ['error keystore'])
    assert.deepEqual(problems({}, { 'format.': { regex: 'x' } }), ['error format.regex'])
    assert.deepEqual(problems({}), [])
  })
})
