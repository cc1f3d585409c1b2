import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UdpListener, type UdpListenerOptions } from '../../src/net/udp-listener.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { sendDatagrams } from '../support/send-datagrams.ts'
import { until } from '../support/until.ts'

/** A listener whose first call of `take` waits until it is let go. */
async function held(options: Partial<UdpListenerOptions> = {}) {
  const taken: string[][] = []
  const log = new RecordingLogger()
  const clock = new ManualClock()
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let dropped = 0
  const listener = await UdpListener.open({
    host: '127.0.0.1',
    port: 0,
    clock,
    log,
    onDrop: () => {
      dropped++
    },
    take: async (datagrams) => {
      taken.push(datagrams.map(({ bytes }) => bytes.toString()))
      if (taken.length === 1) await released
    },
    ...options,
  })
  const stop = new AbortController()
  const closed = listener.closeOn(stop.signal)
  await sendDatagrams(listener.port, ['first'])
  await until(() => taken.length === 1)
  return {
    listener,
    taken,
    log,
    clock,
    release,
    dropped: () => dropped,
    stop: async () => {
      stop.abort()
      await closed
    },
  }
}

describe('a UDP port', () => {
  it('keeps so many datagrams while the last ones are taken, also empty ones; the rest is counted, and said once a second', async () => {
    const { listener, taken, log, clock, release, dropped, stop } = await held({ waitingCountMax: 10 })
    for (let i = 0; i < 15; i++) await sendDatagrams(listener.port, [''])
    await until(() => dropped() === 5)
    assert.equal(listener.dropped, 5)
    assert.equal(log.lines.length, 1)
    await clock.advance(1000)
    await sendDatagrams(listener.port, ['x'])
    await until(() => dropped() === 6)
    assert.deepEqual(
      log.lines.map((line) => /\d+ dropped so far/.exec(line)?.[0]),
      ['1 dropped so far', '6 dropped so far'],
    )
    release()
    await stop()
    assert.deepEqual(taken, [['first'], new Array(10).fill('')])
  })

  it('keeps so many bytes', async () => {
    const { listener, taken, release, dropped, stop } = await held({ waitingBytesMax: 100 })
    await sendDatagrams(listener.port, ['x'.repeat(60)])
    await sendDatagrams(listener.port, ['y'.repeat(60)])
    await sendDatagrams(listener.port, ['z'.repeat(40)])
    await until(() => dropped() === 1)
    await sendDatagrams(listener.port, ['last'])
    await until(() => dropped() === 2)
    release()
    await stop()
    assert.deepEqual(taken, [['first'], ['x'.repeat(60), 'z'.repeat(40)]])
  })

  it('goes on when taking fails, and says what is dropped', async () => {
    const log = new RecordingLogger()
    const options = { host: '127.0.0.1', port: 0, clock: new ManualClock(), log }
    const listener = await UdpListener.open({ ...options, take: () => Promise.reject(new Error('broken')) })
    const stop = new AbortController()
    const closed = listener.closeOn(stop.signal)
    for (const calls of [1, 2]) {
      await sendDatagrams(listener.port, ['x'])
      await until(() => log.lines.length === calls)
      assert.match(log.lines.at(-1) ?? '', /1 datagrams are dropped: broken/)
    }
    stop.abort()
    await closed
  })
})
