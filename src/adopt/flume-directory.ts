import {
  checkpointHeadBytes,
  type FlumeLogMeta,
  type InFlight,
  pointerAt,
  readCheckpointHead,
  readCheckpointMeta,
  readInFlight,
  readLogMeta,
} from '../codec/flume-log/meta.ts'
import { asError, FlumeError } from '../core/error.ts'
import { type Disk, readWhole } from '../storage/disk.ts'
import { type FlumePointers, PointerList } from './pointers.ts'

/** A log file of real Flume's. */
export interface FlumeLog {
  readonly path: string
  readonly name: string
  readonly directory: string
  readonly file: number
  readonly bytes: number
  readonly meta: FlumeLogMeta
}

/** What Flume's queue held when it last wrote it down. */
export interface FlumeCheckpoint {
  readonly path: string
  readonly order: number
  /** Committed events that nobody had taken, oldest first. */
  readonly queue: FlumePointers
  readonly puts: readonly InFlight[]
  readonly takes: readonly InFlight[]
}

/** The directories of one file channel of real Flume's, sorted by what is in them. */
export interface FlumeDirectories {
  readonly dataDirectories: readonly string[]
  readonly checkpointDirectories: readonly string[]
  /** By number. */
  readonly logs: ReadonlyMap<number, FlumeLog>
}

const logName = /^log-(\d{1,10})$/
const metaBytesMax = 64 * 1024
/** Flume keeps eight bytes for each event that a transaction has in flight. */
const inFlightBytesMax = 256 * 1024 * 1024
const ringPieceBytes = 1024 * 1024
/** Flume's ceiling, from which it numbers the bytes of a log in 31 bits. */
const logBytesMax = 2 ** 31

/** Finds logs and checkpoints. Rejects when a directory has neither, when a log is encrypted or too old, or one number is there twice. */
export async function findFlumeFiles(disk: Disk, directories: readonly string[]): Promise<FlumeDirectories> {
  const dataDirectories: string[] = []
  const checkpointDirectories: string[] = []
  const logs = new Map<number, FlumeLog>()
  for (const directory of directories) {
    const entries = await disk.list(directory)
    const names = new Set(entries.map(({ name }) => name))
    let isData = false
    for (const { name, sizeBytes } of entries) {
      const file = Number(logName.exec(name)?.[1] ?? 0)
      if (file === 0) continue
      isData = true
      const meta = await metaOf(disk, directory, name, names, sizeBytes)
      if (!meta) continue
      const path = `${directory}/${name}`
      const other = logs.get(file)
      if (other) {
        throw new FlumeError('INVALID_STATE', `${other.path} and ${path} have the same number`, {
          hint: 'these are directories of two channels; import one after the other',
        })
      }
      if (meta.file !== file) throw damaged(`${path}.meta`, `it is of log-${meta.file}`)
      if (meta.encryption) {
        const { cipher, keyAlias } = meta.encryption
        throw new FlumeError('UNSUPPORTED', `${path} is encrypted (cipher ${cipher}, key ${keyAlias})`, {
          hint: 'encrypted logs are not read: let Flume deliver what is in them, by an avro sink to an avro source of the new agent for example',
        })
      }
      if (sizeBytes > logBytesMax) throw damaged(path, `${sizeBytes} bytes are more than Flume writes into one log`)
      logs.set(file, { path, name, directory, file, bytes: sizeBytes, meta })
    }
    if (isData) dataDirectories.push(directory)
    if (names.has('checkpoint') || names.has('checkpoint.meta') || names.has('backupComplete')) {
      checkpointDirectories.push(directory)
    } else if (!isData) {
      throw new FlumeError('INVALID_STATE', `${directory} holds no files of a file channel of Apache Flume`, {
        hint: 'give the directories that checkpointDir and dataDirs of the old agent name',
      })
    }
  }
  if (logs.size === 0) {
    throw new FlumeError('INVALID_STATE', `there is no log in ${directories.join(', ')}`, {
      hint: 'give the directories that dataDirs names, too',
    })
  }
  return { dataDirectories, checkpointDirectories, logs }
}

/** Whether Flume's logs lie there. */
export async function isFlumeDirectory(disk: Disk, directory: string): Promise<boolean> {
  return (await disk.list(directory)).some(
    ({ name, sizeBytes }) => (logName.test(name) && sizeBytes > 0) || name === 'checkpoint.meta',
  )
}

async function metaOf(
  disk: Disk,
  directory: string,
  name: string,
  names: ReadonlySet<string>,
  sizeBytes: number,
): Promise<FlumeLogMeta | undefined> {
  // The others are there when a rename was interrupted (FLUME-1699); Flume looks for them in this order, too.
  const found = [`${name}.meta`, `${name}.meta.tmp`, `${name}.tmp`, `${name}.meta.old`].find((each) => names.has(each))
  const path = `${directory}/${found ?? name}`
  const bytes = found === undefined ? undefined : await readWhole(disk, path, metaBytesMax)
  if (!bytes || bytes.length === 0) {
    // Made, and nothing written yet.
    if (sizeBytes === 0) return undefined
    if (bytes) throw damaged(path, 'it is empty')
    throw new FlumeError('UNSUPPORTED', `${path} has no ${name}.meta: it is of Flume 1.2, or that file was lost`, {
      hint: 'only the format of Flume 1.3 to 1.11 is read; start Flume 1.9 once with an idle configuration, it reads both',
    })
  }
  try {
    return readLogMeta(bytes)
  } catch (error) {
    throw damaged(path, asError(error).message, error)
  }
}

/** Reads a checkpoint, or rejects with why it is none to start from: INVALID_DATA. */
export async function readCheckpoint(
  disk: Disk,
  directory: string,
  logs: ReadonlyMap<number, FlumeLog>,
): Promise<FlumeCheckpoint> {
  const path = `${directory}/checkpoint`
  const metaBytes = await readWhole(disk, `${path}.meta`, metaBytesMax + 12 * 1024 * 1024)
  if (!metaBytes || metaBytes.length === 0) throw damaged(`${path}.meta`, 'there is none, or it is empty')
  const meta = explained(`${path}.meta`, () => readCheckpointMeta(metaBytes))
  const fileBytes = (await disk.list(directory)).find(({ name }) => name === 'checkpoint')?.sizeBytes
  if (fileBytes === undefined) throw damaged(path, 'there is none')
  const file = await disk.openToRead(path)
  try {
    const bytes = Buffer.alloc(checkpointHeadBytes)
    const read = await file.read(bytes, 0)
    const head = explained(path, () => readCheckpointHead(bytes.subarray(0, read), fileBytes))
    if (head.order !== meta.order) throw damaged(path, `its order is ${head.order}, that of its metadata ${meta.order}`)
    if (meta.size > head.capacity || meta.head >= head.capacity) {
      throw damaged(path, `${meta.size} events from ${meta.head} on do not fit its ring of ${head.capacity}`)
    }
    const queue = new PointerList()
    for (let at = meta.head, left = meta.size; left > 0; ) {
      const count = Math.min(left, head.capacity - at, ringPieceBytes / 8)
      const piece = Buffer.allocUnsafe(8 * count)
      const got = await file.read(piece, checkpointHeadBytes + 8 * at)
      if (got < piece.length) throw damaged(path, 'it ends too early')
      for (let i = 0; i < count; i++) {
        const pointer = pointerAt(piece, i)
        checkPointer(path, pointer, logs)
        queue.push(pointer.file, pointer.offset)
      }
      left -= count
      at = (at + count) % head.capacity
    }
    const puts = await inFlight(disk, `${directory}/inflightputs`, logs)
    const takes = await inFlight(disk, `${directory}/inflighttakes`, logs)
    return { path, order: meta.order, queue, puts, takes }
  } finally {
    await file.close()
  }
}

async function inFlight(disk: Disk, path: string, logs: ReadonlyMap<number, FlumeLog>): Promise<readonly InFlight[]> {
  const bytes = (await readWhole(disk, path, inFlightBytesMax)) ?? Buffer.alloc(0)
  const transactions = explained(path, () => readInFlight(bytes))
  for (const { pointers } of transactions) for (const pointer of pointers) checkPointer(path, pointer, logs)
  return transactions
}

/** A queue that names a log which is not there was given without one of its data directories: that is no reason to do without the queue. */
function checkPointer(
  path: string,
  { file, offset }: { readonly file: number; readonly offset: number },
  logs: ReadonlyMap<number, FlumeLog>,
): void {
  const log = logs.get(file)
  if (log && offset >= 0 && offset < log.bytes) return
  if (log || file <= 0) throw damaged(path, `it names an event at ${offset} of log-${file}`)
  throw new FlumeError('INVALID_STATE', `${path} names events in log-${file}, which is not there`, {
    hint: 'give every directory that dataDirs of the old agent names',
  })
}

function explained<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw damaged(path, asError(error).message, error)
  }
}

function damaged(path: string, problem: string, cause?: unknown): FlumeError {
  return new FlumeError('INVALID_DATA', `${path} cannot be used: ${problem}`, { cause })
}
