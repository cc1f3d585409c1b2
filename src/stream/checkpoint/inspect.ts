import { explain, FlumeError } from '../../core/error.ts'
import { readRecords } from '../state/framed-file.ts'
import { verifyState } from '../state/state-files.ts'
import { logFolder } from './block-log.ts'
import { type Checkpoint, listCheckpoints, readCheckpoint } from './checkpoint-file.ts'
import type { CheckpointFolder } from './folder.ts'

/** The newest checkpoint of a folder that can be read. Rejects USAGE when there is none at all, INVALID_DATA when none is readable. */
export async function newestCheckpoint(
  folder: CheckpointFolder,
): Promise<{ readonly name: string; readonly checkpoint: Checkpoint }> {
  let problem: unknown
  for (const { name } of await listCheckpoints(folder)) {
    try {
      return { name, checkpoint: await readCheckpoint(folder, name) }
    } catch (error) {
      problem ??= error
    }
  }
  if (problem) throw problem
  throw new FlumeError('USAGE', `there is no checkpoint in ${folder.address}`, {
    hint: 'give the directory that the job hands to ssc.checkpoint(…)',
  })
}

function date(timeMs: number): string {
  return new Date(timeMs).toISOString()
}

/** What the newest checkpoint says, for people. */
export function describeCheckpoint(name: string, checkpoint: Checkpoint): string {
  const { appName, batchMs, zeroMs, timeMs, stateMs, pending, operators } = checkpoint
  const lines = [
    `${name} of ${appName}`,
    `batches of     ${batchMs} ms, the first at ${date(zeroMs + batchMs)}`,
    `newest batch   ${timeMs} (${date(timeMs)})`,
    `state as of    ${stateMs} (${date(stateMs)})`,
    `not complete   ${pending.length === 0 ? 'none' : pending.join(', ')}`,
    'operators',
  ]
  for (const { id, state, blocks, batches } of operators) {
    const parts = [
      ...(state ? [`${state.keys} keys in ${state.last - state.first + 1} files`] : []),
      ...(blocks ? [`${blocks.spans.reduce((sum, [, from, to]) => sum + to - from, 0)} logged blocks in batches`] : []),
      ...(batches === undefined ? [] : [`input ${JSON.stringify(batches).length} bytes`]),
    ]
    lines.push(`  ${id}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`)
  }
  return `${lines.join('\n')}\n`
}

/** Reads everything that the checkpoints of a folder name, and tells what is whole and what is not, one line each. */
export async function verifyCheckpoints(
  folder: CheckpointFolder,
): Promise<{ readonly lines: readonly string[]; readonly isWhole: boolean }> {
  const lines: string[] = []
  let isWhole = true
  const check = async (what: string, act: () => Promise<string>): Promise<void> => {
    try {
      lines.push(`ok      ${what}: ${await act()}`)
    } catch (error) {
      isWhole = false
      lines.push(`broken  ${what}: ${explain(error)}`)
    }
  }
  const readable: Checkpoint[] = []
  for (const { name } of await listCheckpoints(folder)) {
    await check(name, async () => {
      const checkpoint = await readCheckpoint(folder, name)
      readable.push(checkpoint)
      return `batch ${checkpoint.timeMs}, ${checkpoint.pending.length} not complete`
    })
  }
  // Reading refuses for lack of any; what is looked into is what a restart would take.
  const { checkpoint } = await newestCheckpoint(folder)
  for (const { id, state, blocks } of checkpoint.operators) {
    if (state) {
      await check(`state of ${id}`, async () => {
        const { files, entries, bytes } = await verifyState(folder, id, state)
        return `${state.keys} keys, ${entries} entries in ${files} files, ${bytes} bytes`
      })
    }
    if (blocks) {
      await check(`log of ${id}`, async () => {
        const count = await countBlocks(folder, id)
        return `${count} blocks`
      })
    }
  }
  return { lines, isWhole }
}

async function countBlocks(folder: CheckpointFolder, operator: string): Promise<number> {
  let count = 0
  for (const name of await folder.names(logFolder(operator))) {
    const path = `${logFolder(operator)}/${name}`
    for await (const _ of readRecords(folder.read(path), folder.pathOf(path), true)) count++
  }
  return count
}
