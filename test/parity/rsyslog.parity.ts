import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { type Stand, sideBySide, startAgent } from '../peers/side-by-side.ts'
import { valuesOf } from '../support/avro-container.ts'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'
import { tempDir } from '../support/temp-dir.ts'

const missing = ['rsyslogd', 'logger'].filter((name) => spawnSync('which', [name]).status !== 0)
if (missing.length > 0) console.log(`SKIPPED: real syslog senders are not there: ${missing.join(', ')}`)
const skip = missing.length > 0 && `needs ${missing.join(' and ')}`

/** After this time a slow machine has bound the port as well; datagrams that come before are nobody's. */
const udpBoundMs = 4000
const messages = ['hello', 'grün € 🚰', 'with  two blanks and a [bracket]: colon', 'x'.repeat(500)]

/** Runs rsyslog with a configuration of its own; it forwards what `logger` sends it to the agent. */
async function relay(
  { port, folder, written }: Stand,
  forward: readonly string[],
  templates: readonly string[] = [],
): Promise<void> {
  const own = await freePort()
  const work = join(folder, 'rsyslog')
  await mkdir(work)
  const conf = join(work, 'rsyslog.conf')
  await writeFile(
    conf,
    [
      `global(workDirectory="${work}" localHostname="relay" parser.escapeControlCharactersOnReceive="off")`,
      'module(load="imtcp")',
      ...templates,
      `input(type="imtcp" port="${own}" address="127.0.0.1")`,
      `action(type="omfwd" target="127.0.0.1" port="${port}" ${forward.join(' ')} action.resumeRetryCount="-1" action.resumeInterval="1")`,
      '',
    ].join('\n'),
  )
  await using _rsyslog = new RunningProcess('rsyslogd', 'rsyslogd', ['-n', '-f', conf, '-i', join(work, 'pid')])
  const send = (message: string): number | null =>
    spawnSync('logger', [
      ...['--tcp', '--server', '127.0.0.1', '--port', String(own), '--rfc5424'],
      ...['-p', 'local3.warning', '-t', 'app', message],
    ]).status
  const [first, ...rest] = messages as [string, ...string[]]
  for (let left = 600; send(first) !== 0; left--) {
    assert.ok(left > 0, 'rsyslog does not listen')
    await systemClock.sleep(50)
  }
  for (const message of rest) assert.equal(send(message), 0)
  // What rsyslog still holds is lost when it ends before the agent has it.
  await written(messages.length)
}

/** Headers in an order of their own; what was sent to one is a second older than what was sent to the other. */
function withoutTimes(text: string): string[] {
  return text
    .replaceAll(/[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)/g, 'TIME')
    .split('\n')
    .map((line) =>
      line.replace(/^\{(.*?)\}/, (_, headers: string) => {
        const kept = headers.split(', ').filter((header) => !header.startsWith('timestamp='))
        return `{${kept.sort().join(', ')}}`
      }),
    )
    .sort()
}

const formats: readonly (readonly [name: string, forward: readonly string[]])[] = [
  ['RFC 3164', ['template="RSYSLOG_TraditionalForwardFormat"']],
  ['RFC 5424', ['template="RSYSLOG_SyslogProtocol23Format"']],
]
const octetCounted = 'TCP_Framing="octet-counted"'

// Flume knows no counts of octets: what it makes of the same messages without them is what is expected here.
for (const type of ['syslogtcp', 'multiport_syslogtcp']) {
  for (const [name, forward] of formats) {
    test(`${type}: what real rsyslog forwards as ${name} behind counts of octets gives the events that Flume 1.11 makes without them (RFC 6587)`, {
      skip,
    }, async (t) => {
      const { theirs, ours } = await sideBySide(t, {
        version: '1.11',
        source: [`type = ${type}`, 'host = 127.0.0.1', type === 'syslogtcp' ? 'port = PORT' : 'ports = PORT'],
        feed: (stand) => relay(stand, ['protocol="tcp"', ...forward, ...(stand.side === 'ours' ? [octetCounted] : [])]),
        lines: messages.length,
      })
      assert.deepEqual(withoutTimes(ours), withoutTimes(theirs))
      for (const message of messages) assert.ok(ours.includes(Buffer.from(message).toString('latin1')), message)
    })
  }

  test(`${type}: a message of several lines, counted by real rsyslog, is one event with its lines (RFC 6587)`, {
    skip,
  }, async (t) => {
    const folder = await tempDir(t)
    const port = await freePort()
    const properties = [
      'a1.sources = r1',
      'a1.channels = c1',
      'a1.sinks = k1',
      `a1.sources.r1.type = ${type}`,
      'a1.sources.r1.host = 127.0.0.1',
      `a1.sources.r1.${type === 'syslogtcp' ? 'port' : 'ports'} = ${port}`,
      'a1.sources.r1.channels = c1',
      'a1.channels.c1.type = memory',
      'a1.sinks.k1.type = file_roll',
      'a1.sinks.k1.sink.rollInterval = 0',
      `a1.sinks.k1.sink.directory = ${folder}/out`,
      'a1.sinks.k1.sink.serializer = avro_event',
      'a1.sinks.k1.channel = c1',
    ]
    await mkdir(join(folder, 'out'))
    await using agent = await startAgent('ours', '1.11', properties.join('\n'), folder)
    const lines = 'first\n second <13>\n\nlast'
    const written = async (): Promise<Buffer> => {
      const names = await readdir(join(folder, 'out'))
      return Buffer.concat(await Promise.all(names.map((name) => readFile(join(folder, 'out', name)))))
    }
    const template =
      '$template lines,"<%pri%>1 %timegenerated:::date-rfc3339% h app - - - first\\n second <13>\\n\\nlast"'
    await relay(
      {
        side: 'ours',
        port,
        folder,
        written: async (count) => {
          // All of them: what rsyslog has not sent yet when it ends is lost.
          for (let left = 1200; (await written()).toString('latin1').split(lines).length - 1 < count; left--) {
            assert.ok(left > 0, `${await written()}\n${agent.stderr.slice(-2000)}`)
            await systemClock.sleep(50)
          }
        },
      },
      ['protocol="tcp"', 'template="lines"', octetCounted],
      [template],
    )
    await agent.stop()
    const { values } = await valuesOf(await written())
    assert.deepEqual(
      values.map((value) => Buffer.from((value as { body: Uint8Array }).body).toString()),
      messages.map(() => `app - - - ${lines}`),
    )
  })
}

for (const [type, protocol] of [
  ['syslogtcp', 'tcp'],
  ['syslogudp', 'udp'],
  ['multiport_syslogtcp', 'tcp'],
] as const) {
  for (const [name, forward] of formats) {
    test(`${type}: what real rsyslog forwards as ${name} gives the events of Flume 1.11 (S-40…S-45, S-60)`, {
      skip,
    }, async (t) => {
      const ports = type === 'multiport_syslogtcp' ? 'ports = PORT' : 'port = PORT'
      const { theirs, ours } = await sideBySide(t, {
        version: '1.11',
        source: [`type = ${type}`, 'host = 127.0.0.1', ports],
        feed: async (stand) => {
          if (protocol === 'udp') await systemClock.sleep(udpBoundMs)
          await relay(stand, [`protocol="${protocol}"`, ...forward])
        },
        lines: messages.length,
      })
      assert.deepEqual(withoutTimes(ours), withoutTimes(theirs))
      for (const message of messages) assert.ok(ours.includes(Buffer.from(message).toString('latin1')), message)
    })
  }

  test(`${type}: logger of util-linux gives the events of Flume 1.11`, { skip }, async (t) => {
    const ports = type === 'multiport_syslogtcp' ? 'ports = PORT' : 'port = PORT'
    const { theirs, ours } = await sideBySide(t, {
      version: '1.11',
      source: [`type = ${type}`, 'host = 127.0.0.1', ports],
      feed: async ({ port }) => {
        if (protocol === 'udp') await systemClock.sleep(udpBoundMs)
        for (const message of messages) {
          const args = [
            `--${protocol}`,
            '--server',
            '127.0.0.1',
            '--port',
            String(port),
            '--rfc3164',
            '-t',
            'app',
            message,
          ]
          for (let left = 600; spawnSync('logger', args).status !== 0; left--) {
            assert.ok(left > 0, 'nobody listens')
            await systemClock.sleep(50)
          }
        }
      },
      lines: messages.length,
    })
    assert.deepEqual(withoutTimes(ours), withoutTimes(theirs))
  })
}
