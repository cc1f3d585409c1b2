import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/core/clock.ts'
import { FlumeClient } from '../../src/net/avro-rpc/flume-client.ts'
import { flumeService } from '../../src/net/avro-rpc/flume-service.ts'
import { startFlume } from '../peers/peers.ts'
import type { Side } from '../peers/side-by-side.ts'
import { bodies, textsOf } from '../support/batches.ts'
import { freePort } from '../support/free-port.ts'
import { listenRpc } from '../support/rpc.ts'
import { RunningProcess } from '../support/running-process.ts'
import { tempDir } from '../support/temp-dir.ts'

const program = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))

/** What can be seen of one agent's channel. */
interface Seen {
  /** What `/metrics` says of the channel. */
  readonly attributes: readonly string[]
  /** While nothing drains it. */
  readonly metrics: Readonly<Record<string, string | undefined>>
  /** What the sink gets once somebody listens. */
  readonly delivered: readonly string[]
}

const shown = [
  'ChannelCapacity',
  'ChannelSize',
  'ChannelFillPercentage',
  'EventPutAttemptCount',
  'EventPutSuccessCount',
  'EventTakeSuccessCount',
  'Type',
  'Open',
  'Closed',
  'Unhealthy',
  'EventPutErrorCount',
  'EventTakeErrorCount',
  'CheckpointWriteErrorCount',
  'CheckpointBackupWriteErrorCount',
]

async function run(
  test: { after(release: () => Promise<void>): void },
  side: Side,
  channel: readonly string[],
  batches: readonly (readonly string[])[],
  end: 'drain' | 'kill',
): Promise<Seen> {
  const folder = await tempDir(test)
  const [port, out, pages] = [await freePort(), await freePort(), await freePort()]
  const properties = [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    'a1.sources.r1.type = avro',
    'a1.sources.r1.bind = 127.0.0.1',
    `a1.sources.r1.port = ${port}`,
    'a1.sources.r1.channels = c1',
    `a1.channels.c1.checkpointDir = ${folder}/checkpoint`,
    `a1.channels.c1.dataDirs = ${folder}/data`,
    ...channel.map((line) => `a1.channels.c1.${line}`),
    'a1.sinks.k1.type = avro',
    'a1.sinks.k1.hostname = 127.0.0.1',
    `a1.sinks.k1.port = ${out}`,
    'a1.sinks.k1.batch-size = 3',
    'a1.sinks.k1.channel = c1',
    '',
  ].join('\n')
  let agent = await start(side, properties, folder, pages)
  const delivered: string[] = []
  try {
    const client = await connected(port)
    for (const batch of batches) assert.equal(await client.send(batch), 'OK', side)
    const all = (await (await fetch(`http://127.0.0.1:${pages}/metrics`)).json()) as Record<
      string,
      Record<string, string>
    >
    const metrics = Object.fromEntries(shown.map((name) => [name, all['CHANNEL.c1']?.[name]]))
    const attributes = Object.keys(all['CHANNEL.c1'] ?? {}).filter((name) => !name.startsWith('Ledger'))
    await client.close()
    if (end === 'kill') {
      await agent.kill()
      agent = await start(side, properties, folder, pages)
    }
    const collect = async (batch: Parameters<typeof textsOf>[0]) => {
      delivered.push(...textsOf(batch))
      return 'OK' as const
    }
    const collector = await listenRpc(
      { services: [flumeService({ append: async () => 'FAILED' as const, appendBatch: collect })] },
      { port: out },
    )
    try {
      // A last one tells that everything before it has come.
      const last = await connected(port)
      assert.equal(await last.send(['end']), 'OK')
      await last.close()
      for (let left = 600; !delivered.includes('end'); left--) {
        assert.ok(left > 0, `${side}: ${delivered.join()}\n${agent.stderr.slice(-3000)}`)
        await systemClock.sleep(50)
      }
    } finally {
      await collector.close()
    }
    return { attributes: attributes.sort(), metrics, delivered }
  } finally {
    await agent.stop()
  }
}

async function connected(port: number) {
  const client = await FlumeClient.connect({ host: '127.0.0.1', port, clock: systemClock })
  return {
    send: (texts: readonly string[]) => client.appendBatch(bodies(...texts)),
    close: () => client.close(),
  }
}

async function start(side: Side, properties: string, folder: string, pages: number): Promise<RunningProcess> {
  const monitoring = ['-Dflume.monitoring.type=http', `-Dflume.monitoring.port=${pages}`]
  if (side === 'theirs') return startFlume({ properties, jvm: monitoring })
  const path = join(folder, 'agent.properties')
  await writeFile(path, properties)
  const agent = new RunningProcess('flume-ts', process.execPath, [
    program,
    'agent',
    '-n',
    'a1',
    '-f',
    path,
    ...monitoring,
  ])
  await agent.waitFor(/agent \S+ runs/)
  return agent
}

/** Batches of the given sizes, numbered through. */
function sized(...counts: readonly number[]): string[][] {
  let next = 0
  return counts.map((count) => Array.from({ length: count }, () => String(next++)))
}

const small = [
  'type = SPILLABLEMEMORY',
  'memoryCapacity = 10',
  'overflowCapacity = 100',
  'transactionCapacity = 50',
  'overflowTimeout = 1',
]
const cases: readonly {
  readonly name: string
  readonly channel: readonly string[]
  readonly batches: readonly (readonly string[])[]
  readonly end: 'drain' | 'kill'
}[] = [
  {
    name: 'file: its counters, and what a kill leaves',
    channel: ['type = file', 'capacity = 100', 'transactionCapacity = 50'],
    batches: sized(4, 20),
    end: 'kill',
  },
  {
    name: 'spillable: memory, then disk, then memory again, in one order (X-01, X-02)',
    channel: small,
    batches: sized(4, 4, 4, 2, 7, 1),
    end: 'drain',
  },
  {
    name: 'spillable: what was in memory is gone after a kill, what was on the disk is there (X-03)',
    channel: small,
    batches: sized(4, 4, 4, 2, 7, 1),
    end: 'kill',
  },
  {
    name: 'spillable: nothing in memory',
    channel: [...small, 'memoryCapacity = 0'],
    batches: sized(3, 20),
    end: 'kill',
  },
  {
    name: 'spillable: bodies counted in slots of avgEventSize',
    channel: [
      ...small,
      'memoryCapacity = 100',
      'byteCapacity = 12',
      'byteCapacityBufferPercentage = 0',
      'avgEventSize = 2',
    ],
    batches: [['aaa', 'b'], ['ccc', 'dd'], ['e']],
    end: 'kill',
  },
]

for (const { name, channel, batches, end } of cases) {
  test(`${name}: as in Flume 1.11`, async (t) => {
    const theirs = await run(t, 'theirs', channel, batches, end)
    const ours = await run(t, 'ours', channel, batches, end)
    assert.ok(theirs.attributes.includes('EventPutSuccessCount'))
    // The spillable channel of Flume hides the counters of its file part; ours shows them too.
    assert.deepEqual(
      ours.attributes.filter((name) => theirs.attributes.includes(name)),
      theirs.attributes,
    )
    const common = shown.filter((name) => theirs.metrics[name] !== undefined)
    assert.deepEqual(
      common.map((name) => [name, ours.metrics[name]]),
      common.map((name) => [name, theirs.metrics[name]]),
    )
    assert.deepEqual(ours.delivered, theirs.delivered)
  })
}
