import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { sideBySide } from '../peers/side-by-side.ts'
import { realData } from '../support/real-data.ts'
import { sendDatagrams } from '../support/send-datagrams.ts'

/** Lines on which this source agrees with Flume; where it does not, docs/differences.md says so. */
const lines = [
  '<34>Oct 11 22:14:15 mymachine su: hello',
  '<13>1 Nov  1 00:00:01 h b',
  '<165>1 2003-08-24T05:14:15-07:00 192.0.2.1 myproc 8710 - - It time',
  '<13>2012-04-13T11:11:11Z host1 some msg',
  '<13>1 2012-04-13T11:11:11+08:00 - no host',
  '<999>1 2020-01-01T00:00:00Z h b',
  '<13>1 2012-04-13T11:11:11Z h grün',
]
/** These leave no traces of an earlier line only on a connection of their own (S-47). */
const strange = ['<10>Good good good data', '<10F> bad bad data', 'hi guys! <10> bad', '<1234> bad', '<> x']

async function sendAll(port: number, texts: readonly string[]): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  socket.end(texts.map((line) => `${line}\n`).join(''))
  await new Promise((resolve) => socket.once('close', resolve).resume())
}

/** Connections come in no order, nor do the headers of a hash map. */
function sorted(text: string): string[] {
  const inOrder = (headers: string): string => `{${headers.split(', ').sort().join(', ')}}`
  return text
    .split('\n')
    .map((line) => line.replace(/^\{(.*?)\}/, (_, headers: string) => inOrder(headers)))
    .sort()
}

const real = realData('syslog-linux.log')

for (const version of ['1.9', '1.11'] as const) {
  for (const options of [
    [],
    ['keepFields = all'],
    ['keepFields = priority,hostname', 'clientIPHeader = ip', 'clientHostnameHeader = name'],
    ['keepFields = timestamp version'],
    ['eventSize = 20'],
  ]) {
    test(`syslogtcp ${options.join(', ')}: events are those of Flume ${version} (S-40…S-51)`, async (t) => {
      const good = options.some((option) => /timestamp|hostname/.test(option))
        ? lines.filter((line) => !/ - /.test(line))
        : lines
      const isShort = options[0]?.startsWith('eventSize') ?? false
      const input = isShort ? ['<13>0123456789012345678', '<13>short'] : good
      const { theirs, ours } = await sideBySide(t, {
        version,
        source: ['type = syslogtcp', 'host = 127.0.0.1', 'port = PORT', ...options],
        feed: async ({ port }) => {
          await sendAll(port, input)
          if (!isShort) for (const line of strange) await sendAll(port, [line])
        },
        lines: isShort ? 3 : good.length + strange.length,
      })
      assert.deepEqual(sorted(ours), sorted(theirs))
    })
  }

  test(`syslogudp: events are those of Flume ${version} (S-40)`, async (t) => {
    const datagrams = [...lines, '\n<13>1 2012-04-13T11:11:11Z h first\nsecond']
    const { theirs, ours } = await sideBySide(t, {
      version,
      source: ['type = syslogudp', 'host = 127.0.0.1', 'port = PORT', 'clientIPHeader = ip'],
      feed: ({ port }) => sendDatagrams(port, datagrams),
      lines: datagrams.length,
    })
    assert.deepEqual(sorted(ours), sorted(theirs))
  })
}

// Flume 1.9's own fails with the libraries that its other parts need.
test('multiport_syslogtcp: events are those of Flume 1.11 (S-60…S-66)', async (t) => {
  const fixed = ['<34>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc - It time', '<34>Nov 11 22:14:15 h su: hello']
  const { theirs, ours } = await sideBySide(t, {
    version: '1.11',
    source: [
      'type = multiport_syslogtcp',
      'host = 127.0.0.1',
      'ports = PORT',
      'portHeader = port',
      'keepFields = hostname version',
    ],
    feed: async ({ port }) => {
      for (let left = 100; ; left--) {
        try {
          await sendAll(port, [...lines.slice(2), ...fixed, ...strange, '<13>', '<13>1 2003-08-24T05:14:15 h no zone'])
          break
        } catch (error) {
          if (left === 0) throw error
          await systemClock.sleep(50)
        }
      }
    },
    lines: lines.length + fixed.length + strange.length,
  })
  assert.deepEqual(sorted(ours), sorted(theirs))
})

test('a real log without priorities: each line is an Invalid event with its bytes (S-41)', {
  skip: !existsSync(real) && 'the log is not there',
}, async (t) => {
  // Flume keeps the carriage returns of its line ends, which belong to the end here.
  const log = readFileSync(real, 'latin1').replaceAll('\r', '')
  const { theirs, ours } = await sideBySide(t, {
    version: '1.11',
    source: ['type = syslogtcp', 'host = 127.0.0.1', 'port = PORT'],
    feed: ({ port }) => sendAll(port, log.split('\n').slice(0, 1999)),
    lines: 1999,
  })
  const [mine, flumes] = [ours.split('\n'), theirs.split('\n')]
  // From the first line that differs on: all of it would be too much to read.
  const at = mine.findIndex((line, index) => line !== flumes[index])
  if (at >= 0) assert.deepEqual(mine.slice(at, at + 3), flumes.slice(at, at + 3))
  assert.deepEqual([mine.length, flumes.length], [2000, 2000])
})
