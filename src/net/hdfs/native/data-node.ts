import type { Socket } from 'node:net'
import {
  type BlockReply,
  readBlockReply,
  readBlockRequest,
  replyMaxBytes,
  statusSuccess,
} from '../../../codec/hdfs/data-transfer.ts'
import type { Block, DataNode } from '../../../codec/hdfs/messages.ts'
import { delimitedEnd } from '../../../codec/hdfs/protobuf.ts'
import type { Clock } from '../../../core/clock.ts'
import { connectSocket } from './rpc-connection.ts'

export interface DataNodeSettings {
  readonly clock: Clock
  /** Connect to the node's name instead of its address (`dfs.client.use.datanode.hostname`). */
  readonly useHostNames: boolean
  /** How long a node may be silent before it is asked whether it lives, in milliseconds. */
  readonly stallMs: number
}

/** Java's limits: a node waits 60 s for its successor, and everyone before it 5 s longer for each one behind. */
export function silenceLimitMs(nodes: number): number {
  return 60_000 + 5000 * nodes
}

const connectTimeoutMs = 10_000
/** A node that lives answers a question in less. */
const probeMs = 3000

export function connectTo(node: DataNode, { clock, useHostNames }: DataNodeSettings): Promise<Socket> {
  return connectSocket({ host: useHostNames ? node.hostName : node.address, port: node.port }, connectTimeoutMs, clock)
}

/** Sends a request and resolves to the delimited answer; what came behind it goes to `rest`. */
export function exchange(socket: Socket, request: Uint8Array, rest: (bytes: Buffer) => void): Promise<BlockReply> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0)
    const settle = (act: () => void): void => {
      socket.off('data', onData).off('error', fail).off('close', onClose)
      act()
    }
    const fail = (error: Error): void => settle(() => reject(error))
    const onClose = (): void => fail(new Error('the data node closed the connection'))
    const onData = (chunk: Buffer): void => {
      try {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
        const found = delimitedEnd(received, replyMaxBytes)
        if (!found) return
        const reply = readBlockReply(received.subarray(found.from, found.to))
        settle(() => {
          resolve(reply)
          rest(received.subarray(found.to))
        })
      } catch (error) {
        fail(error as Error)
      }
    }
    socket.on('data', onData).on('error', fail).on('close', onClose)
    socket.write(request)
  })
}

/** Which of the nodes do not answer a question within three seconds (or `stallMs`, when that is less), by index. */
export async function findSilent(
  nodes: readonly DataNode[],
  block: Block,
  token: Uint8Array,
  settings: DataNodeSettings,
): Promise<readonly number[]> {
  const answers = await Promise.all(nodes.map((node) => isAnswering(node, block, token, settings)))
  return answers.flatMap((answers, index) => (answers ? [] : [index]))
}

async function isAnswering(
  node: DataNode,
  block: Block,
  token: Uint8Array,
  settings: DataNodeSettings,
): Promise<boolean> {
  let socket: Socket | undefined
  const question = async (): Promise<boolean> => {
    socket = await connectTo(node, settings)
    // Whatever it says about the block, it says something.
    await exchange(
      socket,
      readBlockRequest({ block, token, clientName: 'probe', offset: 0, lengthBytes: 0 }),
      () => undefined,
    )
    return true
  }
  const asked = question().catch(() => false)
  const isAnswered = await Promise.race([
    asked,
    settings.clock.sleep(Math.min(probeMs, settings.stallMs)).then(() => false),
  ])
  void asked.finally(() => socket?.destroy())
  socket?.destroy()
  return isAnswered
}

/** The reply in words, when it is a no. */
export function refusalOf({ status, message, badLink }: BlockReply): string | undefined {
  if (status === statusSuccess) return undefined
  return `status ${status}${badLink ? ` because of ${badLink}` : ''}${message ? `: ${message}` : ''}`
}
