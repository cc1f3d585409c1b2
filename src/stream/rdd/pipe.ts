import { spawn } from 'node:child_process'
import type { Writable } from 'node:stream'
import { FlumeError } from '../../core/error.ts'
import { readLineBlocks } from '../lines.ts'
import { textForm } from '../text-form.ts'

/** Text handed to the process at once. */
const writeChars = 64 * 1024
/** Last characters of standard error that an error message shows. */
const shownChars = 2000

/**
 * Writes records, one a line, to the standard input of a process, and yields the lines of its standard output. Rejects IO
 * when the process cannot be started or ends with anything but 0.
 */
export async function* pipeThrough(
  items: Iterable<unknown>,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): AsyncIterable<string> {
  const [program = '', ...args] = command
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-shownChars)
  })
  const ended = new Promise<number | string>((resolve, reject) => {
    child.on('error', (cause) =>
      reject(new FlumeError('IO', `cannot start the command of pipe: ${command.join(' ')}`, { cause })),
    )
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'nothing'))
  })
  ended.catch(() => undefined)
  // A process may end before it has read everything, as `head` does; what it ends with tells whether that is an error.
  child.stdin.on('error', () => undefined)
  const writing = writeAll(items, child.stdin)
  writing.catch(() => child.kill())
  try {
    for await (const lines of readLineBlocks(child.stdout)) yield* lines
    const status = await ended
    await writing
    if (status === 0) return
    throw new FlumeError('IO', `Subprocess exited with status ${status}. Command ran: ${command.join(' ')}`, {
      ...(said !== '' && { hint: said.trimEnd() }),
    })
  } finally {
    child.kill()
  }
}

async function writeAll(items: Iterable<unknown>, stdin: Writable): Promise<void> {
  let text = ''
  for (const item of items) {
    // Nobody reads any more.
    if (stdin.destroyed) return
    text += `${textForm(item)}\n`
    if (text.length < writeChars) continue
    const hasRoom = stdin.write(text)
    text = ''
    if (!hasRoom) await room(stdin)
  }
  stdin.end(text)
}

/** Resolves when there is room again, and when there will be none because the reader is gone. */
function room(stdin: Writable): Promise<void> {
  if (stdin.closed) return Promise.resolve()
  return new Promise((resolve) => {
    const settle = (): void => {
      stdin.off('drain', settle).off('close', settle)
      resolve()
    }
    stdin.on('drain', settle).on('close', settle)
  })
}
