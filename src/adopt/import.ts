import type { Clock } from '../core/clock.ts'
import { FlumeError } from '../core/error.ts'
import type { Random } from '../core/random.ts'
import type { Disk } from '../storage/disk.ts'
import { EventLog } from '../storage/event-log.ts'
import { type ImportMark, readImportMark, writeImportMark } from '../storage/import-mark.ts'
import type { FlumeChannel } from './flume-channel.ts'

export interface ImportOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly flume: FlumeChannel
  /** Flume's directories, as they were given. */
  readonly from: readonly string[]
  /** Data directories of a channel of ours; Flume's own may be among them. */
  readonly to: readonly string[]
  /** Puts the events behind those that the channel holds; otherwise it must hold none. */
  readonly append: boolean
  /** Does it although the same logs were imported before. */
  readonly again: boolean
  readonly tell: (line: string) => void
}

const segmentBytesMax = 256 * 1024 * 1024
const freeBytesMin = 1024 * 1024
const tellEvery = 1_000_000

/**
 * Brings the events of Flume's channel into a channel of ours; resolves to how many it holds then. What was interrupted goes
 * on the next time: the order of the events does not change, so those that are there need only be counted.
 */
export async function importFlume(options: ImportOptions): Promise<{ readonly events: number; readonly held: number }> {
  const { disk, clock, random, flume, from, to, append, again, tell } = options
  const logs = flume.logs.map(({ name, bytes }) => ({ name, bytes }))
  const begun = await begunMark(options, logs)
  const nothing = () => undefined
  const log = await EventLog.open({
    disk,
    clock,
    random,
    report: { info: nothing, warn: nothing, error: tell },
    directories: to,
    checkpointDirectory: undefined,
    segmentBytesMax,
    freeBytesMin,
    syncEach: true,
    memoryBytesMax: 0,
    importing: true,
    onDamage: ({ path, offset, bytes, isEnd }) => {
      if (isEnd) return
      throw new FlumeError('INVALID_DATA', `${path}: ${bytes} bytes at ${offset} are damaged`, {
        hint: 'flume-ts channel repair sets the damage aside',
      })
    },
    onLost: nothing,
    onArrival: nothing,
  })
  try {
    const held = begun?.held ?? log.size
    if (!begun && held > 0 && !append) {
      throw new FlumeError('INVALID_STATE', `the channel in ${to.join(', ')} holds ${held} events`, {
        hint: again ? 'let it deliver them first, or add --append, too' : '--append puts the imported ones behind them',
      })
    }
    const mark: Omit<ImportMark, 'format'> = { state: 'begun', held, events: 0, from, to, logs }
    if (!begun) for (const directory of to) await writeImportMark(disk, directory, mark)
    let events = log.size - held
    if (events > 0) tell(`${events} events are there already; the import goes on behind them`)
    let skip = events
    for await (const batch of flume.batches()) {
      const rest = batch.slice(Math.min(skip, batch.count))
      skip -= batch.count - rest.count
      if (rest.count === 0) continue
      await log.put(rest, nothing)
      if (Math.floor((events + rest.count) / tellEvery) > Math.floor(events / tellEvery)) {
        tell(`${events + rest.count} of ${flume.size} events`)
      }
      events += rest.count
    }
    await log.sync()
    await flume.checkUnchanged()
    for (const directory of to) await writeImportMark(disk, directory, { ...mark, state: 'done', events })
    return { events, held: log.size }
  } finally {
    await log.close({ saveIndex: false })
  }
}

/** The mark of an import of the same logs that was interrupted. Rejects when another one was, or when they are there already. */
async function begunMark(
  { disk, to, again }: ImportOptions,
  logs: ImportMark['logs'],
): Promise<ImportMark | undefined> {
  const marks = await Promise.all(to.map((directory) => readImportMark(disk, directory)))
  const isSame = (mark: ImportMark): boolean => JSON.stringify(mark.logs) === JSON.stringify(logs)
  const begun = marks.find((mark) => mark?.state === 'begun')
  if (begun) {
    if (isSame(begun) && JSON.stringify(begun.to) === JSON.stringify(to)) return begun
    throw new FlumeError('INVALID_STATE', `another import into ${begun.to.join(', ')} was begun and not finished`, {
      hint: `it was from ${begun.from.join(', ')}${isSame(begun) ? '' : ', whose logs have changed since; remove the .flog files and flume-import.json of an import into new directories, and begin anew'}`,
    })
  }
  const done = marks.find((mark) => mark !== undefined && isSame(mark))
  if (done && !again) {
    throw new FlumeError('INVALID_STATE', `these logs were imported before, ${done.events} events`, {
      hint: 'nothing was done; --again imports them once more',
    })
  }
  return undefined
}
