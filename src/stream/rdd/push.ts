import { setImmediate } from 'node:timers/promises'
import { inspect } from 'node:util'

/**
 * How records travel: a partition pushes each record into the function behind it, and so on to the end of the pass.
 *
 * A push answers `undefined` (go on), `STOP` (the reader has enough), or a promise of one of the two when something
 * behind it is asynchronous. Whoever pushes must wait for that promise before the next record, so order is kept, and
 * a chain of synchronous functions costs no promise at all.
 */
export const STOP: unique symbol = Symbol('stop')

export type Settled = typeof STOP | undefined
export type Signal = Settled | Promise<Settled>
export type Push<T> = (item: T) => Signal

/** What a block of received records looks like: an array, or something that makes its records while it is walked. */
export type Items<T> = readonly T[] | (Iterable<T> & { readonly length: number })

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

/** Pushes every item of an array, in order. */
export function pushArray<T>(items: readonly T[], push: Push<T>, from = 0, to = items.length): Signal {
  for (let i = from; i < to; i++) {
    const signal = push(items[i] as T)
    if (signal === undefined) continue
    if (signal === STOP) return STOP
    return signal.then((settled) => (settled === STOP ? STOP : pushArray(items, push, i + 1, to)))
  }
  return undefined
}

/** Records pushed before the event loop gets a turn, so that receivers and timers live through a long partition. */
const sliceCount = 16_384

/** As `pushArray`, but a long array lets the event loop turn every few thousand records. */
export function pushPaced<T>(items: Items<T>, push: Push<T>): Signal {
  if (!Array.isArray(items)) return pushIterable(items, push)
  return items.length <= sliceCount ? pushArray(items, push) : pushSlices(items, push)
}

async function pushSlices<T>(items: readonly T[], push: Push<T>): Promise<Settled> {
  for (let from = 0; from < items.length; from += sliceCount) {
    const signal = pushArray(items, push, from, Math.min(items.length, from + sliceCount))
    if (signal !== undefined && (signal === STOP || (await signal) === STOP)) return STOP
    await setImmediate()
  }
  return undefined
}

/** Pushes every item of an iterable, in order; the iterator is closed when the reader stops early or fails. */
export function pushIterable<T>(items: Iterable<T>, push: Push<T>): Signal {
  if (Array.isArray(items)) return pushArray(items as readonly T[], push)
  if (typeof (items as Partial<Iterable<T>> | undefined | null)?.[Symbol.iterator] !== 'function') {
    throw new TypeError(`a function had to answer a list of records or another iterable, not ${inspect(items)}`)
  }
  return pushIterator(items[Symbol.iterator](), push)
}

function pushIterator<T>(iterator: Iterator<T>, push: Push<T>): Signal {
  let finished = false
  try {
    for (let step = iterator.next(); !step.done; step = iterator.next()) {
      const signal = push(step.value)
      if (signal === undefined) continue
      if (signal === STOP) return STOP
      finished = true
      return signal.then((settled) => {
        if (settled !== STOP) return pushIterator(iterator, push)
        iterator.return?.()
        return STOP
      })
    }
    finished = true
    return undefined
  } finally {
    if (!finished) iterator.return?.()
  }
}

export async function pushAsyncIterable<T>(items: AsyncIterable<T>, push: Push<T>): Promise<Settled> {
  for await (const item of items) {
    const signal = push(item)
    if (signal === undefined) continue
    if (signal === STOP || (await signal) === STOP) return STOP
  }
  return undefined
}

/** Pushes every item of every block, in order: an asynchronous step per block, and none per item. */
export async function pushBlocks<T>(blocks: AsyncIterable<readonly T[]>, push: Push<T>): Promise<Settled> {
  for await (const block of blocks) {
    const signal = pushArray(block, push)
    if (signal === undefined) continue
    if (signal === STOP || (await signal) === STOP) return STOP
  }
  return undefined
}

/** Runs `next` now, or when `signal` has settled. */
export function after<T>(signal: Signal, next: () => T): T | Promise<T> {
  return signal instanceof Promise ? signal.then(next) : next()
}
