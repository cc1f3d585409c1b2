import type { Source, SourceSpec } from '../../src/agent/contract.ts'
import { readOptions } from './read-options.ts'
import { FakeSourceContext, type FakeSourceContextOptions } from './source-context.ts'

/** A source that listens on a free port of this machine. */
export interface RunningSource {
  readonly context: FakeSourceContext
  readonly port: number
  /** Stops the source and resolves when its run has ended. */
  stop(): Promise<void>
}

/** Starts a listening source with these option texts; `bind` and `port` are given. */
export async function startSource(
  spec: SourceSpec,
  texts: Readonly<Record<string, string>> = {},
  options: FakeSourceContextOptions = {},
): Promise<RunningSource> {
  const context = new FakeSourceContext(options)
  const values = readOptions(spec, { bind: '127.0.0.1', port: '0', ...texts })
  const source: Source = await spec.create(values as never, context)
  const running = source.run()
  const where = await Promise.race([context.whenReady, running.then(() => Promise.reject(new Error('it ended')))])
  return {
    context,
    port: Number(where.slice(where.lastIndexOf(':') + 1)),
    stop: () => {
      context.stop()
      return running
    },
  }
}
