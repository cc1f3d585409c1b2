import { connect, type Socket } from 'node:net'
import type { Clock } from '../core/clock.ts'
import { FlumeError } from '../core/error.ts'

export interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  /** Limit for connecting, in milliseconds. */
  readonly connectTimeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

export const connectTimeoutMsDefault = 20_000

/** A connected socket; rejects CONNECTION or TIMEOUT (retry), or the signal's reason. */
export function connectSocket(options: ConnectOptions): Promise<Socket> {
  const { host, port, clock, signal, connectTimeoutMs = connectTimeoutMsDefault } = options
  const where = `${host}:${port}`
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const socket = connect({ host, port })
    const settle = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
      socket.off('connect', onConnect)
      socket.off('error', onError)
    }
    const give = (error: unknown): void => {
      settle()
      socket.on('error', () => undefined)
      socket.destroy()
      reject(error)
    }
    const onAbort = (): void => give(signal?.reason)
    const timer = clock.after(connectTimeoutMs, () =>
      give(new FlumeError('TIMEOUT', `no connection to ${where} within ${connectTimeoutMs} ms`, { retry: true })),
    )
    signal?.addEventListener('abort', onAbort, { once: true })
    const onError = (cause: Error): void =>
      give(new FlumeError('CONNECTION', `cannot connect to ${where}`, { cause, retry: true }))
    const onConnect = (): void => {
      settle()
      resolve(socket)
    }
    socket.on('error', onError)
    socket.on('connect', onConnect)
  })
}
