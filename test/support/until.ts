/**
 * Lets everything that is ready run, again and again, until `condition` holds; fails aloud when it never does.
 * The bound is in seconds and not in turns: a busy disk may keep one fsync for longer than any number of turns takes.
 */
export async function until(condition: () => boolean | Promise<boolean>, what = 'the condition'): Promise<void> {
  const start = performance.now()
  for (let turn = 0; ; turn++) {
    if (await condition()) return
    if (performance.now() - start > longestMs) throw new Error(`${what} never came true`)
    // What takes many turns waits for a disk or another process, which need the processor more than this loop does.
    await new Promise<void>((resolve) => (turn < quickTurns ? setImmediate(resolve) : setTimeout(resolve, 1)))
  }
}

const quickTurns = 10_000
const longestMs = 60_000
