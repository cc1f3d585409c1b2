import { spawn } from 'node:child_process'
import { type Charset, charsetNamed, charsetNames } from '../../codec/charset.ts'
import { FlumeError } from '../../core/error.ts'
import { type Options, parsed, text } from '../../spec/option.ts'
import { type ConfigFilter, type ConfigFilterContext, defineConfigFilter } from '../contract.ts'

const options = {
  command: text({
    doc: 'Program and arguments, separated by blanks; the key is added as the last argument. No shell.',
  }),
  charset: parsed<Charset>(
    'charset',
    'the name of a charset',
    { default: 'UTF-8', doc: 'What the program writes in.' },
    (name) => {
      const value = charsetNamed(name)
      return value ? { value } : { problem: `is none of ${charsetNames.join(', ')}` }
    },
  ),
}
type ExternalOptions = Options<typeof options>

export const external = defineConfigFilter({
  type: 'external',
  aliases: ['org.apache.flume.configfilter.ExternalProcessConfigFilter'],
  summary: 'Asks a program for each value: the first line of its output; ${name["key"]}.',
  options,
  create: (options, context) => new ExternalFilter(options, context),
})

/** A program that has not answered by then is stopped; Flume would wait for ever. */
const timeoutMs = 30_000
const outputBytesMax = 64 * 1024

class ExternalFilter implements ConfigFilter {
  readonly #options: ExternalOptions
  readonly #context: ConfigFilterContext

  constructor(options: ExternalOptions, context: ConfigFilterContext) {
    this.#options = options
    this.#context = context
  }

  async get(key: string): Promise<string | undefined> {
    const { command, charset } = this.#options
    const [program = '', ...args] = command.trim().split(/\s+/)
    const output = await this.#run(program, [...args, key])
    const text = charset.decode(output, '\uFFFD') ?? ''
    return text.split(/\r?\n/, 1)[0]
  }

  #run(program: string, args: readonly string[]): Promise<Uint8Array> {
    const { env, clock } = this.#context
    return new Promise((resolve, reject) => {
      // What it writes to standard error may hold secrets, so that nobody gets to see it.
      const child = spawn(program, args, { env: { ...env }, stdio: ['ignore', 'pipe', 'ignore'], windowsHide: true })
      const chunks: Uint8Array[] = []
      let length = 0
      const fail = (error: Error): void => {
        timer.cancel()
        child.kill('SIGKILL')
        child.stdout.destroy()
        reject(error)
      }
      const timer = clock.after(timeoutMs, () =>
        fail(new FlumeError('TIMEOUT', `${program} has not ended within ${timeoutMs / 1000} s`)),
      )
      child.stdout.on('data', (chunk: Uint8Array) => {
        length += chunk.length
        if (length > outputBytesMax)
          fail(new FlumeError('LIMIT', `${program} writes more than ${outputBytesMax} bytes`))
        else chunks.push(chunk)
      })
      child.on('error', (error) => fail(new FlumeError('IO', `${program} cannot be run: ${error.message}`)))
      child.on('close', (code, signal) => {
        timer.cancel()
        if (code === 0) resolve(Buffer.concat(chunks))
        else reject(new FlumeError('IO', `${program} ended with ${code ?? signal}`))
      })
    })
  }
}
