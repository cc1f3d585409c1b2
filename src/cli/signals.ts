import { closeSync, openSync } from 'node:fs'

/**
 * SIGTERM and SIGINT: the first one asks, the second one ends the process at once.
 * Resolves with the name of the first.
 */
export function stopSignal(onSecond: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false
    const onSignal = (signal: NodeJS.Signals): void => {
      if (asked) {
        onSecond()
        process.exit(130)
      }
      asked = true
      resolve(signal)
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal)
  })
}

/** SIGHUP asks for something; when it comes because the terminal went away, the promise resolves with its name instead. */
export function hangUp(onAsked: () => void): Promise<NodeJS.Signals> {
  const hadTerminal = hasTerminal()
  return new Promise((resolve) => {
    process.on('SIGHUP', (signal) => {
      if (hadTerminal && !hasTerminal()) resolve(signal)
      else onAsked()
    })
  })
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}
