/** A timer that has not fired yet. Cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void
}

/** Time as everyone in the project sees it. It comes in by the constructor, so that tests can move it by hand. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Milliseconds that never run backwards, from an arbitrary start; for measuring durations. */
  monotonic(): number
  /** Calls `act` once, `delayMs` from now. The timer does not keep the process alive. */
  after(delayMs: number, act: () => void): Timer
  /** Resolves after `delayMs`; rejects with the signal's reason (an AbortError) as soon as the signal aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

/** Longest delay that Node's timers take; a longer one would fire at once. */
const timerDelayMaxMs = 2 ** 31 - 1

class SystemClock implements Clock {
  now(): number {
    return Date.now()
  }

  monotonic(): number {
    return performance.now()
  }

  after(delayMs: number, act: () => void): Timer {
    let handle: NodeJS.Timeout
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, timerDelayMaxMs)
      handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : act()), stepMs)
      handle.unref()
    }
    arm(Math.max(0, delayMs))
    return { cancel: () => clearTimeout(handle) }
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal)
  }
}

/** `sleep` on any clock that has `after`. */
export function sleepOn(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = (): void => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** The machine's own time. */
export const systemClock: Clock = new SystemClock()
