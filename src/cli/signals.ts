/**
 * SIGTERM and SIGINT (SIGHUP when the terminal goes away): the first one asks, the second one ends the process at once.
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
