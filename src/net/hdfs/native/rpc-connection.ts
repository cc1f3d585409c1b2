import { connect, type Socket } from 'node:net'
import type { ProtoReader } from '../../../codec/hdfs/protobuf.ts'
import {
  callFrame,
  connectionPreamble,
  RpcFrames,
  type RpcRemoteError,
  type RpcUser,
  readReply,
} from '../../../codec/hdfs/rpc.ts'
import type { Clock } from '../../../core/clock.ts'
import { asError } from '../../../core/error.ts'

export interface RpcAddress {
  readonly host: string
  readonly port: number
}

export interface RpcIdentity extends RpcUser {
  /** The Java interface that is spoken to. */
  readonly protocol: string
  /** 16 random bytes, the same for every connection of a client. */
  readonly clientId: Uint8Array
}

export interface RpcCall {
  readonly method: string
  readonly request: Uint8Array
  readonly callId: number
  readonly retry: number
}

/** The server's answer, when that is an exception. */
export class RpcRemote extends Error {
  readonly remote: RpcRemoteError

  constructor(remote: RpcRemoteError) {
    super(remote.message)
    this.remote = remote
  }
}

/** The connection, or the making of it, failed. `wasSent`: the call may have arrived. */
export class RpcBroken extends Error {
  readonly wasSent: boolean

  constructor(cause: unknown, wasSent: boolean) {
    super(asError(cause).message || (asError(cause) as NodeJS.ErrnoException).code, { cause })
    this.wasSent = wasSent
  }
}

/** Longest wait for a TCP connection, so that a host that is switched off does not cost a whole call. */
const connectTimeoutMs = 5000

interface Pending {
  readonly resolve: (response: ProtoReader) => void
  readonly reject: (error: Error) => void
}

/** One connection for any number of calls at a time. It keeps the process alive only while an answer is awaited. */
export class RpcConnection {
  readonly #socket: Socket
  readonly #identity: RpcIdentity
  readonly #pending = new Map<number, Pending>()
  readonly #frames = new RpcFrames()
  #failure: Error | undefined

  private constructor(socket: Socket, identity: RpcIdentity) {
    this.#socket = socket
    this.#identity = identity
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection ended')))
    socket.unref()
    socket.write(connectionPreamble(identity.protocol, identity.clientId, identity))
  }

  /** Rejects RpcBroken. */
  static async connect(address: RpcAddress, identity: RpcIdentity, clock: Clock): Promise<RpcConnection> {
    try {
      return new RpcConnection(await connectSocket(address, connectTimeoutMs, clock), identity)
    } catch (error) {
      throw new RpcBroken(error, false)
    }
  }

  get isUsable(): boolean {
    return this.#failure === undefined
  }

  /** Rejects RpcRemote or RpcBroken. */
  call({ method, request, callId, retry }: RpcCall): Promise<ProtoReader> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(new RpcBroken(this.#failure, false))
      const { protocol, clientId } = this.#identity
      this.#pending.set(callId, { resolve, reject })
      this.#socket.ref()
      this.#socket.write(callFrame(protocol, method, request, { callId, retry, clientId }))
    })
  }

  /** Drops the connection; calls under way reject RpcBroken. */
  destroy(reason: Error = new Error('the connection was closed here')): void {
    this.#fail(reason)
  }

  #take(chunk: Buffer): void {
    try {
      this.#frames.push(chunk)
      for (let frame = this.#frames.next(); frame; frame = this.#frames.next()) {
        const { callId, response, error } = readReply(frame)
        const pending = this.#pending.get(callId)
        this.#pending.delete(callId)
        if (response) pending?.resolve(response)
        else if (error) {
          pending?.reject(new RpcRemote(error))
          // What is wrong with the connection is wrong for every call on it.
          if (error.fatal) {
            for (const each of this.#pending.values()) each.reject(new RpcRemote(error))
            this.#pending.clear()
            this.#fail(new Error(error.message))
          }
        }
      }
      if (this.#pending.size === 0) this.#socket.unref()
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  #fail(error: Error): void {
    if (this.#failure) return
    this.#failure = error
    this.#socket.destroy()
    for (const { reject } of this.#pending.values()) reject(new RpcBroken(error, true))
    this.#pending.clear()
  }
}

/** A connected socket without Nagle's delay; rejects with the system's error, or after `timeoutMs`. */
export function connectSocket({ host, port }: RpcAddress, timeoutMs: number, clock: Clock): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, keepAlive: true })
    const fail = (error: Error): void => {
      timer.cancel()
      socket.destroy()
      reject(error)
    }
    const timer = clock.after(timeoutMs, () => fail(new Error(`no connection within ${timeoutMs} ms`)))
    socket.once('error', fail)
    socket.once('connect', () => {
      timer.cancel()
      socket.off('error', fail)
      resolve(socket)
    })
  })
}
