import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, deflateSync } from 'node:zlib'
import { FlumeError } from '../../src/core/error.ts'
import { TcpListener } from '../../src/net/tcp-listener.ts'
import { ZlibWire } from '../../src/net/wire.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { listen, RawClient } from '../support/rpc.ts'
import { until } from '../support/until.ts'

test('what was written arrives although the peer still sends and the session is over', async () => {
  const listener = await listen({
    serve: async (wire) => {
      await wire.read()
      wire.write(Buffer.from('last words'))
    },
  })
  const client = await RawClient.connect(listener.port)
  client.write(Buffer.alloc(5_000_000))
  assert.equal((await client.whenClosed()).toString(), 'last words')
  await listener.close()
})

test('a peer that never ends its side is dropped after a while', async () => {
  const clock = new ManualClock()
  const listener = await listen({ clock, serve: async () => undefined })
  const client = await RawClient.connect(listener.port, { allowHalfOpen: true })
  await until(() => clock.timerCount === 1)
  assert.equal(listener.connections, 1)
  await clock.advance(2000)
  await until(() => listener.connections === 0)
  client.destroy()
  await listener.close()
})

test('broken connections are logged at most once a second, with how many were not', async () => {
  const clock = new ManualClock()
  const log = new RecordingLogger()
  const listener = await listen({ clock, log, serve: () => Promise.reject(new Error('nonsense')) })
  for (let i = 0; i < 3; i++) await (await RawClient.connect(listener.port)).whenClosed()
  await clock.advance(1000)
  await (await RawClient.connect(listener.port)).whenClosed()
  assert.equal(log.lines.length, 2)
  assert.match(log.lines[0] as string, /: nonsense$/)
  assert.match(log.lines[1] as string, /: nonsense \(2 like it were not logged\)$/)
  await listener.close()
})

test('a host that does not exist is IO with the reason', async () => {
  const options = { host: 'no.such.host.invalid', port: 0, clock: new ManualClock(), log: new RecordingLogger() }
  await assert.rejects(
    TcpListener.open({ ...options, serve: async () => undefined }),
    (error) => error instanceof FlumeError && error.code === 'IO' && /no such host/.test(error.message),
  )
})

test('localhost is bound by its IPv4 address, as Java does', async () => {
  const listener = await listen({ host: 'localhost', serve: async (wire) => wire.write(Buffer.from('hello')) })
  assert.equal((await (await RawClient.connect(listener.port)).whenClosed()).toString(), 'hello')
  await listener.close()
})

test('what inflates to very much is held back until it is read', async () => {
  const totalBytes = 200_000_000
  let read = 0
  let goOn = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    goOn = resolve
  })
  let largest = 0
  const listener = await listen({
    serve: async (plain) => {
      const wire = new ZlibWire(plain)
      const first = await wire.read()
      read += first?.length ?? 0
      await gate
      for (let chunk = await wire.read(); chunk && read < 3_000_000; chunk = await wire.read()) {
        read += chunk.length
        largest = Math.max(largest, chunk.length)
      }
    },
  })
  const bomb = deflateSync(Buffer.alloc(totalBytes), { finishFlush: constants.Z_SYNC_FLUSH })
  assert.ok(bomb.length < 300_000)
  const before = process.memoryUsage().arrayBuffers
  const client = await RawClient.connect(listener.port)
  client.write(bomb)
  await until(() => read > 0)
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(process.memoryUsage().arrayBuffers - before < 20_000_000, 'little is inflated ahead')
  goOn()
  await client.whenClosed()
  assert.ok(largest <= 64 * 1024)
  await listener.close()
})
