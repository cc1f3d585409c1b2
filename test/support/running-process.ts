import { type ChildProcess, spawn } from 'node:child_process'
import { systemClock } from '../../src/core/clock.ts'

/** Longest wait for a process to say what it is expected to, in milliseconds. */
const answerTimeoutMs = 180_000
const stopTimeoutMs = 60_000
/** Longest output kept per process; one that talks more loses its oldest words. */
const outputMaxChars = 16 * 1024 * 1024

/** A test file that is ended early must leave nothing running either. */
const running = new Set<ChildProcess>()
const endAll = (): void => {
  for (const child of running) child.kill('SIGKILL')
}
process.on('exit', endAll)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    endAll()
    process.exit(1)
  })
}

export interface ProcessOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** A child process whose output is kept and can be waited for. Ends with the scope: `await using`, or `stop()`. */
export class RunningProcess {
  readonly name: string
  readonly #child: ChildProcess
  readonly #exited: Promise<number>
  readonly #cleanUps: (() => Promise<void>)[] = []
  #stdout = ''
  #stderr = ''
  readonly #waiting = new Set<() => void>()

  constructor(name: string, command: string, args: readonly string[], { cwd, env }: ProcessOptions = {}) {
    this.name = name
    this.#child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = (this.#stdout + text).slice(-outputMaxChars)
      this.#wake()
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-outputMaxChars)
      this.#wake()
    })
    // Writing to a process that has just ended is no news; its exit is.
    this.#child.stdin?.on('error', () => undefined)
    this.#exited = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#stderr += String(error)
        resolve(-1)
      })
      this.#child.on('close', (code) => resolve(code ?? -1))
    })
    running.add(this.#child)
    void this.#exited.then(() => {
      running.delete(this.#child)
      this.#wake()
    })
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** Everything printed to standard output so far. */
  get stdout(): string {
    return this.#stdout
  }

  /** Everything printed to standard error so far; the peers' logs. */
  get stderr(): string {
    return this.#stderr
  }

  /** Types `text` and ends the process's standard input. */
  endInput(text = ''): void {
    this.#child.stdin?.end(text)
  }

  /** Resolves to the exit code once the process has ended and its output is complete; -1 after a signal. */
  get exited(): Promise<number> {
    return this.#exited
  }

  /** Types into the process's standard input. */
  type(text: string): void {
    this.#child.stdin?.write(text)
  }

  /** Resolves once standard output or standard error matches; rejects when the process ends first, or after `timeoutMs`. */
  waitFor(pattern: RegExp, timeoutMs = answerTimeoutMs): Promise<RegExpExecArray> {
    const find = (): RegExpExecArray | undefined =>
      pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr) ?? undefined
    return this.waitUntil(find, String(pattern), timeoutMs)
  }

  /** Resolves once `find`, asked again after each piece of output, answers something; rejects like `waitFor`. */
  async waitUntil<T>(find: () => T | undefined, what: string, timeoutMs = answerTimeoutMs): Promise<T> {
    let ended = false
    let late = false
    void this.#exited.then(() => {
      ended = true
    })
    const timer = systemClock.after(timeoutMs, () => {
      late = true
      this.#wake()
    })
    try {
      for (;;) {
        const found = find()
        if (found !== undefined) return found
        if (ended || late) {
          const why = ended ? `ended with ${await this.#exited}` : `took longer than ${timeoutMs} ms`
          throw new Error(
            `${this.name} ${why} before ${what}\n${this.#stdout.slice(-2_000)}\n${this.#stderr.slice(-4_000)}`,
          )
        }
        await new Promise<void>((resolve) => {
          this.#waiting.add(resolve)
        })
      }
    } finally {
      timer.cancel()
    }
  }

  /** Something to do after the process has ended. */
  afterwards(cleanUp: () => Promise<void>): void {
    this.#cleanUps.push(cleanUp)
  }

  /** Asks the process to end (SIGTERM by default), then makes it; resolves to its exit code. Safe twice. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    this.#child.kill(signal)
    const timer = systemClock.after(stopTimeoutMs, () => this.#child.kill('SIGKILL'))
    const code = await this.#exited
    timer.cancel()
    for (let cleanUp = this.#cleanUps.pop(); cleanUp; cleanUp = this.#cleanUps.pop()) await cleanUp()
    return code
  }

  /** Ends the process at once, as a crash would. */
  kill(): Promise<number> {
    return this.stop('SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
