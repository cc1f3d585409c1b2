import { systemClock } from '../../src/core/clock.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { OpenFile } from '../../src/net/hdfs/file-system.ts'
import { NativeHdfs, type NativeHdfsOptions } from '../../src/net/hdfs/native/native-hdfs.ts'
import type { Hdfs } from './peers.ts'

/** A client with three copies of each block unless told otherwise. */
export const client = (hdfs: Hdfs, options: Partial<NativeHdfsOptions> = {}): NativeHdfs =>
  new NativeHdfs({
    nameNodes: [{ host: '127.0.0.1', port: hdfs.rpcPort }],
    user: 'flume',
    timeoutMs: 30_000,
    clock: systemClock,
    replication: 3,
    ...options,
  })

/** Writes lines of its own numbers and remembers what was confirmed. */
export class Lines {
  readonly #file: OpenFile
  readonly #random = seededRandom(3)
  #number = 0
  text: string

  constructor(file: OpenFile, text = '') {
    this.#file = file
    this.text = text
  }

  async write(batches: number): Promise<void> {
    for (let batch = 0; batch < batches; batch++) {
      let lines = ''
      for (let i = 0; i <= this.#random() * 40; i++) {
        lines += `line ${this.#number++} ${'x'.repeat(Math.floor(this.#random() * 300))}\n`
      }
      await this.#file.write([Buffer.from(lines)])
      this.text += lines
    }
  }
}
