import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { type Side, startAgent } from '../peers/side-by-side.ts'
import { freePort } from '../support/free-port.ts'
import { tempDir } from '../support/temp-dir.ts'

const sent = ['', 'a', 'exactly 16 bytes', 'more than sixteen bytes of it', 'grün\t€\u0007', 'x\r']

test('the logger sink writes the lines of Flume 1.11 (N-01, N-02)', async (t) => {
  const lines: Partial<Record<Side, readonly string[]>> = {}
  for (const side of ['theirs', 'ours'] as const) {
    const port = await freePort()
    const folder = await tempDir(t)
    const properties = [
      'a1.sources = r1',
      'a1.channels = c1',
      'a1.sinks = k1',
      'a1.sources.r1.type = netcat',
      'a1.sources.r1.bind = 127.0.0.1',
      `a1.sources.r1.port = ${port}`,
      'a1.sources.r1.channels = c1',
      'a1.sources.r1.interceptors = i1',
      'a1.sources.r1.interceptors.i1.type = static',
      'a1.sources.r1.interceptors.i1.key = kind',
      'a1.sources.r1.interceptors.i1.value = a value',
      'a1.channels.c1.type = memory',
      'a1.sinks.k1.type = logger',
      'a1.sinks.k1.channel = c1',
    ]
    await using agent = await startAgent(side, '1.11', properties.join('\n'), folder)
    for (let left = 100; ; left--) {
      const socket = connect(port, '127.0.0.1')
      const isUp = await new Promise((resolve) =>
        socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
      )
      if (isUp) {
        socket.end(sent.map((line) => `${line}\n`).join(''))
        break
      }
      assert.ok(left > 0, `${side} does not listen`)
      await systemClock.sleep(50)
    }
    // Ours is a line of JSON where there is no terminal: what closes it is no part of the message.
    const events = (): string[] =>
      [...`${agent.stdout}\n${agent.stderr}`.matchAll(/Event: \{ headers:.*\}/g)].map((found) =>
        String(found).replace(/"\}$/, ''),
      )
    lines[side] = await agent.waitUntil(() => (events().length >= sent.length ? events() : undefined), 'its events')
  }
  assert.deepEqual(lines.ours, lines.theirs)
})
