/** Lets everything that is ready run, again and again, until `condition` holds; fails aloud when it never does. */
export async function until(condition: () => boolean | Promise<boolean>, what = 'the condition'): Promise<void> {
  for (let turn = 0; turn < turnsMax; turn++) {
    if (await condition()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error(`${what} never came true`)
}

/** Far more turns of the event loop than a few file operations need. */
const turnsMax = 200_000
