import { isUtf8 } from 'node:buffer'
import { type ChildProcess, spawn } from 'node:child_process'
import { type Charset, charsetNamed, charsetNames } from '../../codec/charset.ts'
import { streamCharset } from '../../codec/stream-charset.ts'
import { TextLineCutter } from '../../codec/text-lines.ts'
import { explain } from '../../core/error.ts'
import { count, flag, millis, type Options, parsed, text } from '../../spec/option.ts'
import {
  BatchBuilder,
  defineSource,
  EventBatch,
  FlumeError,
  type Source,
  type SourceContext,
  type Timer,
} from '../contract.ts'

type WritableCharset = Charset & { readonly encode: (text: string) => Uint8Array }

const options = {
  command: text({ doc: 'Program and arguments, separated by blanks; no quotes, no patterns unless there is a shell.' }),
  shell: text({ optional: true, doc: 'Shell that is given the whole command as one argument, such as /bin/sh -c.' }),
  restart: flag({ default: false, doc: 'Run the command again when it has ended.' }),
  restartThrottle: millis({ default: 10_000, min: 0, doc: 'Pause before it runs again.' }),
  logStdErr: flag({ default: false, doc: "Log the lines of the command's standard error." }),
  batchSize: count({ default: 20, min: 1, doc: 'Lines handed to the channel at once.' }),
  batchTimeout: millis({ default: 3000, min: 0, doc: 'Lines wait for a full batch no longer than this.' }),
  charset: parsed<WritableCharset>(
    'charset',
    'the name of a charset',
    { default: 'UTF-8', doc: 'What the command writes; bytes that are no text become U+FFFD.' },
    (name) => {
      const found = charsetNamed(name)
      if (!found) return { problem: `is none of ${charsetNames.join(', ')}` }
      if (!found.encode) return { problem: 'is a charset that is only read here, not written' }
      return { value: found as WritableCharset }
    },
  ),
}
type ExecOptions = Options<typeof options>

export const exec = defineSource({
  type: 'exec',
  aliases: ['org.apache.flume.source.ExecSource'],
  summary: 'Runs a command; each line it writes becomes one event.',
  options,
  batchSizeOption: 'batchSize',
  describe: (options) => options.command,
  create: (options, context) => new ExecSource(options, context),
})

/** A longer line becomes several events: what a command writes must fit in memory. */
const lineBytesMax = 16 * 1024 * 1024
const stderrLineBytesMax = 8 * 1024
/** A command that does not end when it is asked to is killed after this. */
const killAfterMs = 2000
/** Pauses while the channel takes nothing. */
const backoffFirstMs = 250
const backoffMaxMs = 4000

class ExecSource implements Source {
  readonly #options: ExecOptions
  readonly #context: SourceContext

  constructor(options: ExecOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
  }

  /** Rejects INVALID_STATE, for good, when the program cannot be run and is not to be tried again. */
  async run(): Promise<void> {
    const { signal, clock, log } = this.#context
    const { command, restart, restartThrottle } = this.#options
    while (!signal.aborted) {
      const ended = await this.#runOnce()
      if (signal.aborted) return
      if (ended instanceof Error) {
        const message = `Failed while running command: ${command}: ${ended.message}`
        const hint = 'the program must exist and be executable; pipes, quotes and built-in commands need a shell'
        if (!restart) throw new FlumeError('INVALID_STATE', message, { hint, cause: ended })
        log.error(`${message} (${hint}); trying again in ${restartThrottle} ms`)
        await clock.sleep(restartThrottle, signal).catch(() => undefined)
        continue
      }
      log.info(`Command [${command}] exited with ${ended}`) // S-14
      if (!restart) break
      log.info(`Restarting in ${restartThrottle}ms, exit code ${ended}`)
      await clock.sleep(restartThrottle, signal).catch(() => undefined)
    }
    // Without restart the source stays, idle (S-14).
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  }

  /** One run of the command, to its end; answers its exit code, or the signal that ended it, or why it could not be run. */
  async #runOnce(): Promise<string | Error> {
    const { signal, clock, log, counters } = this.#context
    const [program = '', ...words] = this.#words()
    // A process group of its own, so that what a shell has started ends with it.
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
    const ended = whenEnded(child)
    // Open and silent, as Flume leaves it: some programs end when their input does.
    child.stdin.on('error', () => undefined)
    const kill = (): void => stop(child, 'SIGTERM')
    let killTimer: Timer | undefined
    const onStop = (): void => {
      kill()
      killTimer = clock.after(killAfterMs, () => stop(child, 'SIGKILL'))
    }
    if (signal.aborted) onStop()
    else signal.addEventListener('abort', onStop, { once: true })
    const errors = this.#drainErrors(child)
    try {
      if (child.pid !== undefined) {
        this.#context.ready(this.#options.command)
        await new Run(this.#options, this.#context, child).read()
      }
    } catch (error) {
      counters.eventReadFail++
      log.error(`Failed while running command: ${this.#options.command}: ${explain(error)}`)
      onStop()
    } finally {
      await ended
      await errors
      stop(child, 'SIGTERM')
      killTimer?.cancel()
      signal.removeEventListener('abort', onStop)
    }
    return ended
  }

  #words(): string[] {
    const { command, shell } = this.#options
    const split = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '')
    return shell === undefined ? split(command) : [...split(shell), command]
  }

  /** Standard error is always read: a command must not hang because nobody does. */
  async #drainErrors(child: ChildProcess): Promise<void> {
    const { log } = this.#context
    const cutter = new TextLineCutter(stderrLineBytesMax)
    const say = (batch: EventBatch): void => {
      if (!this.#options.logStdErr) return
      for (const { body } of batch.events()) log.info(`stderr: ${Buffer.from(body).toString()}`)
    }
    try {
      for await (const chunk of child.stderr as NonNullable<ChildProcess['stderr']>) say(cutter.cut(chunk).batch)
      say(cutter.end().batch)
    } catch {
      // The command is gone; there is nothing more to read.
    }
  }
}

/** Resolves to the exit code or to what stands for it; never rejects. */
function whenEnded(child: ChildProcess): Promise<string | Error> {
  return new Promise((resolve) => {
    child.once('error', resolve)
    child.once('exit', (code, signal) => resolve(String(code ?? signal)))
  })
}

/** Asks the command and everything it has started to end. */
function stop({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // None of them is left.
  }
}

/** What one run of the command has written and nobody has taken yet. */
class Run {
  readonly #options: ExecOptions
  readonly #context: SourceContext
  readonly #child: ChildProcess
  readonly #batchSize: number
  readonly #decode: ((chunk: Buffer) => Buffer) | undefined
  #waiting: EventBatch[] = []
  #flushedAtMs: number
  #timer: Timer | undefined
  /** Deliveries, one after the other, whoever asks for them. */
  #turn: Promise<void> = Promise.resolve()

  constructor(options: ExecOptions, context: SourceContext, child: ChildProcess) {
    this.#options = options
    this.#context = context
    this.#child = child
    this.#batchSize = Math.min(options.batchSize, context.transactionCapacity)
    this.#flushedAtMs = context.clock.monotonic()
    // Line ends of the others are single bytes that stand for nothing else.
    if (options.charset.unitBytes === 2) this.#decode = streamCharset(options.charset.name)?.decoder()
  }

  /** Resolves when the command has closed its output and all of it is delivered. */
  async read(): Promise<void> {
    const cutter = new TextLineCutter(lineBytesMax)
    let warned = false
    try {
      for await (const chunk of this.#child.stdout as NonNullable<ChildProcess['stdout']>) {
        const { batch, cuts } = cutter.cut(this.#decode ? this.#decode(chunk) : chunk)
        if (cuts > 0 && !warned) {
          warned = true
          this.#context.log.warn(`a line above ${lineBytesMax} bytes becomes several events`)
        }
        this.#add(batch)
        // Behind a full channel the command waits: its output is not read.
        await this.#flush(this.#isDue())
      }
      this.#add(cutter.end().batch)
      await this.#flush(true)
    } finally {
      this.#timer?.cancel()
    }
  }

  #add(batch: EventBatch): void {
    if (batch.count === 0) return
    this.#waiting.push(this.#encoded(batch))
  }

  #isDue(): boolean {
    return this.#context.clock.monotonic() - this.#flushedAtMs >= this.#options.batchTimeout
  }

  /** Delivers full batches, and with `all` what remains too. Rejects from then on once it has failed. */
  #flush(all: boolean): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      this.#timer?.cancel()
      this.#timer = undefined
      const batch = EventBatch.concat(this.#waiting)
      this.#waiting = []
      let from = 0
      while (batch.count - from >= (all ? 1 : this.#batchSize)) {
        const to = Math.min(batch.count, from + this.#batchSize)
        await this.#deliver(batch.slice(from, to))
        this.#flushedAtMs = this.#context.clock.monotonic()
        from = to
      }
      if (from < batch.count) this.#waiting.unshift(batch.slice(from).compact())
      this.#arm()
    })
    return this.#turn
  }

  /** Lines that wait are delivered when they have waited long enough, though nothing more comes (S-11). */
  #arm(): void {
    if (this.#waiting.length === 0) return
    const { clock, signal } = this.#context
    if (signal.aborted) return
    const waitMs = Math.max(0, this.#flushedAtMs + this.#options.batchTimeout - clock.monotonic())
    this.#timer = clock.after(waitMs, () => {
      // The reader may wait for output that never comes: it has to learn of a failure.
      this.#flush(true).catch((error: Error) => this.#child.stdout?.destroy(error))
    })
  }

  /** Hands a batch over for as long as the channel is full; rejects when trying again cannot help (S-12). */
  async #deliver(batch: EventBatch): Promise<void> {
    const { clock, signal, log, counters } = this.#context
    counters.appendBatchReceived++
    for (let pauseMs = backoffFirstMs; ; pauseMs = Math.min(2 * pauseMs, backoffMaxMs)) {
      try {
        await this.#context.deliver(batch)
        counters.appendBatchAccepted++
        return
      } catch (error) {
        if (signal.aborted || !(error instanceof FlumeError && error.retry)) throw error
        if (pauseMs < backoffMaxMs) log.warn(`the channel takes nothing now: ${explain(error)}; the command waits`)
        await clock.sleep(pauseMs, signal)
      }
    }
  }

  /** The lines as Java would write them again: the same bytes where they are text of the charset. */
  #encoded(batch: EventBatch): EventBatch {
    const { charset } = this.#options
    if (charset.total && charset.unitBytes === 1) return batch
    const { body, starts, ends, count } = batch
    const isPlain = charset.name === 'UTF-8' && isUtf8(body.subarray(starts[0], ends[count - 1]))
    if (isPlain) return batch
    const builder = new BatchBuilder(batch.bodyBytes, count)
    for (const { body } of batch.events()) {
      const text = this.#decode ? Buffer.from(body).toString() : charset.decode(body, '\uFFFD')
      builder.add(charset.encode(text ?? ''))
    }
    return builder.build()
  }
}
