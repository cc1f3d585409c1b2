// `flume-ts/testing`: the virtual time that the project's own tests use.
export type { Clock, Timer } from '../core/clock.ts'
export { ManualClock, settle } from './manual-clock.ts'
export { type BatchResult, type ManualTime, type RunBatchesOptions, runBatches, withManualClock } from './stream.ts'
