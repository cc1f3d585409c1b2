import { bytes, count, type Options, seconds } from '../../../spec/option.ts'
import type { OptionProblem } from '../../contract.ts'
import { type FileOptions, logOptions, problemsOfLog, problemsOfTransactions } from '../file/options.ts'
import type { MemoryOptions } from '../memory.ts'

const overflowCapacityDefault = 100_000_000

export const options = {
  memoryCapacity: count({
    default: 10_000,
    min: 0,
    doc: 'Most events held in memory, those lent to sinks included; 0: everything goes to the disk.',
  }),
  overflowCapacity: count({
    default: overflowCapacityDefault,
    min: 0,
    doc: 'Most events held on the disk; 0: nothing goes there, but what is there is delivered.',
  }),
  overflowTimeout: seconds({
    default: 3,
    min: 0,
    doc: 'How long a put waits for room in memory before the disk is used, and for room at all; and a take for an event.',
  }),
  overflowDeactivationThreshold: count({
    default: 5,
    min: 0,
    doc: 'Once the disk is used, puts that do not fit into memory go there at once, until a take leaves so much of memory free, in percent; above 100: from then on.',
  }),
  byteCapacity: bytes({
    optional: true,
    doc: 'Most bytes of bodies held in memory, in slots of avgEventSize; below one slot: no limit. Left out: 80 % of the heap limit.',
  }),
  byteCapacityBufferPercentage: count({
    default: 20,
    min: 0,
    max: 100,
    doc: 'Share of byteCapacity kept back for headers and bookkeeping.',
  }),
  avgEventSize: bytes({ default: 500, min: 1, doc: 'Size of the slots that bodies in memory are accounted in.' }),
  ...logOptions,
  capacity: count({ optional: true, doc: 'Has no effect, as in Flume: overflowCapacity is the capacity of the disk.' }),
  'keep-alive': seconds({ optional: true, doc: 'Has no effect, as in Flume: overflowTimeout says how long to wait.' }),
}
export type SpillableOptions = Options<typeof options>

/** Rules between options. */
export function problemsOf(given: SpillableOptions): readonly OptionProblem[] {
  const { memoryCapacity, transactionCapacity } = given
  const problems: OptionProblem[] = []
  if (memoryCapacity === 0 && given.overflowCapacity === 0) {
    problems.push({
      option: 'overflowCapacity',
      severity: 'warning',
      code: 'no-capacity',
      message: `cannot be 0 while memoryCapacity is 0, too; ${overflowCapacityDefault} is used, as in Flume`,
    })
  }
  for (const option of ['capacity', 'keep-alive'] as const) {
    if (given[option] === undefined) continue
    const instead = option === 'capacity' ? 'overflowCapacity' : 'overflowTimeout'
    problems.push({ option, severity: 'note', code: 'no-effect', message: `has no effect: ${instead} is read instead` })
  }
  // Flume's file channel, which lies below, is not configured then, and the channel is dropped.
  if (given.overflowCapacity > 0) {
    problems.push(...problemsOfTransactions(transactionCapacity, 'overflowCapacity', given.overflowCapacity))
  }
  return [...problems, ...problemsOfLog(given)]
}

/** Most events on the disk; Flume's answer to no capacity at all. */
export function overflowCapacityOf({ memoryCapacity, overflowCapacity }: SpillableOptions): number {
  return memoryCapacity === 0 && overflowCapacity === 0 ? overflowCapacityDefault : overflowCapacity
}

/** What the part in memory is made with. Puts and takes do not wait in it, but in the channel around it. */
export function memoryOptionsOf(given: SpillableOptions): MemoryOptions {
  return { ...given, capacity: given.memoryCapacity, 'keep-alive': given.overflowTimeout }
}

/** What the part on the disk is made with. */
export function fileOptionsOf(given: SpillableOptions): FileOptions {
  return { ...given, capacity: overflowCapacityOf(given), 'keep-alive': 0, byteCapacity: undefined }
}
