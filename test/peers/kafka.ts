// A real Kafka broker, agents of both kinds beside it, and what lies in its topics.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeRecords, headersAt, keyTextAt, valueAt } from '../../src/codec/kafka/record-batch.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { KafkaCluster, KafkaSettings } from '../../src/net/kafka/cluster.ts'
import { connectKafka } from '../../src/net/kafka/platformatic.ts'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'
import { startFlume, startJava } from './peers.ts'

const program = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))
const tlsFolder = fileURLToPath(new URL('../../../test/fixture/tls', import.meta.url))

export interface TopicRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | undefined
  readonly value: Buffer | undefined
  readonly headers: readonly (readonly [string, string | undefined])[]
}

/** A broker of this machine's own: open on `servers`, with SASL (PLAIN plain/p, SCRAM scram/s-256 or s-512) on `saslServers`, with TLS on `tlsServers`. */
export class Broker {
  readonly servers: string
  readonly saslServers: string
  readonly tlsServers: string
  readonly folder: string
  #process: RunningProcess | undefined
  #cluster: KafkaCluster | undefined

  private constructor(folder: string, ports: readonly number[]) {
    this.folder = folder
    this.servers = `127.0.0.1:${ports[0]}`
    this.saslServers = `127.0.0.1:${ports[1]}`
    this.tlsServers = `localhost:${ports[2]}`
  }

  static async start(): Promise<Broker> {
    const folder = await mkdtemp(join(tmpdir(), 'flume-ts-kafka-'))
    const ports = [await freePort(), await freePort(), await freePort(), await freePort()]
    const broker = new Broker(folder, ports)
    const store = join(folder, 'store.pem')
    await writeFile(
      store,
      `${await readFile(join(tlsFolder, 'key.pem'), 'utf8')}${await readFile(join(tlsFolder, 'cert.pem'), 'utf8')}`,
    )
    const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_plain="p";'
    const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
    const properties = [
      'process.roles=broker,controller',
      'node.id=1',
      `controller.quorum.voters=1@127.0.0.1:${ports[3]}`,
      `listeners=OPEN://127.0.0.1:${ports[0]},SASL://127.0.0.1:${ports[1]},TLS://localhost:${ports[2]},CONTROLLER://127.0.0.1:${ports[3]}`,
      `advertised.listeners=OPEN://127.0.0.1:${ports[0]},SASL://127.0.0.1:${ports[1]},TLS://localhost:${ports[2]}`,
      'listener.security.protocol.map=OPEN:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name=OPEN',
      'controller.listener.names=CONTROLLER',
      'sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      `listener.name.sasl.plain.sasl.jaas.config=${plain}`,
      `listener.name.sasl.scram-sha-256.sasl.jaas.config=${scram}`,
      `listener.name.sasl.scram-sha-512.sasl.jaas.config=${scram}`,
      'ssl.keystore.type=PEM',
      `ssl.keystore.location=${store}`,
      `log.dirs=${join(folder, 'log')}`,
      'offsets.topic.replication.factor=1',
      'offsets.topic.num.partitions=2',
      'transaction.state.log.replication.factor=1',
      'transaction.state.log.min.isr=1',
      'transaction.state.log.num.partitions=2',
      'group.initial.rebalance.delay.ms=0',
      'num.partitions=1',
    ]
    await writeFile(join(folder, 'server.properties'), `${properties.join('\n')}\n`)
    await broker.restart()
    return broker
  }

  /** Starts the broker, after stopping it in order where it runs. */
  async restart(): Promise<void> {
    await this.stop()
    this.#process = await startJava(
      'kafka-3.9',
      'MiniKafka',
      [join(this.folder, 'server.properties'), join(this.folder, 'log')],
      {
        cwd: this.folder,
      },
    )
    await this.#process.waitFor(/Kafka Server started/)
  }

  async stop(): Promise<void> {
    await this.#cluster?.close()
    this.#cluster = undefined
    await this.#process?.stop()
    this.#process = undefined
  }

  async close(): Promise<void> {
    await this.stop()
    await rm(this.folder, { recursive: true, force: true })
  }

  async cluster(): Promise<KafkaCluster> {
    this.#cluster ??= await connectKafka(this.settings(), systemClock)
    return this.#cluster
  }

  settings(): KafkaSettings {
    const [host, port] = this.servers.split(':') as [string, string]
    return {
      brokers: [{ host, port: Number(port) }],
      clientId: 'test',
      connectTimeoutMs: 10_000,
      requestTimeoutMs: 30_000,
      metadataMaxAgeMs: 0,
    }
  }

  /** Runs one of Kafka's own commands, such as `kafka.admin.ConfigCommand`, to its end. */
  async createTopic(topic: string, partitions: number, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    const cluster = await this.cluster()
    await cluster.createTopic(topic, partitions, configs)
    while ((await cluster.partitionCounts([topic])).get(topic) !== partitions) await systemClock.sleep(20)
  }

  /** Everything in a topic, partition by partition. */
  async records(topic: string): Promise<TopicRecord[]> {
    const cluster = await this.cluster()
    const count = (await cluster.partitionCounts([topic])).get(topic) ?? 0
    const records: TopicRecord[] = []
    for (let partition = 0; partition < count; partition++) {
      const [end] = await cluster.listOffsets('latest', [{ topic, partition }])
      const [start] = await cluster.listOffsets('earliest', [{ topic, partition }])
      for (let offset = start as number; offset < (end as number); ) {
        const leader = await cluster.leaderOf({ topic, partition })
        const [fetched] = await cluster.fetch(leader, [{ topic, partition, offset, maxBytes: 10_000_000 }], {
          maxWaitMs: 500,
          minBytes: 1,
          maxBytes: 10_000_000,
          readCommitted: false,
        })
        if (fetched?.error !== 0) throw new Error(`fetch of ${topic}-${partition}: ${fetched?.error}`)
        const { slices, nextOffset } = decodeRecords(fetched.records, {
          from: offset,
          decompress: (compression, bytes, max) => cluster.decompress(compression, bytes, max),
          decompressedBytesMax: 100_000_000,
        })
        offset = nextOffset
        for (const columns of slices) {
          for (let i = 0; i < columns.count; i++) {
            records.push({
              partition,
              offset: columns.offsets[i] as number,
              timestamp: columns.timestamps[i] as number,
              key: keyTextAt(columns, i),
              value: valueAt(columns, i),
              headers: headersAt(columns, i).map(([name, value]) => [name, value?.toString()] as const),
            })
          }
        }
      }
    }
    return records
  }

  /** Resolves to the values in a topic as text once there are at least `count`. */
  async values(topic: string, count: number): Promise<string[]> {
    return (
      await waitUntil(async () => {
        const found = await this.records(topic)
        return found.length >= count ? found : undefined
      }, `${count} records in ${topic}`)
    ).map(({ value }) => value?.toString() ?? '')
  }
}

/** Asks again and again until there is an answer. */
export async function waitUntil<T>(
  ask: () => Promise<T | undefined> | T | undefined,
  what: string,
  timeoutMs = 60_000,
): Promise<T> {
  const untilMs = systemClock.monotonic() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (systemClock.monotonic() > untilMs) throw new Error(`no ${what} within ${timeoutMs} ms`)
    await systemClock.sleep(50)
  }
}

export type Side = 'theirs' | 'ours'

/** Starts an agent `a1` of real Flume 1.11 or of ours, and resolves once it runs. */
export async function startAgent(side: Side, properties: string, folder: string): Promise<RunningProcess> {
  if (side === 'theirs')
    return await startFlume({
      version: '1.11-kafka',
      properties,
      ready: /Starting (Sink|Source|Channel)[^\n]*\n(?:[^\n]*\n)*?[^\n]*(started|Started)/,
    })
  const path = join(folder, `agent-${process.hrtime.bigint()}.properties`)
  await writeFile(path, properties)
  const agent = new RunningProcess('flume-ts', process.execPath, [
    program,
    'agent',
    '-n',
    'a1',
    '-f',
    path,
    '--no-reload-conf',
  ])
  try {
    await agent.waitFor(/agent \S+ runs/)
  } catch (error) {
    await agent.stop()
    throw error
  }
  return agent
}

/** A folder for a file_roll sink, and the lines in it. */
export class OutFolder {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async make(folder: string): Promise<OutFolder> {
    const path = await mkdtemp(join(folder, 'out-'))
    await mkdir(path, { recursive: true })
    return new OutFolder(path)
  }

  async lines(): Promise<string[]> {
    const names = (await readdir(this.path)).sort()
    const texts = await Promise.all(names.map((name) => readFile(join(this.path, name), 'utf8')))
    return texts
      .join('')
      .split('\n')
      .filter((line) => line !== '')
  }

  async waitForLines(count: number): Promise<string[]> {
    return await waitUntil(async () => {
      const lines = await this.lines()
      return lines.length >= count ? lines : undefined
    }, `${count} lines in ${this.path}`)
  }
}
