import { FlumeError } from '../core/error.ts'
import type { Random } from '../core/random.ts'
import { type Disk, readWhole, writeAtomically } from './disk.ts'
import { importCommand, readImportMark } from './import-mark.ts'

/*
 * Who belongs together, so that a disk that is not mounted, or a directory of another channel, is noticed before events
 * are missed:
 *
 *   <data directory>/directory.json        { "format": 1, "channel": ID, "directory": ID }
 *   <checkpoint directory>/channel.json    { "format": 1, "channel": ID, "directories": { ID: PATH, … } }
 *
 * Without the second one, the data directories are what they are; it is written anew.
 */
const format = 1
const directoryFile = 'directory.json'
const channelFile = 'channel.json'
const fileBytesMax = 1024 * 1024
/** Names of the files that real Flume keeps its events in. */
const flumeLog = /^log-\d+$/

interface DirectoryIdentity {
  readonly format: number
  readonly channel: string
  readonly directory: string
}

interface ChannelIdentity {
  readonly format: number
  readonly channel: string
  readonly directories: Readonly<Record<string, string>>
}

export interface IdentityOptions {
  readonly disk: Disk
  readonly random: Random
  readonly directories: readonly string[]
  readonly checkpointDirectory: string | undefined
  /** Flume's files may lie there, and an import that was begun goes on. */
  readonly importing?: boolean
}

/**
 * Sees to it that these directories are those of one log, all of them; new ones join it. Resolves to the ids of the
 * directories, by path; rejects INVALID_STATE when they are not.
 */
export async function prepareIdentity(options: IdentityOptions): Promise<ReadonlyMap<string, string>> {
  const { disk, random, directories, checkpointDirectory, importing = false } = options
  const found = new Map<string, DirectoryIdentity | undefined>()
  for (const directory of directories) {
    if (!importing) await refuseLeftovers(options, directory)
    found.set(directory, await read<DirectoryIdentity>(disk, `${directory}/${directoryFile}`))
  }
  const whole =
    checkpointDirectory === undefined
      ? undefined
      : await read<ChannelIdentity>(disk, `${checkpointDirectory}/${channelFile}`)
  const channel = commonChannel(found, checkpointDirectory, whole) ?? newId(random)
  const present = new Set([...found.values()].map((one) => one?.directory))
  for (const [id, path] of Object.entries(whole?.directories ?? {})) {
    if (present.has(id)) continue
    throw new FlumeError('INVALID_STATE', `the data directory ${path} of this channel is not there, or is empty`, {
      retry: true,
      hint: `is its disk mounted, and is it in dataDirs? To go on without the events in it, remove ${checkpointDirectory}/${channelFile}`,
    })
  }
  const ids: Record<string, string> = {}
  for (const [directory, identity] of found) {
    const id = identity?.directory ?? newId(random)
    if (!identity) await write(disk, directory, directoryFile, { format, channel, directory: id })
    ids[id] = directory
  }
  if (checkpointDirectory !== undefined && JSON.stringify(whole?.directories) !== JSON.stringify(ids)) {
    await write(disk, checkpointDirectory, channelFile, { format, channel, directories: ids })
  }
  return new Map(Object.entries(ids).map(([id, directory]) => [directory, id]))
}

/** Rejects when the directory is not the one with this id any more: its disk is away, and what is written there now would be missed when it comes back. */
export async function checkPlace(disk: Disk, directory: string, id: string): Promise<void> {
  const identity = await read<DirectoryIdentity>(disk, `${directory}/${directoryFile}`)
  if (identity?.directory === id) return
  const why = identity ? `belongs to another directory` : 'is not there'
  throw new FlumeError('IO', `${directory} is not what it was: its ${directoryFile} ${why}`, {
    retry: true,
    hint: 'is its disk still mounted?',
  })
}

/** Changes nothing; rejects when the directories are not those of one log. */
export async function checkIdentity(options: IdentityOptions): Promise<void> {
  const { disk, directories } = options
  const found = new Map<string, DirectoryIdentity | undefined>()
  for (const directory of directories) {
    const identity = await read<DirectoryIdentity>(disk, `${directory}/${directoryFile}`)
    const names = await disk.list(directory)
    if (!identity && !names.some(({ name }) => name.endsWith('.flog'))) {
      throw new FlumeError('INVALID_STATE', `${directory} is no data directory of a file channel`, {
        hint: 'give the directories that dataDirs names',
      })
    }
    found.set(directory, identity)
  }
  commonChannel(found, undefined, undefined)
}

function commonChannel(
  found: ReadonlyMap<string, DirectoryIdentity | undefined>,
  checkpointDirectory: string | undefined,
  whole: ChannelIdentity | undefined,
): string | undefined {
  const seen = new Map<string, string>()
  for (const [directory, identity] of found) if (identity) seen.set(identity.channel, directory)
  if (whole) seen.set(whole.channel, checkpointDirectory as string)
  const [one, other] = seen.values()
  if (other !== undefined) {
    throw new FlumeError('INVALID_STATE', `${one} and ${other} belong to different channels`, {
      hint: 'give each channel directories of its own, as they were before',
    })
  }
  return seen.keys().next().value
}

/** Events that real Flume left must not be passed over in silence, nor half of them be taken for all. */
async function refuseLeftovers(
  { disk, directories, checkpointDirectory }: IdentityOptions,
  directory: string,
): Promise<void> {
  const mark = await readImportMark(disk, directory)
  if (mark?.state === 'begun') {
    throw new FlumeError('INVALID_STATE', `the import of Apache Flume's events into ${directory} was not finished`, {
      hint: `it goes on where it was with: ${importCommand(mark.from, mark.to)}`,
    })
  }
  const imported = new Map(mark?.logs.map(({ name, bytes }) => [name, bytes]))
  const logs = (await disk.list(directory)).filter(({ name, sizeBytes }) => flumeLog.test(name) && sizeBytes > 0)
  const left = logs.find(({ name, sizeBytes }) => imported.get(name) !== sizeBytes)
  if (!left) return
  const from = [...(checkpointDirectory === undefined ? [] : [checkpointDirectory]), ...directories]
  const since = mark ? ' that were written since the import' : ''
  throw new FlumeError('INVALID_STATE', `${directory} holds files of Apache Flume${since}, such as ${left.name}`, {
    hint: `stop Flume, then bring in the events that are left in them with: ${importCommand(from, directories)}`,
  })
}

async function read<T extends { readonly format: number }>(disk: Disk, path: string): Promise<T | undefined> {
  const bytes = await readWhole(disk, path, fileBytesMax)
  if (!bytes) return undefined
  let value: T
  try {
    value = JSON.parse(bytes.toString('utf8')) as T
  } catch (cause) {
    throw new FlumeError('INVALID_DATA', `${path} is damaged`, {
      cause,
      hint: 'restore it, or remove it: it is written anew from the other directories',
    })
  }
  if (value.format === format) return value
  throw new FlumeError('UNSUPPORTED', `${path} is of format ${value.format}; this program knows ${format}`, {
    hint: 'a newer version wrote it',
  })
}

function write(disk: Disk, directory: string, name: string, value: object): Promise<void> {
  return writeAtomically(disk, directory, name, Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`))
}

function newId(random: Random): string {
  return Buffer.from(Array.from({ length: 8 }, () => Math.floor(random() * 256))).toString('hex')
}
