import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { crc32 } from 'node:zlib'
import { isWhole, readBlockRequest, readPacket, readStatus } from '../../../codec/hdfs/data-transfer.ts'
import { type DataNode, type LocatedBlock, writeBlock } from '../../../codec/hdfs/messages.ts'
import { ProtoWriter } from '../../../codec/hdfs/protobuf.ts'
import { asError } from '../../../core/error.ts'
import { FileSystemError } from '../file-system.ts'
import { connectTo, type DataNodeSettings, exchange, refusalOf } from './data-node.ts'
import { RpcConnection } from './rpc-connection.ts'

export interface ReadSettings extends DataNodeSettings {
  readonly clientName: string
  readonly user: string
}

/** Bytes of one block, from whichever of its nodes has them whole. Rejects FileSystemError when none has. */
export async function readBlock(
  located: LocatedBlock,
  offset: number,
  lengthBytes: number,
  settings: ReadSettings,
): Promise<Buffer> {
  const problems: string[] = []
  for (const node of located.nodes) {
    try {
      return await readFrom(node, located, offset, lengthBytes, settings)
    } catch (error) {
      problems.push(`${node.address}:${node.port}: ${asError(error).message}`)
    }
  }
  throw new FileSystemError(
    'unreachable',
    `no data node gives block ${located.block.id}: ${problems.join('; ') || 'none has it'}`,
  )
}

async function readFrom(
  node: DataNode,
  { block, token }: LocatedBlock,
  offset: number,
  lengthBytes: number,
  settings: ReadSettings,
): Promise<Buffer> {
  const socket = await connectTo(node, settings)
  let received: Buffer = Buffer.alloc(0)
  const request = readBlockRequest({ block, token, clientName: settings.clientName, offset, lengthBytes })
  const timer = settings.clock.after(settings.stallMs, () => socket.destroy(new Error('the data node does not answer')))
  try {
    const reply = await exchange(socket, request, (rest) => {
      received = rest
    })
    timer.cancel()
    const refusal = refusalOf(reply)
    if (refusal !== undefined) throw new Error(refusal)
    const out = Buffer.allocUnsafeSlow(lengthBytes)
    const hasChecksums = reply.checksum.type !== 0
    let filled = 0
    let from = offset
    const take = (): boolean => {
      for (;;) {
        const packet = readPacket(received, reply.checksum.chunkBytes, hasChecksums)
        if (!packet) return false
        if (!isWhole(packet, reply.checksum, crc32)) throw new Error('its copy is damaged')
        received = received.subarray(packet.totalBytes)
        if (packet.isLast) return true
        // The first packet begins with a whole chunk, before what was asked for; the last may go on behind it.
        const skip = from - packet.offset
        if (skip < 0) throw new Error('it left bytes out')
        const useful = packet.data.subarray(skip, skip + lengthBytes - filled)
        filled += useful.copy(out, filled)
        from += useful.length
        if (filled === lengthBytes && packet.data.length === 0) return true
      }
    }
    await receive(socket, settings, (chunk) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
      return take() || filled === lengthBytes
    })
    if (filled === lengthBytes) socket.write(readStatus())
    return out.subarray(0, filled)
  } finally {
    timer.cancel()
    socket.on('error', () => undefined)
    socket.end()
    settings.clock.after(1000, () => socket.destroy())
  }
}

/** Hands on what arrives until `take` says that it was enough. Rejects when the node is silent for too long. */
function receive(
  socket: Socket,
  { clock, stallMs }: DataNodeSettings,
  take: (chunk: Buffer) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let lastMs = clock.monotonic()
    const look = (): void => {
      if (clock.monotonic() - lastMs >= stallMs) return settle(() => reject(new Error('it fell silent')))
      timer = clock.after(stallMs, look)
    }
    let timer = clock.after(stallMs, look)
    const settle = (act: () => void): void => {
      timer.cancel()
      socket.off('data', onData).off('error', fail).off('close', onClose)
      socket.resume()
      act()
    }
    const fail = (error: Error): void => settle(() => reject(error))
    const onClose = (): void => fail(new Error('the data node closed the connection'))
    const onData = (chunk: Buffer): void => {
      lastMs = clock.monotonic()
      try {
        if (take(chunk)) settle(resolve)
      } catch (error) {
        fail(error as Error)
      }
    }
    socket.on('data', onData).on('error', fail).on('close', onClose)
    onData(Buffer.alloc(0))
  })
}

const dataNodeProtocol = 'org.apache.hadoop.hdfs.protocol.ClientDatanodeProtocol'

/** How much of a block that is being written readers may see; the name node does not know. Undefined when no node says. */
export async function visibleLength(located: LocatedBlock, settings: ReadSettings): Promise<number | undefined> {
  for (const node of located.nodes) {
    const host = settings.useHostNames ? node.hostName : node.address
    const identity = { user: settings.user, protocol: dataNodeProtocol, clientId: randomBytes(16) }
    let connection: RpcConnection | undefined
    const timer = settings.clock.after(settings.stallMs, () => connection?.destroy())
    try {
      connection = await RpcConnection.connect({ host, port: node.ipcPort }, identity, settings.clock)
      const request = new ProtoWriter().message(1, (m) => writeBlock(m, located.block)).finish()
      const reply = await connection.call({ method: 'getReplicaVisibleLength', request, callId: 1, retry: 0 })
      while (reply.next()) if (reply.field === 1) return reply.uint()
    } catch {
      // The next node may know.
    } finally {
      timer.cancel()
      connection?.destroy()
    }
  }
  return undefined
}
