/** Keeps the process alive until the answer is called: our timers alone do not, so a running job would end at once. */
export function keepAlive(): () => void {
  const handle = setInterval(() => undefined, 2 ** 31 - 1)
  return () => clearInterval(handle)
}
