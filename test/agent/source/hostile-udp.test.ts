// What strangers send to UDP ports, who cannot be held back: memory is bounded, what is dropped is counted and said, and
// whoever comes next is served.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SourceSpec } from '../../../src/agent/contract.ts'
import { netcatUdp } from '../../../src/agent/source/netcatudp.ts'
import { syslogUdp } from '../../../src/agent/source/syslogudp.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { startSource } from '../../support/running-source.ts'
import { sendDatagrams } from '../../support/send-datagrams.ts'
import { until } from '../../support/until.ts'

/** The largest there is over IPv4. */
const datagramBytesMax = 65_507
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => 255 - i))

const strange: readonly (readonly [what: string, datagram: Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['a newline', Buffer.from('\n')],
  ['newlines only', Buffer.alloc(60_000, '\n')],
  ['every byte there is', everyByte],
  ['zeros', Buffer.alloc(10_000)],
  ['half of a character', Buffer.from([0x3c, 0x31, 0x33, 0x3e, 0xe2, 0x82])],
  ['a priority without end', Buffer.from(`<${'9'.repeat(datagramBytesMax - 1)}`)],
  ['opening brackets', Buffer.alloc(datagramBytesMax, '<')],
  ['a year beyond all years', Buffer.from('<13>1 99999999-99-99T99:99:99.999999999999999+99:99 h b')],
  ['fields without end', Buffer.concat([Buffer.from('<13>1 '), Buffer.alloc(60_000, '- ')])],
  ['escapes of a terminal', Buffer.from('<13>\u001b]0;title\u0007\u001b[2J')],
  ['the largest datagram there is', Buffer.alloc(datagramBytesMax, 'x')],
]

const sources: readonly (readonly [name: string, spec: SourceSpec, texts: Record<string, string>])[] = [
  ['syslogudp', syslogUdp, { host: '127.0.0.1', keepFields: 'all', clientIPHeader: 'ip' }],
  ['netcatudp', netcatUdp, { remoteAddress: 'from' }],
]

for (const [name, spec, texts] of sources) {
  describe(`${name}, and a stranger`, () => {
    it('who sends what is no message: each is one event at most, none of it is lost sight of, and the next is served', async () => {
      const log = new RecordingLogger()
      const { context, port, stop } = await startSource(spec, texts, { log })
      const came = (text: string): boolean => context.events.some(({ body }) => body.endsWith(text))
      for (const [i, [what, datagram]] of strange.entries()) {
        const before = context.count
        await sendDatagrams(port, [datagram, `<13>after ${i}`])
        await until(() => came(`after ${i}`), `what comes after ${what}`)
        const events = context.events.slice(before)
        assert.ok(events.length <= 2, `${what} became ${events.length - 1} events`)
        for (const { headers } of events) {
          for (const value of Object.values(headers)) assert.ok(value.length < 200, `${what}: ${value.slice(0, 300)}`)
        }
        const bytes = events.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0)
        assert.ok(bytes <= 3 * datagram.length + 20, `${what} became ${bytes} bytes`)
      }
      await stop()
      assert.deepEqual(log.lines, [])
    })

    it('who sends the largest there is has all of it taken (S-30, S-40)', async () => {
      const { context, port, stop } = await startSource(spec, texts)
      await sendDatagrams(port, [Buffer.alloc(datagramBytesMax, 'x')])
      await context.whenDelivered(1)
      await stop()
      assert.equal(context.events[0]?.body, 'x'.repeat(datagramBytesMax))
    })

    it('who floods it while the channel waits: what is kept is bounded, the rest counted and said', async () => {
      const log = new RecordingLogger()
      const { context, port, stop } = await startSource(spec, texts, { log })
      const release = context.hold()
      const before = process.memoryUsage()
      const datagram = Buffer.alloc(60_000, 'x')
      // With a turn of the loop after each; what does not fit into the system's own buffer is lost all the same.
      await until(async () => {
        await sendDatagrams(port, [datagram])
        return context.counters.eventReadFail >= 20
      }, 'what is dropped')
      const now = process.memoryUsage()
      const grown = now.arrayBuffers - before.arrayBuffers + Math.max(0, now.heapUsed - before.heapUsed)
      assert.ok(grown < 96 * 1024 * 1024, `${grown} bytes more`)
      assert.match(log.lines.at(-1) ?? '', /datagrams come faster than they are taken: \d+ dropped so far/)
      release()
      await until(() => context.pending === 0 && context.batches.length >= 2, 'what waited')
      await sendDatagrams(port, ['<13>after'])
      await until(() => context.events.at(-1)?.body.endsWith('after') ?? false, 'the next one')
      await stop()
      // Between what one delivery had when the channel began to wait, and what the system still had when it went on.
      const waited = context.batches[1]?.bodyBytes ?? 0
      assert.ok(waited > 0 && waited <= 17 * 1024 * 1024, `${waited} bytes were kept`)
    })

    it('who sends more than the channel takes: what is refused is dropped, counted and said; then it goes on', async () => {
      const log = new RecordingLogger()
      const { context, port, stop } = await startSource(spec, texts, { log })
      context.room = 10
      for (let i = 0; i < 10; i++) {
        await sendDatagrams(
          port,
          Array.from({ length: 20 }, (_, n) => `<13>${20 * i + n}`),
        )
      }
      const refused = (): number =>
        log.lines.reduce(
          (sum, line) => sum + Number(/(\d+) of \d+ events are dropped: no room/.exec(line)?.[1] ?? 0),
          0,
        )
      await until(() => refused() === 190, '190 events that were dropped')
      assert.deepEqual(
        context.events.map(({ body }) => body.replace('<13>', '')),
        Array.from({ length: 10 }, (_, i) => String(i)),
      )
      context.room = 10
      await sendDatagrams(port, ['<13>after'])
      await context.whenDelivered(11)
      await stop()
    })
  })
}
