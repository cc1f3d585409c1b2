import type { SparkConf } from '../conf.ts'
import { require_ } from '../time.ts'

/** The PID controller that turns what a batch took into a new rate for its receiver (B110–B112). */
export class PidRateEstimator {
  readonly #batchMs: number
  readonly #proportional: number
  readonly #integral: number
  readonly #derivative: number
  readonly #minRate: number
  #isFirst = true
  #lastMs = -1
  #lastRate = -1
  #lastError = -1

  constructor(conf: SparkConf, batchMs: number) {
    const name = conf.get('spark.streaming.backpressure.rateEstimator', 'pid')
    require_(name === 'pid', `Unknown rate estimator: ${name}`)
    this.#batchMs = batchMs
    this.#proportional = conf.getDouble('spark.streaming.backpressure.pid.proportional', 1)
    this.#integral = conf.getDouble('spark.streaming.backpressure.pid.integral', 0.2)
    this.#derivative = conf.getDouble('spark.streaming.backpressure.pid.derived', 0)
    this.#minRate = conf.getDouble('spark.streaming.backpressure.pid.minRate', 100)
    require_(batchMs > 0, `Specified batch interval ${batchMs} in PIDRateEstimator is invalid.`)
    require_(this.#proportional >= 0, `Proportional term ${this.#proportional} in PIDRateEstimator should be >= 0.`)
    require_(this.#integral >= 0, `Integral term ${this.#integral} in PIDRateEstimator should be >= 0.`)
    require_(this.#derivative >= 0, `Derivative term ${this.#derivative} in PIDRateEstimator should be >= 0.`)
    require_(this.#minRate > 0, `Minimum rate in PIDRateEstimator should be > 0`)
  }

  /** The new rate in records a second, or undefined when this batch says nothing. Times in milliseconds. */
  compute(endMs: number, elements: number, processingMs: number, schedulingMs: number): number | undefined {
    if (endMs <= this.#lastMs || elements <= 0 || processingMs <= 0) return undefined
    const processingRate = (elements / processingMs) * 1000
    if (this.#isFirst) {
      this.#isFirst = false
      this.#lastMs = endMs
      this.#lastRate = processingRate
      this.#lastError = 0
      return undefined
    }
    const seconds = (endMs - this.#lastMs) / 1000
    const error = this.#lastRate - processingRate
    const history = (schedulingMs * processingRate) / this.#batchMs
    const slope = (error - this.#lastError) / seconds
    const rate = Math.max(
      this.#lastRate - this.#proportional * error - this.#integral * history - this.#derivative * slope,
      this.#minRate,
    )
    this.#lastMs = endMs
    this.#lastRate = rate
    this.#lastError = error
    return Math.trunc(rate)
  }
}
