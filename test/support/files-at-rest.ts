import { until } from './until.ts'

/**
 * Resolves when nothing in this process waits for a file: what was begun by a timer of a clock that stands still has then
 * come to its end, however slow the disk is.
 */
export function filesAtRest(): Promise<void> {
  return until(async () => {
    // Between two calls of the file system there are some turns of the event loop.
    for (let turn = 0; turn < restTurns; turn++) {
      if (process.getActiveResourcesInfo().some((kind) => /^(FSReq|CloseReq)/.test(kind))) return false
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    return true
  }, 'the end of all work with files')
}

const restTurns = 50
