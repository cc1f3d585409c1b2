import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { syslogUdp } from '../../../src/agent/source/syslogudp.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { startSource } from '../../support/running-source.ts'
import { sendDatagrams } from '../../support/send-datagrams.ts'
import { FakeSourceContext } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

describe('syslogudp source', () => {
  it('each datagram is an event, up to the largest there is (S-40)', async () => {
    const texts = { host: '127.0.0.1', clientIPHeader: 'ip', clientHostnameHeader: 'name' }
    const source = await startSource(syslogUdp, texts)
    const large = `<13>${'x'.repeat(60_000)}`
    await sendDatagrams(source.port, ['<34>1 2003-08-24T05:14:15Z h b', large])
    await source.context.whenDelivered(2)
    await source.stop()
    assert.deepEqual(source.context.events[0], {
      headers: {
        Facility: '4',
        Severity: '2',
        priority: '34',
        version: '1',
        timestamp: String(Date.UTC(2003, 7, 24, 5, 14, 15)),
        host: 'h',
        ip: '127.0.0.1',
        name: 'localhost',
      },
      body: 'b',
    })
    assert.equal(source.context.events[1]?.body, large)
  })

  it('what a full channel refuses is dropped and said; later datagrams are tried', async () => {
    const log = new RecordingLogger()
    const source = await startSource(syslogUdp, { host: '127.0.0.1' }, { log })
    source.context.room = 0
    await sendDatagrams(source.port, ['<13>a'])
    await until(() => log.lines.some((line) => line.includes('1 of 1 events are dropped')))
    source.context.room = 10
    await sendDatagrams(source.port, ['<13>b'])
    await source.context.whenDelivered(1)
    await source.stop()
    assert.deepEqual(
      source.context.events.map(({ body }) => body),
      ['<13>b'],
    )
  })

  it('a flood while a delivery waits is bounded: what is too much is dropped and said', async () => {
    const log = new RecordingLogger()
    const source = await startSource(syslogUdp, { host: '127.0.0.1' }, { log })
    const release = source.context.hold()
    const datagram = Buffer.alloc(60_000, 'x')
    const isSaid = (): boolean => log.lines.some((line) => line.includes('datagrams come faster'))
    // With a turn of the loop after each; what does not fit into the system's own buffer is lost all the same.
    await until(async () => {
      await sendDatagrams(source.port, [datagram])
      return isSaid()
    }, 'what is dropped')
    release()
    await until(() => source.context.batches.length >= 2, 'what waited')
    await source.stop()
    // The first was under way, and what comes after the second was still with the system.
    const bytes = source.context.batches[1]?.bodyBytes ?? 0
    assert.ok(bytes > 0 && bytes <= 17 * 1024 * 1024, `${bytes} bytes were kept`)
  })

  it('a port in use makes the start fail, to be tried again', async () => {
    const first = await startSource(syslogUdp, { host: '127.0.0.1' })
    const values = readOptions(syslogUdp, { host: '127.0.0.1', port: String(first.port) })
    const second = await syslogUdp.create(values as never, new FakeSourceContext())
    await assert.rejects(second.run(), (error) => error instanceof FlumeError && error.code === 'IO' && error.retry)
    await first.stop()
  })
})
