import { readFileSync } from 'node:fs'

/** One side's bytes of a connection recorded in test/fixture/avro-rpc, chunk by chunk. */
export function recordedRpc(name: string, side: 'client' | 'server'): Buffer[] {
  const file = new URL(`../../../test/fixture/avro-rpc/${name}.json`, import.meta.url)
  const exchange = JSON.parse(readFileSync(file, 'utf8')) as [string, string][]
  const mark = side === 'client' ? '>' : '<'
  return exchange.filter(([direction]) => direction === mark).map(([, hex]) => Buffer.from(hex, 'hex'))
}
