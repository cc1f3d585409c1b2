import assert from 'node:assert/strict'
import { request } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import type { FileSystem } from '../../src/net/hdfs/file-system.ts'
import { NativeHdfs } from '../../src/net/hdfs/native/native-hdfs.ts'
import { WebHdfs } from '../../src/net/hdfs/webhdfs.ts'
import { fileSystemContract } from '../contract/file-system.ts'
import { bodies, numbered } from '../support/batches.ts'
import { hdfsSink } from '../support/hdfs-sink.ts'
import { type HadoopVersion, type Hdfs, startHdfs } from './peers.ts'

const client = (hdfs: Hdfs): FileSystem =>
  new WebHdfs({ nameNodes: [hdfs.httpUri], user: 'flume', timeoutMs: 30_000, clock: systemClock })

/** The tests on one version of Hadoop. */
export function hdfsFiles(version: HadoopVersion): void {
  fileSystemContract(`a real HDFS ${version} over WebHDFS`, async () => {
    const hdfs = await startHdfs({ version })
    return {
      fileSystem: client(hdfs),
      root: '/contract',
      stop: async () => {
        await hdfs.process.stop()
      },
    }
  })

  fileSystemContract(`a real HDFS ${version} in its own protocol`, async () => {
    const hdfs = await startHdfs({ version })
    return {
      fileSystem: new NativeHdfs({
        nameNodes: [{ host: '127.0.0.1', port: hdfs.rpcPort }],
        user: 'flume',
        timeoutMs: 30_000,
        clock: systemClock,
      }),
      root: '/contract',
      stop: async () => {
        await hdfs.process.stop()
      },
    }
  })

  describe(`a real HDFS ${version}`, () => {
    let hdfs: Hdfs
    before(async () => {
      hdfs = await startHdfs({ version })
    })
    after(async () => {
      await hdfs.process.stop()
    })

    it('shows its own client the lines that the sink wrote, found by HADOOP_CONF_DIR', async () => {
      const env = { HADOOP_CONF_DIR: await hdfs.configurationFor('namenode.invalid:8020'), HADOOP_USER_NAME: 'alice' }
      const sink = await hdfsSink(
        {
          'hdfs.path': 'hdfs://namenode.invalid:8020/flume/%{host}',
          'hdfs.fileType': 'DataStream',
          'hdfs.rollCount': '2',
          'hdfs.rollSize': '0',
        },
        { clock: systemClock, env },
      )
      await sink.start?.()
      const line = (body: string, host: string) => ({ body, headers: { host } })
      await sink.write(EventBatch.of([line('eins', 'web 1'), line('zwei – größer', 'web 1'), line('other', 'ü')]))
      await sink.write(EventBatch.of([line('drei', 'web 1')]))
      await sink.stop?.()
      assert.equal(await hdfs.shell('-cat', '/flume/web 1/*'), 'eins\nzwei – größer\ndrei\n')
      assert.equal(await hdfs.shell('-cat', '/flume/ü/*'), 'other\n')
      const listed = await hdfs.shell('-ls', '-R', '/flume')
      assert.equal(listed.match(/alice .*FlumeData\.\d+$/gm)?.length, 3, listed)
    })

    for (const format of ['Writable', 'Text'] as const) {
      it(`reads the sink’s SequenceFiles of ${format} with its own reader, over many flushes`, async () => {
        const path = `hdfs://localhost/seq/${format}`
        const sink = await hdfsSink(
          {
            'hdfs.path': path,
            'hdfs.webhdfs.url': hdfs.httpUri,
            'hdfs.writeFormat': format,
            'hdfs.rollCount': '0',
            'hdfs.rollSize': '0',
          },
          { clock: systemClock },
        )
        await sink.write(EventBatch.of([{ body: 'first', headers: { timestamp: '1700000000123' } }]))
        await sink.write(
          EventBatch.of([
            { body: Buffer.alloc(150_000, 'x'), headers: { timestamp: '-5' } },
            { body: '', headers: { timestamp: '6' } },
          ]),
        )
        await sink.write(numbered(0, 500))
        await sink.stop?.()
        const shown = (body: string): string =>
          format === 'Text'
            ? body
            : Buffer.from(body)
                .toString('hex')
                .replaceAll(/(..)(?=.)/g, '$1 ')
        const lines = (await hdfs.shell('-text', `/seq/${format}/*`)).split('\n')
        assert.equal(lines[0], `1700000000123\t${shown('first')}`)
        assert.equal(lines[1], `-5\t${shown('x'.repeat(150_000))}`)
        assert.equal(lines[2], '6\t')
        assert.deepEqual(
          lines.slice(3, -1).map((line) => line.split('\t')[1]),
          Array.from({ length: 500 }, (_, i) => shown(String(i))),
        )
      })
    }

    it('closes a file with what arrived when the writer goes away, and lets us cut that off', async () => {
      const files = client(hdfs)
      await files.create('/torn', [Buffer.from('kept\n')])
      await appendHalf(`${hdfs.httpUri}/webhdfs/v1/torn?op=APPEND&user.name=flume`, 300_000, 100_000)
      // The data node notices a moment later; the lease tells when.
      for (let isCut = false; !isCut; ) {
        isCut = await files.truncate('/torn', 5).catch(() => false)
        if (!isCut) await systemClock.sleep(200)
      }
      await files.append('/torn', [Buffer.from('next\n')], 5)
      assert.equal(await hdfs.shell('-cat', '/torn'), 'kept\nnext\n')
      await files.close()
    })

    it('is missed and found again: what was rejected meanwhile is written into the same file once it is back', async () => {
      const door = await Door.open(hdfs.httpPort)
      const sink = await hdfsSink(
        {
          'hdfs.path': 'hdfs://localhost/back',
          'hdfs.fileType': 'DataStream',
          'hdfs.rollInterval': '0',
          'hdfs.webhdfs.url': `http://127.0.0.1:${door.port}`,
        },
        { clock: systemClock },
      )
      await sink.start?.()
      await sink.write(bodies('one'))
      await door.shut()
      for (let tries = 0; tries < 3; tries++) {
        await assert.rejects(sink.write(bodies('two')), {
          code: 'CONNECTION',
          retry: true,
          message: new RegExp(`127.0.0.1:${door.port}`),
        })
      }
      await door.reopen()
      await sink.write(bodies('two'))
      await sink.stop?.()
      await door.shut()
      assert.equal(await hdfs.shell('-cat', '/back/*'), 'one\ntwo\n')
      assert.equal((await hdfs.shell('-ls', '/back')).match(/FlumeData\.\d+$/gm)?.length, 1)
    })
  })
}

/** A way to the name node that can be shut. */
class Door {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  port = 0

  private constructor(to: number) {
    this.#server = createServer((socket) => {
      const onward = connect(to, '127.0.0.1')
      for (const each of [socket, onward]) {
        this.#sockets.add(each)
        each.on('error', () => undefined).on('close', () => this.#sockets.delete(each))
      }
      socket.pipe(onward).pipe(socket)
    })
  }

  static async open(to: number): Promise<Door> {
    const door = new Door(to)
    await door.reopen()
    return door
  }

  async reopen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.port, '127.0.0.1', resolve))
    this.port = (this.#server.address() as AddressInfo).port
  }

  async shut(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

/** Appends by hand and goes away in the middle of the bytes. */
async function appendHalf(url: string, promised: number, sent: number): Promise<void> {
  const location = await new Promise<string>((resolve, reject) => {
    request(url, { method: 'POST' }, (response) => {
      response.resume()
      resolve(String(response.headers.location))
    })
      .on('error', reject)
      .end()
  })
  await new Promise<void>((resolve) => {
    const half = request(location, {
      method: 'POST',
      headers: { 'Content-Length': promised, 'Content-Type': 'application/octet-stream' },
    })
    half.on('error', () => undefined)
    half.on('close', resolve)
    half.write(Buffer.alloc(sent, 'x'), () => systemClock.after(1000, () => half.destroy()))
  })
}
