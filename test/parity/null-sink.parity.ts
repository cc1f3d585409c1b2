import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { postEvents } from '../peers/flows.ts'
import { type Side, startAgent } from '../peers/side-by-side.ts'
import { freePort } from '../support/free-port.ts'
import { tempDir } from '../support/temp-dir.ts'

/** What `/metrics` says of the channel once everything is out of it. */
async function drained(t: Parameters<typeof tempDir>[0], side: Side, version: '1.9' | '1.11'): Promise<unknown> {
  const [port, pages] = [await freePort(), await freePort()]
  const properties = [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    'a1.sources.r1.type = http',
    'a1.sources.r1.bind = 127.0.0.1',
    `a1.sources.r1.port = ${port}`,
    'a1.sources.r1.channels = c1',
    'a1.channels.c1.type = memory',
    'a1.sinks.k1.type = null',
    'a1.sinks.k1.batchSize = 7',
    'a1.sinks.k1.channel = c1',
    '',
  ]
  const monitoring = ['-Dflume.monitoring.type=http', `-Dflume.monitoring.port=${pages}`]
  await using agent = await startAgent(side, version, properties.join('\n'), await tempDir(t), monitoring)
  const events = Array.from({ length: 50 }, (_, i) => ({ body: String(i) }))
  const answers = [await postEvents(port, events), await postEvents(port, events.slice(0, 3))]
  for (let left = 200; ; left--) {
    const all = (await (await fetch(`http://127.0.0.1:${pages}/metrics`)).json()) as Record<
      string,
      Record<string, string>
    >
    const { ChannelSize, EventPutSuccessCount, EventTakeSuccessCount } = all['CHANNEL.c1'] ?? {}
    const seen = { answers, ChannelSize, EventPutSuccessCount, EventTakeSuccessCount }
    if (EventTakeSuccessCount === '53') return seen
    assert.ok(left > 0, `${side}: ${JSON.stringify(seen)}\n${agent.stderr.slice(-2000)}`)
    await systemClock.sleep(50)
  }
}

for (const version of ['1.9', '1.11'] as const) {
  test(`the null sink takes everything out of its channel, as in Flume ${version} (N-03)`, async (t) => {
    const theirs = await drained(t, 'theirs', version)
    assert.deepEqual(await drained(t, 'ours', version), theirs)
  })
}
