import { bytes, count, flag, millis, type Options, prefix, seconds, text } from '../../../spec/option.ts'
import type { OptionProblem } from '../../contract.ts'

/** Flume's default and ceiling; the log here rolls earlier by default, so that room comes back sooner. */
const fileBytesCeiling = 1623195647
const mebibyte = 1024 * 1024

const places = {
  checkpointDir: text({
    default: '~/.flume/file-channel/checkpoint',
    doc: 'Where what makes a start quick is kept, and which data directories there are. Losing it costs time, no events.',
  }),
  dataDirs: text({
    default: '~/.flume/file-channel/data',
    doc: 'Directories of the log, separated by commas; several on several disks are used at the same time.',
  }),
}

const transactions = {
  transactionCapacity: count({ default: 10_000, min: 1, doc: 'Most events of one put or take.' }),
}

const writing = {
  maxFileSize: bytes({
    default: 256 * mebibyte,
    min: 64 * 1024,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'Size at which a new log file is begun. A file is removed when all its events are delivered.',
  }),
  minimumRequiredSpace: bytes({
    default: 524_288_000,
    min: 0,
    doc: 'Puts are refused when a data directory has less free space than this, 1 MiB at least; takes go on.',
  }),
  fsyncPerTransaction: flag({
    default: true,
    doc: 'A put is answered when it is on the disk for good; a take when it is written, which is made sure of within 20 ms. False: both when they are written.',
  }),
  fsyncInterval: seconds({
    default: 5,
    min: 1,
    doc: 'How often everything is made sure of on the disk when fsyncPerTransaction is false.',
  }),
  checkpointInterval: millis({
    default: 30_000,
    min: 1,
    doc: 'How often, once a second at most, it is noted how far the newest log file has been read, which a start after a crash need not read again.',
  }),
  checkpointOnClose: flag({ default: true, doc: 'Do so when the channel stops, too.' }),
  useDualCheckpoints: text({ optional: true, doc: 'Has no effect: the log alone is enough to start from.' }),
  backupCheckpointDir: text({ optional: true, doc: 'Has no effect, see useDualCheckpoints.' }),
  compressBackupCheckpoint: text({ optional: true, doc: 'Has no effect, see useDualCheckpoints.' }),
  'use-log-replay-v1': text({ optional: true, doc: 'Has no effect: there is one way to read the log.' }),
  'use-fast-replay': text({ optional: true, doc: 'Has no effect: there is one way to read the log.' }),
  'encryption.': prefix({ doc: 'Encryption is not there yet: any key below is an error.', secret: true }),
}

/** How events are kept on disk, whatever their number. */
export const logOptions = { ...places, ...transactions, ...writing }

export const options = {
  ...places,
  capacity: count({ default: 1_000_000, min: 1, doc: 'Most events held, those lent to sinks included.' }),
  ...transactions,
  byteCapacity: bytes({
    optional: true,
    doc: 'Most bytes of bodies held, in slots of 100; below one slot, or left out: no limit. Not in Flume.',
  }),
  byteCapacityBufferPercentage: count({
    default: 20,
    min: 0,
    max: 100,
    doc: 'Share of byteCapacity kept back for headers and bookkeeping.',
  }),
  'keep-alive': seconds({ default: 3, min: 0, doc: 'How long a put waits for room and a take for an event.' }),
  ...writing,
}
/** Flume's own floors: lower values are raised to them. */
export const freeBytesFloor = mebibyte
export const checkpointIntervalFloorMs = 1000
export type FileOptions = Options<typeof options>
export type LogOptions = Options<typeof logOptions>

const withoutEffect = [
  ['useDualCheckpoints', 'a damaged checkpoint costs time here, no events, so there is no second one'],
  ['backupCheckpointDir', 'a damaged checkpoint costs time here, no events, so there is no second one'],
  ['compressBackupCheckpoint', 'a damaged checkpoint costs time here, no events, so there is no second one'],
  ['use-log-replay-v1', 'there is one way to read the log'],
  ['use-fast-replay', 'there is one way to read the log, and it is fast'],
] as const

/** Rules between options. */
export function problemsOf(given: FileOptions): readonly OptionProblem[] {
  return [...problemsOfTransactions(given.transactionCapacity, 'capacity', given.capacity), ...problemsOfLog(given)]
}

/** A transaction that could never fit. */
export function problemsOfTransactions(most: number, option: string, capacity: number): readonly OptionProblem[] {
  if (most <= capacity) return []
  return [
    {
      option: 'transactionCapacity',
      code: 'transaction-capacity',
      message: `${most} is more than the ${option} of ${capacity}`,
      hint: `raise ${option} or lower transactionCapacity`,
    },
  ]
}

export function problemsOfLog(given: LogOptions): readonly OptionProblem[] {
  const problems: OptionProblem[] = []
  const { maxFileSize } = given
  const encryption = Object.keys(given['encryption.'])
  if (encryption.length > 0) {
    problems.push({
      option: `encryption.${encryption[0]}`,
      code: 'not-yet',
      message: 'the file channel does not encrypt yet; events would lie on the disk in plain text',
      hint: 'leave encryption out and put the data directories on an encrypted disk',
    })
  }
  if (maxFileSize > fileBytesCeiling) {
    problems.push({
      option: 'maxFileSize',
      severity: 'note',
      code: 'above-ceiling',
      message: `${maxFileSize} is above Flume's ceiling of ${fileBytesCeiling} bytes; here it holds as it is`,
    })
  }
  for (const [option, why] of withoutEffect) {
    if (given[option] === undefined || given[option].toLowerCase() === 'false') continue
    problems.push({ option, severity: 'note', code: 'no-effect', message: `has no effect: ${why}` })
  }
  if (!given.dataDirs.split(',').some((path) => path.trim() !== '')) {
    problems.push({ option: 'dataDirs', code: 'missing', message: 'names no directory' })
  }
  return problems
}
