import { type ChildProcess, spawn } from 'node:child_process'
import { unwatchFile, watchFile } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../core/clock.ts'
import { bundleJob } from './bundle.ts'
import { stopSignal } from './signals.ts'
import type { JobOptions } from './submit.ts'

const command = fileURLToPath(new URL('../../../bin/stream-ts.js', import.meta.url))
/** How often the files are looked at. */
const pollMs = 300

/** What `stream-ts submit` was called with. */
export interface WatchOptions extends JobOptions {
  /** As `--mount` takes them. */
  readonly mount: readonly string[]
}

/**
 * Runs a job in a process of its own, and starts it anew when one of its files has changed: it is stopped gracefully
 * first, and a job with a checkpoint goes on from there. One that has ended or failed waits for the next change. Answers
 * the exit code once a signal has ended it.
 */
export async function watchJob(options: WatchOptions): Promise<number> {
  const stopping = new AbortController()
  let running: ChildProcess | undefined
  const ended = (): boolean => running === undefined || running.exitCode !== null || running.signalCode !== null
  void stopSignal(() => running?.kill('SIGKILL')).then((signal) => {
    stopping.abort()
    // The terminal has told the whole group of an interrupt, and a second one would end the job at once.
    if (signal === 'SIGTERM' || !process.stdin.isTTY) running?.kill('SIGTERM')
  })
  const say = (text: string): void => void process.stderr.write(`stream-ts: ${text}\n`)
  let files = new Set<string>()
  // The clock's timers keep no process alive while there is no job.
  const alive = resolve(options.job)
  watchFile(alive, () => undefined)
  while (!stopping.signal.aborted) {
    files = await filesOf(options, files)
    const before = await stateOf(files)
    running = spawn(process.execPath, [command, ...argumentsOf(options)], { stdio: 'inherit' })
    const exit = exitOf(running)
    let isDue = false
    void exit.then((code) => {
      if (!stopping.signal.aborted && !isDue) say(`the job ended with ${code}; waiting for a change`)
    })
    const changed = await change(files, before, stopping.signal)
    if (changed !== undefined) {
      isDue = true
      say(`${changed} has changed; the job starts anew`)
      if (!ended()) running.kill('SIGTERM')
    }
    await exit
  }
  unwatchFile(alive)
  return 0
}

/** Its exit code, or the name of the signal that ended it. */
function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('exit', (code, signal) => done(code ?? signal ?? 'nothing'))
  })
}

/** Every file of the job's own that can be found; those known before too when something is wrong with one of them. */
async function filesOf({ job, propertiesFile }: WatchOptions, before: ReadonlySet<string>): Promise<Set<string>> {
  const files = new Set([resolve(job), ...(propertiesFile === undefined ? [] : [resolve(propertiesFile)])])
  try {
    const bundle = await bundleJob(job, (path) => files.add(path))
    await bundle.remove()
    return files
  } catch {
    // The job itself will say what it is.
    return new Set([...files, ...before])
  }
}

/** When each file was changed, and how long it is; missing ones have no place. */
async function stateOf(files: ReadonlySet<string>): Promise<Map<string, string>> {
  const states = new Map<string, string>()
  for (const file of files) {
    const found = await stat(file).catch(() => undefined)
    if (found) states.set(file, `${found.mtimeMs} ${found.size} ${found.ino}`)
  }
  return states
}

/** Resolves with a file that has changed, and is left alone again; undefined when the signal aborts first. */
async function change(
  files: ReadonlySet<string>,
  before: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  let last = before
  let changed: string | undefined
  while (!signal.aborted) {
    await systemClock.sleep(pollMs, signal).catch(() => undefined)
    const now = await stateOf(files)
    const differing = [...files].find((file) => now.get(file) !== last.get(file))
    if (differing === undefined && changed !== undefined) return changed
    changed = differing ?? changed
    last = now
  }
  return undefined
}

function argumentsOf(options: WatchOptions): string[] {
  const { job, args, master, name, conf = [], propertiesFile, batchInterval, mount, check } = options
  return [
    'submit',
    ...(master === undefined ? [] : ['--master', master]),
    ...(name === undefined ? [] : ['--name', name]),
    ...conf.flatMap(([key, value]) => ['--conf', `${key}=${value}`]),
    ...(propertiesFile === undefined ? [] : ['--properties-file', propertiesFile]),
    ...(batchInterval === undefined ? [] : ['--batch-interval', String(batchInterval)]),
    ...mount.flatMap((one) => ['--mount', one]),
    ...(check ? ['--check'] : []),
    '--',
    job,
    ...args,
  ]
}
