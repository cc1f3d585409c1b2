import assert from 'node:assert/strict'
import { EventBatch, type Interceptor, type InterceptorSpec } from '../../src/agent/contract.ts'
import { type Logger, silentLogger } from '../../src/monitor/logger.ts'
import { readOptions } from '../../src/spec/read.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { channelContext } from './channel-context.ts'

/** An event as tests write it: headers, then the body. */
export type Sample = readonly [headers: Readonly<Record<string, string>>, body?: string]

/** What reading the options and the spec's own rules find wrong. */
export function problemsOf(spec: InterceptorSpec, values: Readonly<Record<string, string>>): readonly string[] {
  const at = { file: 'x', line: 1, column: 1 }
  const raws = new Map(Object.entries(values).map(([key, text]) => [key, { ...at, text }]))
  const reading = readOptions({ table: spec.options, raws, path: '', place: at })
  const found = reading.findings.map(({ path, message }) => `${path}: ${message}`)
  if (found.length > 0) return found
  return (spec.check?.(reading.values as never) ?? []).map(({ option, message }) => `${option}: ${message}`)
}

/** Made from options as a file gives them. */
export async function makeInterceptor(
  spec: InterceptorSpec,
  values: Readonly<Record<string, string>>,
  more: { readonly clock?: ManualClock; readonly log?: Logger } = {},
): Promise<Interceptor> {
  assert.deepEqual(problemsOf(spec, values), [])
  const at = { file: 'x', line: 1, column: 1 }
  const raws = new Map(Object.entries(values).map(([key, text]) => [key, { ...at, text }]))
  const { values: options } = readOptions({ table: spec.options, raws, path: '', place: at })
  const { clock = new ManualClock(), log = silentLogger } = more
  return spec.create(options as never, channelContext(clock, log))
}

export function batchOf(...samples: readonly Sample[]): EventBatch {
  return EventBatch.of(samples.map(([headers, body = '']) => ({ headers, body })))
}

export function samplesOf(batch: EventBatch): readonly Sample[] {
  return [...batch.events()].map(({ headers, body }) => [{ ...headers }, Buffer.from(body).toString()])
}
