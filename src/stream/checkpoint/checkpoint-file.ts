/*
 * A checkpoint: where a job stands, without its code.
 *
 *   file := `flume-ts checkpoint 1 <crc32 of the JSON, hexadecimal>\n` JSON
 *
 * - Named `checkpoint-<time of the newest batch>`; the one before it with the same time becomes `….bk` (B131).
 * - It has its name only when it is whole, and what it names (state files, block logs) is on disk before it.
 * - One that names new state is synced; what older ones need is deleted only after such a one. So a process that is
 *   killed loses nothing, and a machine that loses power goes on from a somewhat older batch.
 * - The newest ten are kept.
 */
import { crc32 } from 'node:zlib'
import { FlumeError } from '../../core/error.ts'
import type { StateRange } from '../state/state-files.ts'
import type { CheckpointFolder } from './folder.ts'

const magic = 'flume-ts checkpoint 1'
/** Checkpoints kept, newest first. */
export const checkpointsKept = 10

/** The blocks of one batch: numbers from `from` up to, not including, `to`. */
export type BlockSpan = readonly [timeMs: number, from: number, to: number]

export interface SavedOperator {
  readonly id: string
  readonly kind: string
  readonly state?: StateRange
  /** What an input needs to give its batches again. */
  readonly batches?: unknown
  /** A receiver's blocks in the write-ahead log: which batch has which, and the first that no batch has. */
  readonly blocks?: { readonly next: number; readonly spans: readonly BlockSpan[] }
}

export interface Checkpoint {
  readonly appName: string
  readonly batchMs: number
  /** The batch before the first. */
  readonly zeroMs: number
  /** The newest batch. */
  readonly timeMs: number
  /** The batch whose state is saved: every batch up to it is complete. */
  readonly stateMs: number
  /** Batches that are not complete, oldest first. */
  readonly pending: readonly number[]
  /** Batches whose received records are in no log. */
  readonly unlogged: readonly number[]
  readonly operators: readonly SavedOperator[]
}

function encode(checkpoint: Checkpoint): string {
  const json = JSON.stringify(checkpoint)
  return `${magic} ${crc32(json).toString(16)}\n${json}`
}

/** The checkpoints of a job that runs. */
export class CheckpointFiles {
  readonly #folder: CheckpointFolder
  /** What is there, newest first; undefined until somebody has looked. */
  #names: string[] | undefined

  constructor(folder: CheckpointFolder) {
    this.#folder = folder
  }

  /** Resolves when other processes see it and, with `sync`, when it is on disk. `again`: an earlier try may have done a part of it. */
  async write(checkpoint: Checkpoint, sync: boolean, again = false): Promise<void> {
    this.#names ??= (await listCheckpoints(this.#folder)).map(({ name }) => name)
    const name = `checkpoint-${checkpoint.timeMs}`
    const backup = `${name}.bk`
    const isKnown = this.#names.includes(name)
    const keepAs = isKnown || again ? { keepAs: backup } : {}
    await this.#folder.write(name, { sync, ...keepAs }, (write) => write(Buffer.from(encode(checkpoint))))
    const others = this.#names.filter((one) => one !== name && one !== backup)
    this.#names = [name, ...(isKnown || this.#names.includes(backup) ? [backup] : []), ...others]
  }

  /** Deletes those that are not kept any longer. */
  async trim(): Promise<void> {
    while (this.#names && this.#names.length > checkpointsKept) {
      await this.#folder.remove(this.#names.at(-1) as string)
      this.#names.pop()
    }
  }
}

/** The checkpoints in a folder, newest first, each before its backup (B132). */
export async function listCheckpoints(
  folder: CheckpointFolder,
): Promise<{ readonly name: string; readonly timeMs: number }[]> {
  return (await folder.names())
    .map((name) => ({ name, found: /^checkpoint-(\d+)(\.bk)?$/.exec(name) }))
    .filter(({ found }) => found !== null)
    .map(({ name, found }) => ({ name, timeMs: Number(found?.[1]) }))
    .sort((a, b) => b.timeMs - a.timeMs || a.name.length - b.name.length)
}

/** Rejects INVALID_DATA when the file is no checkpoint or is damaged. */
export async function readCheckpoint(folder: CheckpointFolder, name: string): Promise<Checkpoint> {
  const path = folder.pathOf(name)
  const chunks: Uint8Array[] = []
  for await (const chunk of folder.read(name)) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  const end = text.indexOf('\n')
  const [, sum] = /^flume-ts checkpoint 1 ([0-9a-f]+)$/.exec(text.slice(0, Math.max(0, end))) ?? []
  const json = text.slice(end + 1)
  if (sum === undefined) throw new FlumeError('INVALID_DATA', `${path} is no checkpoint of flume-ts`)
  if (crc32(json) !== Number.parseInt(sum, 16))
    throw new FlumeError('INVALID_DATA', `${path} is damaged: its sum is wrong`)
  return JSON.parse(json) as Checkpoint
}
