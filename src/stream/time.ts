/** Thrown for an argument that Spark would refuse with an IllegalArgumentException. */
export class IllegalArgumentError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'IllegalArgumentError'
  }
}

/** Throws with Spark's own prefix unless `condition` holds. */
export function require_(condition: boolean, message: string): void {
  if (!condition) throw new IllegalArgumentError(`requirement failed: ${message}`)
}

/** A span of time in whole milliseconds. */
export class Duration {
  readonly milliseconds: number

  constructor(milliseconds: number) {
    if (!Number.isSafeInteger(milliseconds)) {
      throw new IllegalArgumentError(`a duration is a whole number of milliseconds, not ${milliseconds}`)
    }
    this.milliseconds = milliseconds
  }

  plus(that: Duration): Duration {
    return new Duration(this.milliseconds + that.milliseconds)
  }

  minus(that: Duration): Duration {
    return new Duration(this.milliseconds - that.milliseconds)
  }

  times(factor: number): Duration {
    return new Duration(this.milliseconds * factor)
  }

  /** How many times `that` fits, as a fraction. */
  div(that: Duration): number {
    return this.milliseconds / that.milliseconds
  }

  less(that: Duration): boolean {
    return this.milliseconds < that.milliseconds
  }

  lessEq(that: Duration): boolean {
    return this.milliseconds <= that.milliseconds
  }

  greater(that: Duration): boolean {
    return this.milliseconds > that.milliseconds
  }

  greaterEq(that: Duration): boolean {
    return this.milliseconds >= that.milliseconds
  }

  isMultipleOf(that: Duration): boolean {
    return this.milliseconds % that.milliseconds === 0
  }

  min(that: Duration): Duration {
    return this.less(that) ? this : that
  }

  max(that: Duration): Duration {
    return this.greater(that) ? this : that
  }

  isZero(): boolean {
    return this.milliseconds === 0
  }

  /** `37 ms`, `1.5 s`, `2.0 m` or `1.25 h`. */
  prettyPrint(): string {
    const ms = this.milliseconds
    if (ms < 1000) return `${ms} ms`
    if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
    if (ms < 3_600_000) return `${(ms / 60_000).toFixed(1)} m`
    return `${(ms / 3_600_000).toFixed(2)} h`
  }

  valueOf(): number {
    return this.milliseconds
  }

  toString(): string {
    return `${this.milliseconds} ms`
  }
}

export function Milliseconds(milliseconds: number): Duration {
  return new Duration(milliseconds)
}

export function Seconds(seconds: number): Duration {
  return new Duration(Math.round(seconds * 1000))
}

export function Minutes(minutes: number): Duration {
  return new Duration(Math.round(minutes * 60_000))
}

/** The same three, under the names the Java API uses. */
export const Durations = { milliseconds: Milliseconds, seconds: Seconds, minutes: Minutes } as const

/** A moment in milliseconds since the Unix epoch, such as a batch time. */
export class Time {
  readonly milliseconds: number

  constructor(milliseconds: number) {
    this.milliseconds = milliseconds
  }

  plus(that: Duration): Time {
    return new Time(this.milliseconds + that.milliseconds)
  }

  minus(that: Time): Duration
  minus(that: Duration): Time
  minus(that: Time | Duration): Duration | Time {
    const ms = this.milliseconds - that.milliseconds
    return that instanceof Time ? new Duration(ms) : new Time(ms)
  }

  /** The latest multiple of `step`, counted from `zero`, that is not after this time. */
  floor(step: Duration, zero: Time = new Time(0)): Time {
    return new Time(
      Math.floor((this.milliseconds - zero.milliseconds) / step.milliseconds) * step.milliseconds + zero.milliseconds,
    )
  }

  isMultipleOf(step: Duration): boolean {
    return this.milliseconds % step.milliseconds === 0
  }

  less(that: Time): boolean {
    return this.milliseconds < that.milliseconds
  }

  lessEq(that: Time): boolean {
    return this.milliseconds <= that.milliseconds
  }

  greater(that: Time): boolean {
    return this.milliseconds > that.milliseconds
  }

  greaterEq(that: Time): boolean {
    return this.milliseconds >= that.milliseconds
  }

  min(that: Time): Time {
    return this.less(that) ? this : that
  }

  max(that: Time): Time {
    return this.greater(that) ? this : that
  }

  /** Times from here, `step` apart, up to but without `end`. */
  until(end: Time, step: Duration): Time[] {
    const times: Time[] = []
    for (let ms = this.milliseconds; ms < end.milliseconds; ms += step.milliseconds) times.push(new Time(ms))
    return times
  }

  /** Times from here, `step` apart, up to and with `end`. */
  to(end: Time, step: Duration): Time[] {
    return this.until(new Time(end.milliseconds + 1), step)
  }

  valueOf(): number {
    return this.milliseconds
  }

  toString(): string {
    return `${this.milliseconds} ms`
  }
}
