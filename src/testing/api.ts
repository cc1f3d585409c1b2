// `flume-ts/testing`: the virtual time that the project's own tests use.
export type { Clock, Timer } from '../core/clock.ts'
export { ManualClock, settle } from './manual-clock.ts'
export { type Attempt, type ReceivedEvent, ScriptedSink, type SinkStep } from './scripted-sink.ts'
export { type Answer, ScriptedSource, type SourceStep, type TestEvent } from './scripted-source.ts'
export { type BatchResult, type ManualTime, type RunBatchesOptions, runBatches, withManualClock } from './stream.ts'
export { type Configuration, startTestAgent, TestAgent, type TestAgentOptions } from './test-agent.ts'
