import { spawn } from 'node:child_process'
import { systemClock } from '../core/clock.ts'
import { createLogger, type Logger } from '../monitor/logger.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Longest that `systemd-notify` may take, in milliseconds; systemd itself answers at once. */
const notifyTimeoutMs = 5_000

/**
 * Tells systemd that the service is ready (`Type=notify`), when systemd started it; otherwise does nothing. Resolves
 * once systemd has been told. Never rejects: a failure is logged, and systemd's own start time-out decides.
 */
export function notifyReady(env: Environment, log?: Logger): Promise<void> {
  return notify('READY=1', env, log)
}

/** Tells systemd that the service has begun to stop; as `notifyReady`. */
export function notifyStopping(env: Environment, log?: Logger): Promise<void> {
  return notify('STOPPING=1', env, log)
}

/** Node has no Unix datagram sockets, so systemd's own small program carries the word; hence `NotifyAccess=all` in the units. */
function notify(word: string, env: Environment, log: Logger = createLogger()): Promise<void> {
  if (!env['NOTIFY_SOCKET']) return Promise.resolve()
  return new Promise((resolve) => {
    const child = spawn('systemd-notify', [word], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const timer = systemClock.after(notifyTimeoutMs, () => child.kill())
    let complaint = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(0, 1_000)
    })
    child.on('error', (error) => {
      timer.cancel()
      log.warn(`systemd was not told ${word}: ${error.message}`)
      resolve()
    })
    child.on('close', (code, signal) => {
      timer.cancel()
      if (code !== 0 && code !== null)
        log.warn(`systemd was not told ${word}: ${complaint.trim() || `exit code ${code}`}`)
      if (signal) log.warn(`systemd was not told ${word}: systemd-notify ended with ${signal}`)
      resolve()
    })
  })
}
