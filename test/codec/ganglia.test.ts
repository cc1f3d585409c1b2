import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ganglia3Packet, gangliaPackets } from '../../src/codec/ganglia.ts'

const recorded = (name: string): string[] =>
  JSON.parse(readFileSync(new URL(`../../../test/fixture/monitoring/${name}`, import.meta.url), 'utf8'))
const hex = (packet: Uint8Array): string => Buffer.from(packet).toString('hex')

/** What the recorded packets are of, in their order. */
const metrics = (start: string): readonly [name: string, value: string][] => [
  ['flume.SINK.k1.ConnectionCreatedCount', '0'],
  ['flume.SINK.k1.Type', 'SINK'],
  ['flume.CHANNEL.c0.ChannelFillPercentage', '0.0'],
  ['flume.SOURCE.r1.StartTime', start],
]

test('packets for Ganglia 3.1 are those of a real Flume, byte for byte', () => {
  const packets = metrics('1795413538014').flatMap(([name, value]) =>
    gangliaPackets({ host: 'vm', name, value }).map(hex),
  )
  assert.deepEqual(packets, recorded('flume-1.9-ganglia.json'))
})

test('packets for Ganglia 3.0 are those of a real Flume, byte for byte', () => {
  const packets = metrics('1795413551998').map(([name, value]) => hex(ganglia3Packet({ host: 'vm', name, value })))
  assert.deepEqual(packets, recorded('flume-1.9-ganglia3.json'))
})

test('a text is counted in bytes', () => {
  const [, value] = gangliaPackets({ host: 'ü', name: 'n', value: 'true' })
  assert.equal(
    hex(value),
    `${'00000085'}${'00000002c3bc0000'}${'000000016e000000'}00000000${'0000000225730000'}0000000474727565`,
  )
})
