import { fileURLToPath } from 'node:url'

/** Where in the job an output operation was written. */
export interface CallSite {
  /** Such as `print at job.ts:12`. */
  readonly short: string
  /** The job's own stack lines. */
  readonly long: string
}

/** Where the package's own code lies, built and as source maps name it, to tell it from the job's. */
const ownFolders = ['../..', '../../../../src/', '../../../../bin/'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
)

/** True for a stack line that is not the job author's: this package, Node itself. */
export function isForeignFrame(line: string): boolean {
  return (
    line.includes('node:') ||
    ownFolders.some((folder) => line.includes(folder)) ||
    line.includes('<anonymous>)') ||
    line.includes('/node_modules/')
  )
}

/** The lines of a stack that are the job author's. */
export function userFrames(stack: string | undefined): string[] {
  return (stack ?? '').split('\n').filter((line) => /^\s+at .*:\d+:\d+\)?$/.test(line) && !isForeignFrame(line))
}

/** The job's own line in which an error was made, such as `job.ts:12`; undefined when no line of the job is in its stack. */
export function placeOf(made: Error): string | undefined {
  const [, file, line] = /([^/\\(]+):(\d+):\d+\)?$/.exec(userFrames(made.stack)[0] ?? '') ?? []
  return file === undefined ? undefined : `${file}:${line}`
}

/** Looks up who called `operation`: now, or where `made` was made. */
export function callSite(operation: string, made = new Error()): CallSite {
  const place = placeOf(made)
  return {
    short: place === undefined ? operation : `${operation} at ${place}`,
    long: userFrames(made.stack)
      .map((frame) => frame.trim().replace(/^at /, ''))
      .join('\n'),
  }
}
