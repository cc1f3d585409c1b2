import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock } from '../core/clock.ts'
import { FlumeError } from '../core/error.ts'
import { plainWords } from './tls/acceptor.ts'
import type { ClientTls } from './tls/client.ts'

export interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  /** Limit for connecting, the TLS handshake included, in milliseconds. */
  readonly connectTimeoutMs?: number
  /** Speaks TLS; what else is spoken is inside it. */
  readonly tls?: ClientTls | undefined
  readonly signal?: AbortSignal | undefined
}

export const connectTimeoutMsDefault = 20_000

/** A connected socket; rejects CONNECTION or TIMEOUT (retry), or the signal's reason. */
export function connectSocket(options: ConnectOptions): Promise<Socket> {
  const { host, port, clock, signal, tls, connectTimeoutMs = connectTimeoutMsDefault } = options
  const where = `${host}:${port}`
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    // Addresses are no names for a server to choose its certificate by.
    const servername = isIP(host) === 0 ? { servername: host } : {}
    const socket = tls ? connectTls({ ...tls.options, ...servername, host, port }) : connect({ host, port })
    const event = tls ? 'secureConnect' : 'connect'
    let isThere = false
    socket.once('connect', () => {
      isThere = true
    })
    const settle = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
      socket.off(event, onConnect)
      socket.off('error', onError)
      socket.off('close', onClose)
    }
    const give = (error: unknown): void => {
      settle()
      socket.on('error', () => undefined)
      socket.destroy()
      reject(error)
    }
    const onAbort = (): void => give(signal?.reason)
    const timer = clock.after(connectTimeoutMs, () => {
      const what = tls && isThere ? 'no TLS handshake with' : 'no connection to'
      give(new FlumeError('TIMEOUT', `${what} ${where} within ${connectTimeoutMs} ms`, { retry: true }))
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    const fail = (cause: Error): void => {
      if (!tls || !isThere)
        return give(new FlumeError('CONNECTION', `cannot connect to ${where}`, { cause, retry: true }))
      const message = `the TLS handshake with ${where} failed: ${plainWords(cause)}`
      give(new FlumeError('CONNECTION', message, { retry: true, hint: hintFor(cause) }))
    }
    const onError = (cause: Error): void => fail(cause)
    const onClose = (): void => fail(new Error('the server ended the connection'))
    const onConnect = (): void => {
      settle()
      resolve(socket)
    }
    socket.on('error', onError)
    socket.on('close', onClose)
    socket.on(event, onConnect)
  })
}

function hintFor(cause: Error): string {
  const { code = '' } = cause as NodeJS.ErrnoException
  if (/CERT|SIGNATURE|ISSUER/.test(code))
    return "put the server's certificate, or that of its authority, into the truststore"
  if (/VERSION|CIPHER|PROTOCOL/.test(code)) return 'compare the protocols and cipher suites of both sides'
  return 'does the server speak TLS there?'
}
