import { randomBytes } from 'node:crypto'
import type { ProtoReader } from '../../../codec/hdfs/protobuf.ts'
import type { RpcUser } from '../../../codec/hdfs/rpc.ts'
import type { Clock } from '../../../core/clock.ts'
import { FileSystemError } from '../file-system.ts'
import { failureOf, simpleName } from './errors.ts'
import { type RpcAddress, RpcBroken, RpcConnection, type RpcIdentity, RpcRemote } from './rpc-connection.ts'

export interface NameNodeRpcOptions extends RpcUser {
  /** In the order they are tried. */
  readonly nameNodes: readonly RpcAddress[]
  /** Longest time of one call with all of its retries, in milliseconds; 0 waits for ever. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** What people should do when nothing answers. */
  readonly hint?: string | undefined
}

const protocol = 'org.apache.hadoop.hdfs.protocol.ClientProtocol'
const firstPauseMs = 100
const pauseMaxMs = 15_000
/** A name node in safe mode, or one that asks to be asked again. */
const busyPauseMs = 500
/** Turns around the name nodes, none of which is in service, when nobody waits for them. */
const turnsMax = 2

/** What is to happen while no name node answers. */
export interface CallPatience {
  /** Go on asking until the call's time is up: an open file depends on it. Otherwise a call nobody took fails at once. */
  readonly patient?: boolean
}

/**
 * Calls to whichever name node is in service. A call whose answer is lost is repeated under its own number, so that the name
 * node does it once; it ends within the call time-out, at the latest then with a FileSystemError.
 */
export class NameNodeRpc {
  readonly #options: NameNodeRpcOptions
  readonly #identity: RpcIdentity
  readonly #connections = new Map<number, Promise<RpcConnection>>()
  /** Which name node answered last. */
  #current = 0
  #callId = 0
  #isClosed = false

  constructor(options: NameNodeRpcOptions) {
    this.#options = options
    this.#identity = { user: options.user, proxyUser: options.proxyUser, protocol, clientId: randomBytes(16) }
  }

  /** `what` is the call in words for people. */
  async call(
    method: string,
    what: string,
    request: Uint8Array,
    { patient = false }: CallPatience = {},
  ): Promise<ProtoReader> {
    const { clock, timeoutMs, nameNodes } = this.#options
    const untilMs = timeoutMs > 0 ? clock.monotonic() + timeoutMs : Infinity
    const callId = this.#nextCallId()
    let wasSent = false
    let lookedAt = 0
    let pauseMs = firstPauseMs
    for (let retry = 0; ; retry++) {
      let problem: FileSystemError
      let waitMs: number
      try {
        return await this.#once({ method, request, callId, retry }, untilMs)
      } catch (error) {
        if (error instanceof RpcRemote) {
          const name = simpleName(error.remote.exception)
          const isStandby =
            /StandbyException/.test(error.remote.exception) || /StandbyException/.test(error.remote.message)
          problem = failureOf(error.remote, what)
          if (!isStandby && name !== 'SafeModeException' && name !== 'RetriableException') throw problem
          if (isStandby) this.#turnAway()
          waitMs = isStandby && ++lookedAt % nameNodes.length !== 0 ? 0 : busyPauseMs
          if (isStandby && !patient && !wasSent && lookedAt >= turnsMax * nameNodes.length) throw problem
        } else if (error instanceof RpcBroken) {
          wasSent ||= error.wasSent
          problem = this.#unreachable(error, wasSent)
          this.#turnAway()
          lookedAt++
          if (this.#isClosed || (!patient && !wasSent && lookedAt >= nameNodes.length)) throw problem
          waitMs = lookedAt % nameNodes.length !== 0 ? 0 : pauseMs
          if (waitMs > 0) pauseMs = Math.min(2 * pauseMs, pauseMaxMs)
        } else throw error
      }
      if (clock.monotonic() + waitMs > untilMs) throw problem
      if (waitMs > 0) await clock.sleep(waitMs)
    }
  }

  /** Drops the connections. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#connections.values()) {
      connection.then(
        (each) => each.destroy(),
        () => undefined,
      )
    }
    this.#connections.clear()
  }

  async #once(
    call: { method: string; request: Uint8Array; callId: number; retry: number },
    untilMs: number,
  ): Promise<ProtoReader> {
    const { clock, timeoutMs } = this.#options
    const connection = await this.#connection()
    if (untilMs === Infinity) return connection.call(call)
    const timer = clock.after(untilMs - clock.monotonic(), () =>
      // A name node that does not answer one call will not answer the others either.
      connection.destroy(new FileSystemError('timeout', `the name node did not answer within ${timeoutMs} ms`)),
    )
    try {
      return await connection.call(call)
    } finally {
      timer.cancel()
    }
  }

  async #connection(): Promise<RpcConnection> {
    const index = this.#current
    const known = await this.#connections.get(index)?.catch(() => undefined)
    if (known?.isUsable) return known
    // Someone else may have begun meanwhile.
    const begun = this.#connections.get(index)
    if (begun && known === undefined) return begun
    const address = this.#options.nameNodes[index] as RpcAddress
    const made = RpcConnection.connect(address, this.#identity, this.#options.clock)
    this.#connections.set(index, made)
    made.catch(() => {
      if (this.#connections.get(index) === made) this.#connections.delete(index)
    })
    return made
  }

  #turnAway(): void {
    this.#current = (this.#current + 1) % this.#options.nameNodes.length
  }

  #nextCallId(): number {
    this.#callId = (this.#callId + 1) & 0x7fff_ffff
    return this.#callId
  }

  #unreachable(error: RpcBroken, wasSent: boolean): FileSystemError {
    if (error.cause instanceof FileSystemError) return error.cause
    const where = this.#options.nameNodes.map(({ host, port }) => `${host}:${port}`).join(', ')
    return new FileSystemError('unreachable', `the name node does not answer (${where}): ${error.message}`, {
      cause: error,
      untouched: !wasSent,
      hint: this.#options.hint,
    })
  }
}
