import { explain, FlumeError } from '../core/error.ts'
import { CheckpointFolder } from '../stream/checkpoint/folder.ts'
import { describeCheckpoint, newestCheckpoint, verifyCheckpoints } from '../stream/checkpoint/inspect.ts'
import type { Terminal } from './verb.ts'

/** `stream-ts checkpoint inspect DIR`: what a restart would go on from. Answers 0, 1 when none can be read, 2 when there is none. */
export async function inspectCheckpoint(
  directory: string,
  terminal: Pick<Terminal, 'stdout' | 'stderr'>,
): Promise<number> {
  return run(terminal, async () => {
    const { name, checkpoint } = await newestCheckpoint(new CheckpointFolder(directory))
    terminal.stdout.write(describeCheckpoint(name, checkpoint))
    return 0
  })
}

/** `stream-ts checkpoint verify DIR`: reads everything and says what is broken. Answers 0 when all is whole, 1 when not, 2 when there is none. */
export async function verifyCheckpoint(
  directory: string,
  terminal: Pick<Terminal, 'stdout' | 'stderr'>,
): Promise<number> {
  return run(terminal, async () => {
    const { lines, isWhole } = await verifyCheckpoints(new CheckpointFolder(directory))
    terminal.stdout.write(`${lines.join('\n')}\n`)
    return isWhole ? 0 : 1
  })
}

async function run(terminal: Pick<Terminal, 'stderr'>, act: () => Promise<number>): Promise<number> {
  try {
    return await act()
  } catch (error) {
    terminal.stderr.write(`stream-ts: ${explain(error)}\n`)
    return error instanceof FlumeError && error.code === 'USAGE' ? 2 : 1
  }
}
