import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { systemClock } from '../../src/core/clock.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { NativeHdfs } from '../../src/net/hdfs/native/native-hdfs.ts'
import { client } from './hdfs-lines.ts'
import { type HadoopVersion, type Hdfs, startHdfs } from './peers.ts'

// Writes, flushes, appends, cut connections and writers that vanish, in an order that a seed decides. HDFS_FILES says how many
// files of them, HDFS_SEED which.

const fileCount = Number(process.env['HDFS_FILES'] ?? 6)
const seed = Number(process.env['HDFS_SEED'] ?? 1)
const sizes = [0, 1, 511, 512, 513, 1025, 7679, 7680, 7681, 65_535, 65_536, 65_537, 200_000]

/** The connections of this process, to be cut. */
class Connections {
  readonly #open = new Set<Socket>()
  cuts = 0
  readonly #note = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket }
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
  }

  constructor() {
    subscribe('net.client.socket', this.#note)
  }

  /** Cuts one of them as a network does: to the name node, or to a data node. */
  cut(chosen: number): void {
    const sockets = [...this.#open]
    const socket = sockets[Math.floor(chosen * sockets.length)]
    if (!socket) return
    this.cuts++
    socket.destroy()
  }

  stop(): void {
    unsubscribe('net.client.socket', this.#note)
  }
}

/** The tests on one version of Hadoop. */
export function randomFiles(version: HadoopVersion): void {
  describe(`files of a real HDFS ${version} under random writes, cuts and kills`, () => {
    let hdfs: Hdfs
    const connections = new Connections()
    before(async () => {
      hdfs = await startHdfs({ version, dataNodes: 3 })
    })
    after(async () => {
      connections.stop()
      await hdfs.process.stop()
    })

    const newClient = (): NativeHdfs => client(hdfs, { replication: 3, blockSizeBytes: 128 * 1024, packetBytes: 8192 })

    it(`hold what was confirmed (seed ${seed}, ${fileCount} files)`, async (t) => {
      const random = seededRandom(seed)
      const source = Buffer.alloc(1 << 20)
      for (let i = 0; i < source.length; i++) source[i] = 97 + Math.floor(random() * 26)
      const expected: string[] = []
      let files = newClient()
      let [flushes, appends, kills, failures] = [0, 0, 0, 0]
      for (let number = 0; number < fileCount; number++) {
        const path = `/random/${String(number).padStart(4, '0')}`
        let file = await files.begin(path, [])
        let text = ''
        // The writer is gone, with its lease; another one goes on behind what was confirmed.
        const takeOver = async (piece: Uint8Array): Promise<void> => {
          await files.close()
          files = newClient()
          while (!(await files.recover(path, { force: true }))) await systemClock.sleep(200)
          while (!(await files.truncate(path, text.length))) await systemClock.sleep(200)
          file = await files.resume(path, [piece], text.length)
        }
        for (let step = 0; step < 15; step++) {
          const size = random() < 0.6 ? (sizes[Math.floor(random() * sizes.length)] as number) : random() * 3000
          const piece = source.subarray(text.length % 1000, (text.length % 1000) + Math.floor(size))
          const what = random()
          if (what < 0.15) {
            await file.close()
            file = await files.resume(path, [piece], text.length)
            appends++
          } else if (what < 0.25) {
            await takeOver(piece)
            kills++
          } else {
            const written = file.write([piece.subarray(0, piece.length >> 1), piece.subarray(piece.length >> 1)])
            if (random() < 0.4) {
              for (let turns = Math.floor(random() * 4); turns > 0; turns--) await setImmediate()
              connections.cut(random())
            }
            await written.then(
              () => flushes++,
              // Each cut costs a block one of its data nodes; without any, what the sink does: back to what was confirmed.
              async () => {
                await takeOver(piece)
                failures++
              },
            )
          }
          text += piece.toString()
          if (random() < 0.1) assert.equal((await files.read(path, 0, 1 << 24)).length, text.length)
        }
        const closed = file.close()
        if (random() < 0.3) connections.cut(random())
        await closed.catch(() => takeOver(new Uint8Array(0)).then(() => file.close()))
        expected.push(text)
      }
      await files.close()
      t.diagnostic(
        `${flushes} flushes, ${appends} appends, ${kills} writers gone, ${failures} writes failed, ${connections.cuts} connections cut`,
      )
      assert.ok(connections.cuts > 0)
      assert.equal(await hdfs.shell('-cat', '/random/*'), expected.join(''))
    })
  })
}
