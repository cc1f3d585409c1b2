import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { netcatUdp } from '../../../src/agent/source/netcatudp.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { startSource } from '../../support/running-source.ts'
import { sendDatagrams } from '../../support/send-datagrams.ts'
import { until } from '../../support/until.ts'

describe('netcatudp source', () => {
  it('the first line of a datagram is an event, the rest is left out, an empty one is an empty event (S-30)', async () => {
    const { context, port, stop } = await startSource(netcatUdp)
    const large = 'x'.repeat(60_000)
    await sendDatagrams(port, ['one\ntwo', '', 'no end', large])
    await context.whenDelivered(4)
    await stop()
    assert.deepEqual(
      context.events,
      ['one', '', 'no end', large].map((body) => ({ headers: {}, body })),
    )
  })

  it('remoteAddress names a header for the sender', async () => {
    const { context, port, stop } = await startSource(netcatUdp, { remoteAddress: 'from' })
    await sendDatagrams(port, ['one'])
    await context.whenDelivered(1)
    await stop()
    assert.match(context.events[0]?.headers.from ?? '', /^\/127\.0\.0\.1:\d+$/)
  })

  it('what the channel refuses is dropped and said (S-31)', async () => {
    const log = new RecordingLogger()
    const { context, port, stop } = await startSource(netcatUdp, {}, { log })
    context.room = 0
    await sendDatagrams(port, ['one'])
    await until(() => log.lines.some((line) => line.includes('dropped: no room')))
    await stop()
    assert.equal(context.count, 0)
  })
})
