import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { connect } from 'node:tls'
import { multiportSyslogTcp } from '../../../src/agent/source/multiport-syslogtcp.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { freePort } from '../../support/free-port.ts'
import { authority, serverTls } from '../../support/key-stores.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { listen, RawClient } from '../../support/rpc.ts'
import { FakeSourceContext, type FakeSourceContextOptions } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

async function start(
  ports: readonly number[],
  texts: Record<string, string> = {},
  options: FakeSourceContextOptions = {},
  charsets: Record<string, string> = {},
) {
  const context = new FakeSourceContext(options)
  const values = {
    ...readOptions(multiportSyslogTcp, { host: '127.0.0.1', ports: ports.join(' '), ...texts }),
    'charset.port.': charsets,
  }
  const source = await multiportSyslogTcp.create(values as never, context)
  const ended = source.run()
  await Promise.race([context.whenReady, ended])
  const stop = async (): Promise<void> => {
    context.stop()
    await ended
  }
  return { context, stop }
}

const line = '<34>1 2003-08-24T05:14:15Z h b\n'

describe('multiport_syslogtcp source', () => {
  it('every port is listened on, and named in a header (S-60)', async () => {
    const ports = [await freePort(), await freePort()]
    const texts = { portHeader: 'port', clientIPHeader: 'ip', clientHostnameHeader: 'name' }
    const { context, stop } = await start(ports, texts)
    for (const [i, port] of ports.entries()) {
      const client = await RawClient.connect(port)
      client.write(line.slice(0, 10))
      client.write(line.slice(10))
      await context.whenDelivered(i + 1)
      client.destroy()
    }
    await stop()
    assert.deepEqual(
      context.events.map(({ headers, body }) => [headers.port, headers.ip, headers.name, headers.Priority, body]),
      ports.map((port) => [String(port), '127.0.0.1', 'localhost', '34', 'b']),
    )
  })

  it('a port that cannot be had is only said; when none can, the start fails, to be tried again', async () => {
    const taken = await listen({ serve: async () => undefined })
    const free = await freePort()
    const log = new RecordingLogger()
    const { context, stop } = await start([taken.port, free], {}, { log })
    assert.ok(log.lines.some((text) => text.includes(`:${taken.port}`)))
    const client = await RawClient.connect(free)
    client.write(line)
    await context.whenDelivered(1)
    client.destroy()
    await stop()
    await assert.rejects(start([taken.port]), (error) => error instanceof FlumeError && error.retry)
    await taken.close()
  })

  it('each port has its charset (S-65)', async () => {
    const ports = [await freePort(), await freePort()]
    const { context, stop } = await start(ports, {}, {}, { [String(ports[1])]: 'ISO-8859-1' })
    for (const [i, port] of ports.entries()) {
      const client = await RawClient.connect(port)
      client.write(Buffer.concat([Buffer.from('<34>1 - h '), Buffer.from([0xe9, 0x0a])]))
      await context.whenDelivered(i + 1)
      client.destroy()
    }
    await stop()
    assert.deepEqual(
      context.events.map(({ headers }) => headers['flume.syslog.status']),
      ['Invalid', undefined],
    )
  })

  it('a line above eventSize is cut there and marked, and nothing of it is lost (S-64)', async () => {
    const port = await freePort()
    const { context, stop } = await start([port], { eventSize: '40' })
    const client = await RawClient.connect(port)
    client.write(`<34>1 2003-08-24T05:14:15Z h ${'x'.repeat(11)}${'y'.repeat(20)}\n${line}`)
    await context.whenDelivered(3)
    await stop()
    client.destroy()
    assert.deepEqual(
      context.events.map(({ headers, body }) => [headers['flume.syslog.status'], body]),
      [
        ['Incomplete', 'x'.repeat(11)],
        ['Invalid', 'y'.repeat(20)],
        [undefined, 'b'],
      ],
    )
  })

  it('up to batchSize events are one transaction; a full channel holds the sender back (S-65)', async () => {
    const clock = new ManualClock()
    const port = await freePort()
    const { context, stop } = await start([port], { batchSize: '10' }, { clock })
    context.room = 15
    const client = await RawClient.connect(port)
    client.write(line.repeat(25))
    await until(() => clock.timerCount === 1)
    assert.equal(context.count, 10)
    context.room = 100
    await clock.advance(100)
    await context.whenDelivered(25)
    assert.deepEqual(
      context.batches.map(({ count }) => count),
      [10, 10, 5],
    )
    client.destroy()
    await stop()
  })

  it('a stranger on each port who never ends a line, or says that it is long, costs little and nobody else anything', async () => {
    const ports = [await freePort(), await freePort(), await freePort()] as const
    const { context, stop } = await start(ports, { portHeader: 'port' })
    const before = process.memoryUsage()
    const endless = Buffer.alloc(2 * 1024 * 1024, 'x')
    const counted = Buffer.concat([Buffer.from('999999999 <13>'), endless])
    const binary = Buffer.from(Array.from({ length: 256 * 1024 }, (_, i) => (i * 7919) & 0xff))
    const strangers = await Promise.all(ports.map((port) => RawClient.connect(port)))
    for (const [i, bytes] of [endless, counted, binary].entries()) strangers[i]?.write(bytes)
    const bytesFrom = (port: number): number =>
      context.batches.reduce(
        (sum, batch) => (batch.headersAt(0)['port'] === String(port) ? sum + batch.bodyBytes : sum),
        0,
      )
    await until(() => bytesFrom(ports[0]) > 2 * 1024 * 1024 - 3000, 'what never ended, in pieces')
    await until(() => bytesFrom(ports[2]) > 200_000, 'what is no text')
    for (const { body } of context.events) assert.ok(Buffer.byteLength(body) <= 3 * 2500)
    const now = process.memoryUsage()
    // What was delivered stays in the list of this test: beside that nothing grows.
    const kept = ports.reduce((sum, port) => sum + bytesFrom(port), 0)
    const grown = now.arrayBuffers - before.arrayBuffers
    assert.ok(grown < kept + 32 * 1024 * 1024, `${grown} bytes more, ${kept} of them delivered`)

    for (const port of ports) {
      const next = await RawClient.connect(port)
      const count = context.count
      next.write(line)
      await until(() => context.events.slice(count).some(({ body }) => body === 'b'), `the next message to ${port}`)
      next.destroy()
    }
    for (const stranger of strangers) stranger.destroy()
    await stop()
  })

  it('slow strangers on each port, who send a byte now and then, hold up nobody', async () => {
    const ports = [await freePort(), await freePort()] as const
    const { context, stop } = await start(ports, { portHeader: 'port' })
    const slow = await Promise.all(Array.from({ length: 40 }, (_, i) => RawClient.connect(ports[i % 2] as number)))
    for (const [i, byte] of [...line].entries()) {
      for (const client of slow) {
        client.socket.setNoDelay(true)
        client.write(byte)
      }
      if (i % 8 !== 0) continue
      const quick = await RawClient.connect(ports[i % 2] as number)
      const { count } = context
      quick.write(line)
      await until(() => context.count === count + 1)
      quick.destroy()
    }
    await until(() => context.count === Math.ceil(line.length / 8) + slow.length, 'the slow ones')
    assert.ok(context.events.every(({ body, headers }) => body === 'b' && !('flume.syslog.status' in headers)))
    for (const client of slow) client.destroy()
    await stop()
  })

  it('a channel that takes nothing holds back the strangers of every port, and not one event is lost', async () => {
    const clock = new ManualClock()
    const ports = [await freePort(), await freePort()] as const
    const { context, stop } = await start(ports, {}, { clock })
    context.room = 0
    const lineCount = 16_000
    const flood = Buffer.from(`<34>1 2003-08-24T05:14:15Z h ${'x'.repeat(1970)}\n`.repeat(lineCount))
    const clients = await Promise.all(ports.map((port) => RawClient.connect(port)))
    for (const client of clients) {
      for (let at = 0; at < flood.length; at += 65_536) client.write(flood.subarray(at, at + 65_536))
    }
    await until(() => clock.timerCount === 2)
    // Time enough for all of it, if anybody read it.
    for (let turns = 0; turns < 300; turns++) await new Promise((resolve) => setImmediate(resolve))
    for (const { socket } of clients) {
      const handedOver = flood.length - socket.writableLength
      assert.ok(handedOver < flood.length / 2, `${handedOver} bytes were taken from a sender`)
    }
    assert.equal(context.count, 0)
    context.room = Number.POSITIVE_INFINITY
    await clock.advance(100)
    await context.whenDelivered(2 * lineCount)
    for (const client of clients) client.destroy()
    await stop()
    assert.equal(context.count, 2 * lineCount)
  })

  it('takes messages over TLS on every port', async () => {
    const ports = [await freePort(), await freePort()]
    const { context, stop } = await start(ports, { ...serverTls, portHeader: 'port' })
    for (const port of ports) {
      const client = connect({ port, host: '127.0.0.1', ca: authority })
      client.write(line)
      await context.whenDelivered(1 + ports.indexOf(port))
      client.destroy()
    }
    assert.deepEqual(
      context.events.map(({ headers }) => headers.port),
      ports.map(String),
    )
    await stop()
  })

  it('missing and wrong ports, charsets without newlines of one byte, and options without effect are findings', () => {
    const problems = (texts: Record<string, string>, charsets = {}): string[] =>
      (
        multiportSyslogTcp.check?.({
          ...readOptions(multiportSyslogTcp, texts),
          'charset.port.': charsets,
        } as never) ?? []
      ).map(({ option, severity = 'error' }) => `${severity} ${option}`)
    assert.deepEqual(problems({}), ['error ports'])
    assert.deepEqual(problems({ ports: '1 2', numProcessors: '4', readBufferBytes: '9' }), [
      'warning readBufferBytes',
      'warning numProcessors',
    ])
    assert.deepEqual(problems({ ports: '1' }, { 1: 'utf-16' }), ['error charset.port.1'])
    assert.throws(() => readOptions(multiportSyslogTcp, { ports: '1 99999' }), /99999/)
  })
})
