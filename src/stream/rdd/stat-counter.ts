/** Count, mean and variance of numbers as they come, without keeping them, and mergeable (Welford, Chan). */
export class StatCounter {
  count = 0
  mean = 0
  min = Number.POSITIVE_INFINITY
  max = Number.NEGATIVE_INFINITY
  /** Sum of the squared distances from the mean. */
  #squares = 0

  add(value: number): this {
    this.count++
    const distance = value - this.mean
    this.mean += distance / this.count
    this.#squares += distance * (value - this.mean)
    this.min = Math.min(this.min, value)
    this.max = Math.max(this.max, value)
    return this
  }

  merge(other: StatCounter): this {
    if (other.count === 0) return this
    const count = this.count + other.count
    const distance = other.mean - this.mean
    this.#squares += other.#squares + (distance * distance * this.count * other.count) / count
    this.mean += (distance * other.count) / count
    this.count = count
    this.min = Math.min(this.min, other.min)
    this.max = Math.max(this.max, other.max)
    return this
  }

  get sum(): number {
    return this.mean * this.count
  }

  /** Of the whole population; NaN without values. */
  get variance(): number {
    return this.count === 0 ? Number.NaN : this.#squares / this.count
  }

  get stdev(): number {
    return Math.sqrt(this.variance)
  }

  /** Of a sample; NaN with fewer than two values. */
  get sampleVariance(): number {
    return this.count < 2 ? Number.NaN : this.#squares / (this.count - 1)
  }

  get sampleStdev(): number {
    return Math.sqrt(this.sampleVariance)
  }

  toString(): string {
    return `(count: ${this.count}, mean: ${this.mean}, stdev: ${this.stdev}, max: ${this.max}, min: ${this.min})`
  }
}
