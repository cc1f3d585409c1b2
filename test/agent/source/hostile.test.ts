// What strangers send to each listener: it is refused or cut within bounds, and the next client is served all the same.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deflateSync } from 'node:zlib'
import { components } from '../../../src/agent/components.ts'
import type { SourceSpec } from '../../../src/agent/contract.ts'
import { RawClient } from '../../support/rpc.ts'
import { startSource } from '../../support/running-source.ts'
import { until } from '../../support/until.ts'

const memoryMaxBytes = 64 * 1024 * 1024

const longText = Buffer.alloc(24 * 1024 * 1024, 'x')
const hugeFrame = Buffer.from('7fffffff', 'hex')
const negativeFrame = Buffer.from('ffffffff', 'hex')
/** One frame of Avro RPC: serial, count of buffers, length of the first. */
const avroFrame = (buffers: string, length: string): Buffer => Buffer.from(`00000001${buffers}${length}`, 'hex')
/** A hundred and some kilobytes that become a thousand times as much. */
const bomb = deflateSync(Buffer.alloc(128 * 1024 * 1024), { level: 9 })

/** Listener → what comes → what is expected of the connection. */
const attacks: Readonly<Record<string, readonly (readonly [what: string, sent: Buffer, ends: boolean])[]>> = {
  avro: [
    ['a frame of two gigabytes', avroFrame('00000001', '7fffffff'), true],
    ['a negative length', avroFrame('00000001', 'ffffffff'), true],
    ['two billion buffers', avroFrame('7fffffff', '00000001'), true],
    ['text', Buffer.from('GET / HTTP/1.1\r\n\r\n'), true],
  ],
  'avro, deflated': [['what inflates to 128 MiB of nothing', bomb, true]],
  thrift: [
    ['a frame of two gigabytes', hugeFrame, true],
    ['a negative length', negativeFrame, true],
  ],
  ScribeSource: [
    ['a frame of two gigabytes', hugeFrame, true],
    ['a negative length', negativeFrame, true],
  ],
  netcat: [['a line without end', longText, true]],
  FlumeSource: [['a line without end', longText, true]],
  syslogtcp: [['a message without end', longText, false]],
  http: [
    ['a header without end', Buffer.concat([Buffer.from('POST / HTTP/1.1\r\nX: '), longText]), true],
    ['a body of two gigabytes', Buffer.from('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2147483647\r\n\r\n'), true],
    ['a negative length', Buffer.from('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n'), true],
  ],
}

function sourceOf(name: string): SourceSpec {
  const [type = ''] = name.split(',')
  const names = (spec: (typeof components)[number]): readonly string[] => [spec.type, ...(spec.aliases ?? [])]
  const found = components.find(
    (spec) => spec.kind === 'source' && names(spec).some((each) => each === type || each.endsWith(`.${type}`)),
  )
  assert.ok(found, `there is no ${type}`)
  return found as SourceSpec
}

describe('a stranger', () => {
  for (const [name, ways] of Object.entries(attacks)) {
    for (const [what, sent, ends] of ways) {
      it(`who sends ${what} to ${name} costs little, and nobody else anything`, async () => {
        const spec = sourceOf(name)
        const source = await startSource(spec, {
          ...('host' in spec.options ? { host: '127.0.0.1' } : {}),
          ...(name.endsWith('deflated') ? { 'compression-type': 'deflate' } : {}),
        })
        try {
          const before = process.memoryUsage()
          const client = await RawClient.connect(source.port)
          let closed = false
          client.socket.once('close', () => {
            closed = true
          })
          client.socket.write(sent)
          if (ends) await until(() => closed, 'the end of the connection')
          else await until(() => source.context.events.length > 0, 'events of what was cut')
          const now = process.memoryUsage()
          const grown = now.arrayBuffers - before.arrayBuffers + Math.max(0, now.heapUsed - before.heapUsed)
          assert.ok(grown < memoryMaxBytes, `${grown} bytes more`)
          client.destroy()
          const next = await RawClient.connect(source.port)
          next.destroy()
        } finally {
          await source.stop()
        }
      })
    }
  }
})
