import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { startFlume, startHdfs, startSparkReceiver } from './peers.ts'

for (const version of ['1.9', '1.11'] as const) {
  test(`a real Flume ${version} agent takes a line and logs it`, async () => {
    const port = await freePort()
    await using flume = await startFlume({
      version,
      properties: `
        a1.sources = r1
        a1.channels = c1
        a1.sinks = k1
        a1.sources.r1.type = netcat
        a1.sources.r1.bind = 127.0.0.1
        a1.sources.r1.port = ${port}
        a1.sources.r1.channels = c1
        a1.channels.c1.type = memory
        a1.sinks.k1.type = logger
        a1.sinks.k1.channel = c1`,
    })
    const socket = connect(port, '127.0.0.1', () => socket.end('hello peer\n'))
    const [, body] = await flume.waitFor(/Event: \{ headers:\{\} body: .* (hello peer) \}/)
    assert.equal(body, 'hello peer')
  })
}

test('a real Flume agent hands events to a real Spark receiver, and what ran is gone afterwards', async () => {
  const [netcat, avro] = [await freePort(), await freePort()]
  const spark = await startSparkReceiver('push', avro)
  await using _ = spark.process
  const flume = await startFlume({
    version: '1.9',
    properties: `
      a1.sources = r1
      a1.channels = c1
      a1.sinks = k1
      a1.sources.r1.type = netcat
      a1.sources.r1.bind = 127.0.0.1
      a1.sources.r1.port = ${netcat}
      a1.sources.r1.channels = c1
      a1.channels.c1.type = memory
      a1.sinks.k1.type = avro
      a1.sinks.k1.hostname = 127.0.0.1
      a1.sinks.k1.port = ${avro}
      a1.sinks.k1.channel = c1`,
  })
  const socket = connect(netcat, '127.0.0.1', () => socket.end('one\ntwo\nthree\n'))
  assert.deepEqual(await spark.waitForBodies(3), ['one', 'two', 'three'])
  await flume.stop()
  assert.throws(() => process.kill(flume.pid, 0), { code: 'ESRCH' })
})

test('a real HDFS serves WebHDFS and its own shell', async () => {
  const hdfs = await startHdfs()
  await using _ = hdfs.process
  const answer = await fetch(`${hdfs.httpUri}/webhdfs/v1/flume/test?op=MKDIRS`, { method: 'PUT' })
  assert.deepEqual(await answer.json(), { boolean: true })
  assert.match(await hdfs.shell('-ls', '/flume'), / \/flume\/test$/m)
  await assert.rejects(hdfs.shell('-text', '/nothing'), /No such file/)
})
