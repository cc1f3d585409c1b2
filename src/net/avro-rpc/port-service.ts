import { flumePortProtocol } from '../../codec/avro/port.ts'
import type { Clock } from '../../core/clock.ts'
import { RpcClient } from './client.ts'
import type { RpcService } from './server.ts'

/** How long the holder of a port has to answer; it is on this machine. */
const askTimeoutMs = 1000

/** Lets a program on this machine ask for the port; `yieldPort` answers whether it will be free in a moment. */
export function portService(yieldPort: () => boolean): RpcService {
  return {
    protocol: flumePortProtocol,
    messages: ['yieldPort'],
    async call(_message, _args, { address }) {
      const yields = isLoopback(address) && yieldPort()
      return { bytesHint: 1, write: (writer) => writer.boolean(yields) }
    },
  }
}

/** Asks whoever listens there to hand the port over; false when it does not, or does not understand. */
export async function askForPort(host: string, port: number, clock: Clock): Promise<boolean> {
  try {
    const limits = { connectTimeoutMs: askTimeoutMs, requestTimeoutMs: askTimeoutMs }
    const client = await RpcClient.connect(flumePortProtocol, { host, port, clock, ...limits })
    try {
      return await client.call(
        'yieldPort',
        0,
        () => undefined,
        (reader) => reader.boolean('yieldPort'),
      )
    } finally {
      await client.close()
    }
  } catch {
    return false
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
