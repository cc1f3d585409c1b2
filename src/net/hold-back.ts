import type { Clock } from '../core/clock.ts'
import { explain, FlumeError } from '../core/error.ts'
import type { EventBatch } from '../core/event-batch.ts'
import type { Logger } from '../monitor/logger.ts'

export interface HoldBackOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
  /** Takes events as if each were a transaction of its own; never rejects. */
  deliverEach(batch: EventBatch): Promise<{ readonly accepted: number; readonly error?: Error }>
}

const pauseFirstMs = 100
const pauseMaxMs = 4000

/**
 * Delivers every event, for as long as that takes: meanwhile nobody reads, so that the sender is held back. An event
 * that can never be taken is left out and said. Resolves early when the signal aborts.
 */
export async function deliverHoldingBack(batch: EventBatch, options: HoldBackOptions): Promise<void> {
  const { clock, log, signal } = options
  let pauseMs = pauseFirstMs
  for (let rest = batch; rest.count > 0; ) {
    const { accepted, error } = await options.deliverEach(rest)
    if (accepted > 0) pauseMs = pauseFirstMs
    rest = rest.slice(accepted)
    if (!error || signal.aborted) return
    if (error instanceof FlumeError && !error.retry) {
      log.error(`an event is dropped: ${explain(error)}`)
      rest = rest.slice(1)
      continue
    }
    if (pauseMs === pauseFirstMs) log.warn(`the channel takes nothing now: ${explain(error)}; senders are held back`)
    await clock.sleep(pauseMs, signal).catch(() => undefined)
    pauseMs = Math.min(2 * pauseMs, pauseMaxMs)
    if (signal.aborted) return
  }
}

/** Events that are looked at together once one was refused: each refusal costs a look at what is left of them. */
const piecesAfterRefusal = 256
const saidEveryMs = 1000

/**
 * Tries every event once, for senders that cannot be held back: what is refused is dropped, counted by `deliverEach` and
 * said, once a second while it goes on. Answers how many were dropped.
 */
export async function deliverOrDrop(
  batch: EventBatch,
  { clock, log, signal, deliverEach }: HoldBackOptions,
): Promise<number> {
  let dropped = 0
  let said = 0
  let saidAtMs = clock.monotonic()
  let reason: Error | undefined
  const say = (): void => {
    if (dropped > said) log.warn(`${dropped} of ${batch.count} events are dropped: ${reason?.message}`)
    said = dropped
    saidAtMs = clock.monotonic()
  }
  for (let from = 0; from < batch.count && !(reason && signal.aborted); ) {
    const piece = batch.slice(from, reason ? from + piecesAfterRefusal : batch.count)
    const { accepted, error } = await deliverEach(piece)
    from += accepted
    if (!error) continue
    from++
    dropped++
    reason = error
    if (clock.monotonic() - saidAtMs >= saidEveryMs) say()
  }
  say()
  return dropped
}
