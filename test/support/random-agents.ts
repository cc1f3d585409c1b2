import { type Random, seededRandom } from '../../src/core/random.ts'

export const agentSeed = 7
export const agentCount = 1000

/**
 * Configurations of one agent `a` that make most of the mistakes Flume judges while it loads: names listed and not
 * configured, missing types and channels, bad numbers, batches above transactionCapacity. Left out are those where
 * this project differs on purpose: types that do not exist (Flume starts nothing at all) and a transactionCapacity below
 * the default batch sizes (Flume drops the part).
 */
export function randomAgents(): readonly string[] {
  const random = seededRandom(agentSeed)
  return Array.from({ length: agentCount }, () => randomAgent(random))
}

function randomAgent(random: Random): string {
  const lines: string[] = []
  const pick = (...words: readonly string[]): string => words[Math.floor(random() * words.length)] as string
  const put = (chance: number, ...some: readonly string[]): void => {
    if (random() < chance) lines.push(...some)
  }
  const channelNames = (): string =>
    Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick('c1', 'c1', 'c2', 'c3', 'x')).join(
      pick(' ', ' ', '  ', '\t', ', '),
    )
  put(0.98, `a.sources = ${pick('r1', 'r1 r2', 'r2', 'r1 r3', 'r1 # two')}`)
  put(0.98, `a.channels = ${pick('c1', 'c1 c2', 'c2', 'c1 c3', 'c1, c2', 'c1 c2 c1')}`)
  put(0.98, `a.sinks = ${pick('k1', 'k1 k2', 'k2', 'k1 k3', 'k1,k2')}`)
  for (const name of ['r1', 'r2']) {
    const type = pick('netcat', 'seq', 'NETCAT', 'org.apache.flume.source.SequenceGeneratorSource')
    put(0.97, `a.sources.${name}.type = ${type}`)
    put(0.97, `a.sources.${name}.channels = ${channelNames()}`)
    if (/netcat/i.test(type)) {
      put(0.98, `a.sources.${name}.bind = localhost`)
      put(0.98, `a.sources.${name}.port = ${pick('1', '2', '3', '4', '44444', '1k', '1 # x', '')}`)
      put(0.2, `a.sources.${name}.ack-every-event = yes`)
    } else put(0.4, `a.sources.${name}.batchSize = ${pick('1', '100', '1001', '1k')}`)
    put(0.1, `a.sources.${name}.selector.type = ${pick('replicating', 'REPLICATING')}`)
    put(0.1, `a.sources.${name}.interceptors =`)
  }
  for (const name of ['c1', 'c2']) {
    put(0.98, `a.channels.${name}.type = ${pick('memory', 'MEMORY', 'org.apache.flume.channel.MemoryChannel')}`)
    put(0.3, `a.channels.${name}.capacity = ${pick('100', '1000', 'many', '0', '-1')}`)
    put(0.3, `a.channels.${name}.transactionCapacity = ${pick('100', '1000', 'x', '0')}`)
    put(0.1, `a.channels.${name}.keep-alive = ${pick('1', 'q')}`)
    put(0.1, `a.channels.${name}.byteCapacity = ${pick('1000', 'q')}`)
  }
  for (const name of ['k1', 'k2']) {
    const type = pick('logger', 'null', 'avro', 'Logger')
    put(0.97, `a.sinks.${name}.type = ${type}`)
    put(0.97, `a.sinks.${name}.channel${pick('', '', '', '', 's')} = ${pick('c1', 'c1', 'c2', 'c3', 'c1 c2', 'C1')}`)
    if (type === 'null') put(0.5, `a.sinks.${name}.batchSize = ${pick('10', '200', '2000', 'x', '0')}`)
    if (type !== 'avro') continue
    put(0.98, `a.sinks.${name}.hostname = localhost`)
    put(0.98, `a.sinks.${name}.port = ${pick('1', '2', '3', 'x')}`)
    put(0.4, `a.sinks.${name}.batch-size = ${pick('10', '200', '2000')}`)
  }
  put(0.2, 'stray', 'a.foo = 1', '.x = 1', 'a.sources.r1 = 2')
  for (let last = lines.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[lines[last], lines[other]] = [lines[other] as string, lines[last] as string]
  }
  return `${lines.join('\n')}\n`
}
