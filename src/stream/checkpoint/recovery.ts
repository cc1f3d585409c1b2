import { asError, explain, FlumeError } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { StreamGraph } from '../graph/graph.ts'
import { InputNode } from '../graph/node.ts'
import { StateNode } from '../op/state-node.ts'
import { QueueNode } from '../receiver/queue.ts'
import { loadState, type StateRange } from '../state/state-files.ts'
import type { SavedOperator } from './checkpoint-file.ts'
import { type BlockSpan, type Checkpoint, listCheckpoints, readCheckpoint } from './checkpoint-file.ts'
import type { Resumed } from './checkpointer.ts'
import { type CheckpointFolder, FolderUnusable } from './folder.ts'
import { keptOperators, type Matching, match } from './operators.ts'

/** The readable checkpoints of a folder, newest first, one after the other (B132). */
async function* readCheckpoints(
  folder: CheckpointFolder,
  warn: (message: string) => void,
): AsyncIterableIterator<Checkpoint> {
  for (const { name } of await listCheckpoints(folder)) {
    try {
      yield await readCheckpoint(folder, name)
    } catch (error) {
      if (error instanceof FolderUnusable) throw error
      warn(`cannot read ${name}: ${explain(error)}`)
    }
  }
}

/** Whether there is anything to go on from: nothing, something that can be read, or why none of it can be. */
export async function lookFor(
  folder: CheckpointFolder,
): Promise<'nothing' | 'readable' | { readonly problems: readonly string[] }> {
  const problems: string[] = []
  for await (const _ of readCheckpoints(folder, (problem) => problems.push(problem))) return 'readable'
  return problems.length === 0 ? 'nothing' : { problems }
}

/**
 * Lays what was saved over a job that its factory has just built: time, state, pending batches, what inputs had given
 * out. The newest checkpoint whose state can be read is taken. Rejects INVALID_DATA when there is none, USAGE when the
 * job cannot go on from it.
 */
export async function resume(graph: StreamGraph, folder: CheckpointFolder, logger: Logger): Promise<Resumed> {
  if (graph.nodes.some((node) => node instanceof QueueNode)) {
    throw new FlumeError(
      'USAGE',
      "queueStream doesn't support checkpointing. Please don't use queueStream when checkpointing is enabled.",
    )
  }
  for await (const checkpoint of readCheckpoints(folder, (problem) => logger.warn(problem))) {
    if (checkpoint.batchMs !== graph.batchMs) {
      throw new FlumeError(
        'USAGE',
        `the checkpoint in ${folder.address} has batches of ${checkpoint.batchMs} ms, and the job ${graph.batchMs} ms`,
        { hint: 'keep the batch duration, or take another checkpoint directory' },
      )
    }
    try {
      return await layOver(graph, folder, checkpoint, logger)
    } catch (error) {
      if (error instanceof FolderUnusable) throw error
      logger.warn(`cannot resume from checkpoint ${checkpoint.timeMs}`, { error: explain(asError(error)) })
      for (const node of graph.nodes) if (node instanceof StateNode) node.reset()
    }
  }
  throw new FlumeError('INVALID_DATA', `Failed to read checkpoint from directory ${folder.address}`, {
    hint: 'stream-ts checkpoint verify tells what is wrong with it',
  })
}

async function layOver(
  graph: StreamGraph,
  folder: CheckpointFolder,
  checkpoint: Checkpoint,
  logger: Logger,
): Promise<Resumed> {
  const matching = match(keptOperators(graph), checkpoint.operators)
  const version = Math.round((checkpoint.stateMs - checkpoint.zeroMs) / checkpoint.batchMs)
  const states = new Map<string, StateRange>()
  const spans = new Map<string, readonly BlockSpan[]>()
  for (const { operator, saved } of matching.kept) {
    const { id, node } = operator
    if (node instanceof StateNode && saved.state) {
      await loadState(node, saved.id, folder, saved.state, version)
      // Under another id the files cannot be continued: the first save writes all of it anew.
      if (saved.id === id) states.set(id, saved.state)
      else node.store.resave()
    }
    if (node instanceof InputNode && saved.batches !== undefined) node.restoreBatches(saved.batches, checkpoint.timeMs)
    if (saved.blocks) {
      const { next } = saved.blocks
      const known = saved.blocks.spans
      // Without spans of its own, the point behind the last block still counts.
      spans.set(id, known.length > 0 ? known : [[checkpoint.zeroMs, next, next]])
    }
  }
  for (const { node } of matching.added) if (node instanceof StateNode) node.startAt(version)
  report(matching, checkpoint, logger)
  return { checkpoint, states, spans }
}

function report({ kept, added, dropped }: Matching<SavedOperator>, checkpoint: Checkpoint, logger: Logger): void {
  const names = (list: readonly { readonly id: string }[]): string => list.map(({ id }) => id).join(', ') || 'none'
  logger.info(`resuming from the checkpoint of batch ${checkpoint.timeMs} ms`, {
    pending: checkpoint.pending.length,
    kept: names(kept.map(({ operator }) => operator)),
    added: names(added),
    dropped: names(dropped),
  })
  const lost = dropped.filter(({ state, blocks }) => state !== undefined || blocks !== undefined)
  if (lost.length > 0) {
    logger.warn('the job no longer has operators whose state was saved: that state is dropped', {
      dropped: names(lost),
    })
  }
  for (const { operator, saved } of kept) {
    if (operator.id !== saved.id) logger.info(`${operator.id} goes on with what was saved of ${saved.id}`)
  }
}
