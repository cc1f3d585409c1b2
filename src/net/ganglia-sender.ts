import { createSocket, type Socket } from 'node:dgram'
import { type GangliaMetric, ganglia3Packet, gangliaPackets } from '../codec/ganglia.ts'
import { explain } from '../core/error.ts'
import type { Logger } from '../monitor/logger.ts'

export interface GangliaTarget {
  readonly host: string
  readonly port: number
}

export interface GangliaSenderOptions {
  readonly targets: readonly GangliaTarget[]
  /** Packets of Ganglia 3.0 in place of 3.1's. */
  readonly ganglia3: boolean
  readonly log: Logger
}

/** Sends metrics to Ganglia over UDP: nothing answers, and what is lost is lost. */
export class GangliaSender {
  readonly #options: GangliaSenderOptions
  readonly #socket: Socket
  #closed = false

  constructor(options: GangliaSenderOptions) {
    this.#options = options
    this.#socket = createSocket('udp4')
    this.#socket.unref()
    this.#socket.on('error', (error) => options.log.warn(`sending to Ganglia failed: ${explain(error)}`))
  }

  /** Sends every metric to every target, one after the other so that no burst is lost here. Never rejects; failures are logged once per round and target. */
  async send(metrics: readonly GangliaMetric[]): Promise<void> {
    for (const target of this.#options.targets) {
      try {
        for (const metric of metrics)
          for (const packet of this.#options.ganglia3 ? [ganglia3Packet(metric)] : gangliaPackets(metric))
            await this.#sendTo(target, packet)
      } catch (error) {
        if (this.#closed) return
        this.#options.log.warn(`metrics did not reach Ganglia at ${target.host}:${target.port}: ${explain(error)}`)
      }
    }
  }

  /** Ends the socket. Safe twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.close()
  }

  #sendTo({ host, port }: GangliaTarget, packet: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Error('the sender is closed'))
      this.#socket.send(packet, port, host, (error) => (error ? reject(error) : resolve()))
    })
  }
}
