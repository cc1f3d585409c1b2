import { setMaxListeners } from 'node:events'
import { AvroReader, AvroWriter } from '../../codec/avro/binary.ts'
import { readCall, writeCallError, writeResult } from '../../codec/avro/call.ts'
import { type Frame, FrameDecoder, type FrameLimits, finishFrame, frameHeadBytes } from '../../codec/avro/frame.ts'
import {
  type HandshakeMatch,
  type HandshakeRequest,
  readHandshakeRequest,
  writeHandshakeResponse,
} from '../../codec/avro/handshake.ts'
import type { RpcProtocol } from '../../codec/avro/protocol.ts'
import { messageShape } from '../../codec/avro/shape.ts'
import { explain, FlumeError } from '../../core/error.ts'
import { FrameChunks, type FrameChunksOptions } from '../frame-chunks.ts'
import type { Peer } from '../tcp-listener.ts'
import type { Wire } from '../wire.ts'

/** What a service knows of a caller. */
export interface Caller extends Peer {
  /** Aborts when the caller is gone or the server stops; a call that waits should give up then. */
  readonly signal: AbortSignal
}

/** A response value: how to write it, and about how many bytes it takes. */
export interface RpcValue {
  readonly bytesHint: number
  write(writer: AvroWriter): void
}

/** One protocol's messages, as a server runs them. */
export interface RpcService {
  readonly protocol: RpcProtocol
  readonly messages: readonly string[]
  /** Runs one of `messages`. Arguments are read before the first wait. A rejection becomes the call's error. */
  call(message: string, args: AvroReader, caller: Caller): Promise<RpcValue>
}

export interface RpcServerOptions extends FrameLimits, FrameChunksOptions {
  /** Told apart by handshake and message name; the first one answers when neither tells. */
  readonly services: readonly RpcService[]
  /** Calls of one connection that may be under way together; the connection is not read meanwhile. */
  readonly callsMax?: number
}

/** Room for a handshake that tells the server's protocol. */
const handshakeBytesHint = 64
const callsMaxDefault = 16
/** Arguments of calls under way, in bytes, above which one call at a time is enough. */
const callBytesMax = 1024 * 1024
/** Client protocols remembered; beyond, the oldest is forgotten and asked for again. */
const clientsMax = 1000

/** What is known of a client's protocol: nothing wrong, or why its calls cannot be read. */
interface KnownClient {
  readonly problem: string | undefined
}

/** Answers Avro calls on connections; what clients declared is remembered across them. */
export class RpcServer {
  readonly #options: RpcServerOptions
  readonly #clients = new Map<string, KnownClient>()

  constructor(options: RpcServerOptions) {
    this.#options = options
  }

  /**
   * Serves one connection until the peer ends it or `signal` aborts; calls under way are answered first. Rejects
   * PROTOCOL, LIMIT or TIMEOUT when what arrives makes no sense, is too large or too slow.
   */
  async serve(wire: Wire, peer: Peer, signal: AbortSignal): Promise<void> {
    const session = new RpcSession(this, this.#options, wire, peer)
    const onStop = (): void => session.stop()
    if (signal.aborted) onStop()
    signal.addEventListener('abort', onStop, { once: true })
    wire.gone.addEventListener('abort', onStop, { once: true })
    try {
      await session.run()
    } finally {
      signal.removeEventListener('abort', onStop)
      wire.gone.removeEventListener('abort', onStop)
    }
    if (wire.error && !signal.aborted) throw wire.error
  }

  /** Whether the client is known, learning its protocol if it sent one. */
  recognise(service: RpcService, hash: Buffer, declared: string | undefined): KnownClient | undefined {
    if (hash.equals(service.protocol.hash)) return { problem: undefined }
    const key = `${service.protocol.name} ${hash.toString('hex')}`
    const known = this.#clients.get(key)
    if (declared === undefined) return known
    const client = { problem: differences(service, declared) }
    this.#clients.delete(key)
    this.#clients.set(key, client)
    if (this.#clients.size > clientsMax) this.#clients.delete(this.#clients.keys().next().value as string)
    return client
  }
}

/** The first message that a client would write otherwise than the service reads it, as an error text. */
function differences({ protocol, messages }: RpcService, declared: string): string | undefined {
  for (const message of messages) {
    const theirs = messageShape(declared, message)
    if (theirs !== undefined && theirs !== messageShape(protocol.text, message))
      return `${message} of the client's protocol differs from ${protocol.name}'s`
  }
  return undefined
}

/** One connection. It is stateful: once a handshake matched, neither side sends one again. */
class RpcSession {
  readonly #server: RpcServer
  readonly #options: RpcServerOptions
  readonly #wire: Wire
  readonly #caller: Caller
  readonly #over = new AbortController()
  readonly #decoder: FrameDecoder
  readonly #chunks: FrameChunks
  readonly #running = new Set<Promise<void>>()
  #runningBytes = 0
  #service: RpcService | undefined
  #problem: string | undefined

  constructor(server: RpcServer, options: RpcServerOptions, wire: Wire, peer: Peer) {
    this.#server = server
    this.#options = options
    this.#wire = wire
    this.#decoder = new FrameDecoder(options)
    this.#chunks = new FrameChunks(wire, options)
    // Each call under way may listen to it.
    setMaxListeners(0, this.#over.signal)
    this.#caller = { ...peer, signal: this.#over.signal }
  }

  /** Reads no more, and tells waiting calls to give up. */
  stop(): void {
    this.#wire.stopReading()
    this.#over.abort()
  }

  async run(): Promise<void> {
    try {
      await this.#readCalls()
    } finally {
      // The input has ended: who waits for events to come must not take any for a peer that is gone.
      this.#over.abort()
      while (this.#running.size > 0) await Promise.all(this.#running)
      await this.#wire.flushed()
    }
  }

  async #readCalls(): Promise<void> {
    for (
      let chunk = await this.#chunks.read(this.#decoder.midFrame);
      chunk;
      chunk = await this.#chunks.read(this.#decoder.midFrame)
    ) {
      this.#decoder.push(chunk)
      for (let frame = this.#decoder.next(); frame; frame = this.#decoder.next()) {
        this.#chunks.completed()
        this.#answer(frame)
        await this.#untilRoom()
      }
    }
  }

  /** Holds the connection back while it has enough under way, or does not take its answers. */
  async #untilRoom(): Promise<void> {
    const { callsMax = callsMaxDefault } = this.#options
    while (
      this.#running.size >= callsMax ||
      (this.#running.size > 0 && this.#runningBytes >= callBytesMax && !this.#over.signal.aborted)
    )
      await Promise.race(this.#running)
    if (this.#wire.backlogged) await this.#wire.drained()
  }

  #answer({ serial, payload }: Frame): void {
    const args = new AvroReader(payload)
    const handshake = this.#service ? undefined : readHandshakeRequest(args)
    const message = readCall(args)
    const service = this.#service ?? this.#choose(handshake, message)
    const match = handshake && this.#shakeHands(service, handshake)
    const respond: Respond = (bytesHint, write) => {
      const writer = new AvroWriter(bytesHint + (match ? handshakeBytesHint : 8), frameHeadBytes)
      if (match) writeHandshakeResponse(writer, match, service.protocol)
      write(writer)
      this.#wire.write(finishFrame(writer, serial))
    }
    // NONE: the client repeats the call. An empty name: it only wanted the handshake.
    if (match === 'NONE' || message === '') return respond(0, () => undefined)
    const running = this.#run(service, message, args, respond).finally(() => {
      this.#running.delete(running)
      this.#runningBytes -= payload.length
    })
    this.#running.add(running)
    this.#runningBytes += payload.length
  }

  async #run(service: RpcService, message: string, args: AvroReader, respond: Respond): Promise<void> {
    try {
      if (!service.messages.includes(message)) throw new NoSuchMessage(message)
      if (this.#problem !== undefined) throw new FlumeError('UNSUPPORTED', this.#problem)
      const value = await service.call(message, args, this.#caller)
      respond(value.bytesHint, (writer) => {
        writeResult(writer)
        value.write(writer)
      })
    } catch (error) {
      const problem = error instanceof NoSuchMessage ? error.message : explain(error)
      respond(problem.length, (writer) => writeCallError(writer, problem))
    }
  }

  /** One port may serve several protocols: the client's hashes tell which it means, or else the message it calls. */
  #choose(handshake: HandshakeRequest | undefined, message: string): RpcService {
    const { services } = this.#options
    const [first] = services
    if (!first) throw new FlumeError('INVALID_STATE', 'an RPC server without services')
    const hashes = handshake ? [handshake.clientHash, handshake.serverHash] : []
    return (
      services.find(({ protocol }) => hashes.some((hash) => hash.equals(protocol.hash))) ??
      services.find(({ messages }) => messages.includes(message)) ??
      first
    )
  }

  #shakeHands(service: RpcService, { clientHash, clientProtocol, serverHash }: HandshakeRequest): HandshakeMatch {
    const client = this.#server.recognise(service, clientHash, clientProtocol)
    if (!client) return 'NONE'
    this.#service = service
    this.#problem = client.problem
    return serverHash.equals(service.protocol.hash) ? 'BOTH' : 'CLIENT'
  }
}

type Respond = (bytesHint: number, write: (writer: AvroWriter) => void) => void

/** In the words of the Java server. */
class NoSuchMessage extends Error {
  constructor(message: string) {
    super(`org.apache.avro.AvroRuntimeException: No such remote message: ${message}`)
  }
}
