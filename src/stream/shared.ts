/** A value that every task sees. */
export class Broadcast<T> {
  readonly id: number
  #value: T | undefined
  #isDestroyed = false

  constructor(id: number, value: T) {
    this.id = id
    this.#value = value
  }

  /** Throws once it has been destroyed. */
  get value(): T {
    if (this.#isDestroyed) throw new Error(`Attempted to use Broadcast(${this.id}) after it was destroyed`)
    return this.#value as T
  }

  /** Spark drops the executors' copies here; threads keep theirs as long as they live. */
  unpersist(): void {}

  /** Takes the value that the job's own thread has. */
  replace(value: T): void {
    this.#value = value
  }

  /** Lets go of the value for good. */
  destroy(): void {
    this.#isDestroyed = true
    this.#value = undefined
  }
}

/** A list that grows. */
export class CollectionAccumulator<T> {
  readonly name: string | undefined
  #items: T[] = []

  constructor(name?: string) {
    this.name = name
  }

  add(item: T): void {
    this.#items.push(item)
  }

  /** What was added so far, in a list of its own. */
  get value(): T[] {
    return [...this.#items]
  }

  get isZero(): boolean {
    return this.#items.length === 0
  }

  reset(): void {
    this.#items = []
  }

  /** What was added since the last call, taken out; undefined for nothing. */
  takeUpdate(): T[] | undefined {
    if (this.isZero) return undefined
    const items = this.#items
    this.#items = []
    return items
  }

  merge(items: readonly T[]): void {
    for (const item of items) this.#items.push(item)
  }
}

/** A running sum. */
export class Accumulator {
  readonly name: string | undefined
  #sum = 0
  #count = 0

  constructor(name?: string) {
    this.name = name
  }

  add(value: number): void {
    this.#sum += value
    this.#count++
  }

  get value(): number {
    return this.#sum
  }

  get sum(): number {
    return this.#sum
  }

  get count(): number {
    return this.#count
  }

  get avg(): number {
    return this.#sum / this.#count
  }

  get isZero(): boolean {
    return this.#count === 0
  }

  reset(): void {
    this.#sum = 0
    this.#count = 0
  }

  /** What was added since the last call, taken out; undefined for nothing. */
  takeUpdate(): readonly [sum: number, count: number] | undefined {
    if (this.isZero) return undefined
    const update = [this.#sum, this.#count] as const
    this.reset()
    return update
  }

  merge([sum, count]: readonly [sum: number, count: number]): void {
    this.#sum += sum
    this.#count += count
  }
}

/**
 * The base of a job's own accumulators, given to `sparkContext.register`.
 *
 * As Spark's, without `copy` and `merge`: what functions over records add in other threads is added to the job's own one
 * when their task has succeeded. There, `value` shows nothing of it.
 */
export abstract class AccumulatorV2<I, O> {
  abstract get value(): O
  abstract get isZero(): boolean
  abstract add(value: I): void
  abstract reset(): void
}

/** An accumulator of the job's own, of which tasks of other threads keep what they add for the job's thread. */
export class RegisteredAccumulator {
  readonly #accumulator: AccumulatorV2<unknown, unknown>
  #added: unknown[] = []

  /** `isElsewhere`: this is a thread for tasks. */
  constructor(accumulator: AccumulatorV2<never, unknown>, isElsewhere: boolean) {
    this.#accumulator = accumulator
    if (isElsewhere) this.#accumulator.add = (value) => this.#added.push(value)
  }

  /** What was added since the last call, taken out; undefined for nothing. */
  takeUpdate(): readonly unknown[] | undefined {
    if (this.#added.length === 0) return undefined
    const added = this.#added
    this.#added = []
    return added
  }

  merge(values: readonly unknown[]): void {
    for (const value of values) this.#accumulator.add(value)
  }
}

export type SharedValue = Accumulator | CollectionAccumulator<unknown> | RegisteredAccumulator | Broadcast<unknown>

/** What a task has added to an accumulator: which one, in the order in which the job made them, and what. */
export type Update = readonly [index: number, update: unknown]

/**
 * The broadcast values and accumulators of a job in the order in which it made them: the same module makes the same ones
 * in every thread. What is made once the job runs is not among them: functions that other threads run cannot know it.
 */
export class SharedValues {
  readonly #values: SharedValue[] = []
  #isClosed = false

  note(value: SharedValue): void {
    if (!this.#isClosed) this.#values.push(value)
  }

  /** The job has started. */
  close(): void {
    this.#isClosed = true
  }

  /** The broadcast values there are, each with its place. */
  broadcasts(): { readonly index: number; readonly broadcast: Broadcast<unknown> }[] {
    return this.#values.flatMap((broadcast, index) => (broadcast instanceof Broadcast ? { index, broadcast } : []))
  }

  setBroadcast(index: number, value: unknown): void {
    const found = this.#values[index]
    if (found instanceof Broadcast) found.replace(value)
  }

  /** What tasks have added since the last call. */
  takeUpdates(): Update[] {
    const updates: Update[] = []
    for (const [index, value] of this.#values.entries()) {
      const update = value instanceof Broadcast ? undefined : value.takeUpdate()
      if (update !== undefined) updates.push([index, update])
    }
    return updates
  }

  merge(updates: readonly Update[]): void {
    for (const [index, update] of updates) {
      const value = this.#values[index]
      if (value && !(value instanceof Broadcast)) value.merge(update as never)
    }
  }
}
