import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDefaultRpcClient, createRpcClient } from '../../src/client/api.ts'
import { FlumeError } from '../../src/core/error.ts'
import { freePort } from '../support/free-port.ts'
import { startFlume } from './peers.ts'

for (const version of ['1.9', '1.11'] as const) {
  test(`the client sends to avro sources of a real Flume ${version}: one host, failover, load balance, deflate`, async () => {
    const ports = [await freePort(), await freePort(), await freePort()]
    const sources = ports.map(
      (port, i) => `
        a1.sources.r${i}.type = avro
        a1.sources.r${i}.bind = 127.0.0.1
        a1.sources.r${i}.port = ${port}
        a1.sources.r${i}.channels = c1
        a1.sources.r${i}.interceptors = i1
        a1.sources.r${i}.interceptors.i1.type = static
        a1.sources.r${i}.interceptors.i1.key = by
        a1.sources.r${i}.interceptors.i1.value = r${i}
        ${i === 2 ? 'a1.sources.r2.compression-type = deflate' : ''}`,
    )
    await using flume = await startFlume({
      version,
      properties: `
        a1.sources = r0 r1 r2
        a1.channels = c1
        a1.sinks = k1
        ${sources.join('\n')}
        a1.channels.c1.type = memory
        a1.channels.c1.capacity = 1000
        a1.sinks.k1.type = logger
        a1.sinks.k1.channel = c1`,
    })
    const arrived = (by: string, body: string) => flume.waitFor(new RegExp(`by=${by}[^}]*\\} body: .* ${body} \\}`))
    const [first, second, deflating] = ports as [number, number, number]

    const single = await createDefaultRpcClient('127.0.0.1', first)
    await single.append({ headers: { from: 'zh' }, body: 'alone' })
    await arrived('r0', 'alone')
    await flume.waitFor(/from=zh/)
    // 250 events are three calls, each within the channel's transactionCapacity of 100.
    await single.appendBatch(Array.from({ length: 250 }, (_, i) => ({ body: `many ${i}` })))
    await arrived('r0', 'many 249')
    await single.close()

    const tooLarge = await createDefaultRpcClient('127.0.0.1', first, 101)
    await assert.rejects(
      tooLarge.appendBatch(Array.from({ length: 101 }, () => ({ body: 'x' }))),
      (error) => error instanceof FlumeError && /answered FAILED/.test(error.message),
    )
    assert.equal(tooLarge.isActive, false)

    const hosts = { hosts: 'a b', 'hosts.b': `127.0.0.1:${second}` }
    const dead = `127.0.0.1:${await freePort()}`
    const failover = await createRpcClient({ ...hosts, 'hosts.a': dead, 'client.type': 'default_failover' })
    await failover.append({ body: 'second' })
    await arrived('r1', 'second')
    await failover.close()

    const live = { ...hosts, 'hosts.a': `127.0.0.1:${first}` }
    const balanced = await createRpcClient({ ...live, 'client.type': 'default_loadbalance' })
    await balanced.append({ body: 'left' })
    await balanced.append({ body: 'right' })
    await arrived('r0', 'left')
    await arrived('r1', 'right')
    await balanced.close()

    const place = { hosts: 'h1', 'hosts.h1': `127.0.0.1:${deflating}` }
    const deflated = await createRpcClient({ ...place, 'compression-type': 'deflate' })
    await deflated.appendBatch([{ body: 'small' }])
    await arrived('r2', 'small')
    await deflated.close()
  })
}
