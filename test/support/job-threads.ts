import { loadJob } from '../../src/stream/job.ts'
import { setLaunch, withSurroundings } from '../../src/stream/launch.ts'
import type { StreamingContext } from '../../src/stream/streaming-context.ts'
import { type ManualTime, withManualClock } from '../../src/testing/stream.ts'
import { RecordingLogger } from './recording-logger.ts'

export interface LaunchOptions {
  /** The built module of the job; it exports a function. */
  readonly file: URL
  readonly args?: readonly string[]
  readonly master: string
  readonly settings?: Readonly<Record<string, string>>
}

/** A job with batches of a second that is not started yet. */
export interface Launched {
  readonly ssc: StreamingContext
  readonly time: ManualTime
  readonly logger: RecordingLogger
  /** What `print` has written. */
  printed(): string
}

/** Loads a job as the submit command does, on a clock moved by hand, and ends it behind `drive`. */
export async function launchJob<R>(options: LaunchOptions, drive: (job: Launched) => Promise<R>): Promise<R> {
  const { file, args = [], master, settings = {} } = options
  const job = { file: file.pathname, name: file.pathname, args, batchIntervalMs: 1000, mounts: new Map() }
  const logger = new RecordingLogger()
  let printed = ''
  const console = (text: string): void => {
    printed += text
  }
  setLaunch({
    settings: new Map(Object.entries({ 'spark.app.name': 'threads', 'spark.master': master, ...settings })),
    job,
  })
  try {
    return await withManualClock((time) =>
      withSurroundings({ clock: time.clock, logger, console }, async () =>
        drive({ ssc: (await loadJob(job)) as StreamingContext, time, logger, printed: () => printed }),
      ),
    )
  } finally {
    setLaunch({ settings: new Map() })
  }
}
