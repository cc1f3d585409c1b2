import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'

const programs = new Set()
const stopTimeoutMs = 60_000

/** One of the project's commands, running; its log goes to a file, its output is kept and shown line by line. */
export class Program {
  /** Lines of standard output so far. */
  lines = []
  #child
  #exited
  #log = ''
  #name
  #waiting = new Set()

  /** Starts `node FILE ARGS` with its log in `logFile`; `show` gets each line of its output. */
  constructor(name, file, args, { cwd, logFile, show }) {
    this.#name = name
    // A group of its own: on Ctrl-C the terminal would signal it too, and a second signal means "at once".
    this.#child = spawn(process.execPath, [file, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    const log = createWriteStream(logFile)
    this.#child.stderr.setEncoding('utf8').on('data', (text) => {
      log.write(text)
      this.#log += text
      this.#wake()
    })
    let rest = ''
    this.#child.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()
      for (const line of lines) {
        this.lines.push(line)
        show(line)
      }
      this.#wake()
    })
    this.#exited = new Promise((resolve) => {
      this.#child.on('error', () => resolve(-1))
      this.#child.on('close', (code) => resolve(code ?? -1))
    }).then((code) => {
      programs.delete(this)
      log.end()
      this.exitCode = code
      this.#wake()
      return code
    })
    programs.add(this)
  }

  /** Resolves to what `find` answers, asked again whenever something was printed; rejects when the program ends first, or after `timeoutMs`. */
  async until(what, timeoutMs, find) {
    let late = false
    const timer = setTimeout(() => {
      late = true
      this.#wake()
    }, timeoutMs)
    try {
      for (;;) {
        const found = find(this.lines, this.#log)
        if (found) return found
        if (this.exitCode !== undefined)
          throw new Error(`${this.#name} ended (${this.exitCode}) before ${what}:\n${this.#log.slice(-1500)}`)
        if (late)
          throw new Error(
            `${this.#name}: ${what} did not happen within ${timeoutMs / 1000} s:\n${this.#log.slice(-1500)}`,
          )
        await new Promise((resolve) => this.#waiting.add(resolve))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Asks the program to stop, as Ctrl-C would; resolves to its exit code. */
  async stop() {
    this.#child.kill('SIGINT')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs)
    const code = await this.#exited
    clearTimeout(timer)
    return code
  }

  #wake() {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

/** Stops whatever still runs, newest first. */
export async function stopPrograms() {
  for (const program of [...programs].reverse()) await program.stop()
}
