import { once } from 'node:events'
import { open } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import { Command, CommanderError, Option } from 'commander'
import { systemClock } from '../core/clock.ts'
import { explain, FlumeError } from '../core/error.ts'
import { homePath } from '../core/home-path.ts'
import { escapeControls } from '../monitor/logger.ts'
import {
  type FileStatus,
  type FileSystem,
  FileSystemError,
  normalizePath,
  type OpenFile,
} from '../net/hdfs/file-system.ts'
import { endingNamed, FileFinisher } from '../net/hdfs/finish-file.ts'
import { openFileSystem } from '../net/hdfs/open.ts'
import { type OpenName, OpenNames } from '../storage/open-names.ts'
import { realDisk } from '../storage/real-disk.ts'
import { mountOf } from './mount.ts'
import type { Terminal, Verb } from './verb.ts'

interface Given {
  readonly mount: readonly string[]
  readonly client: 'native' | 'webhdfs' | undefined
  readonly webhdfsUrl: string | undefined
  readonly user: string | undefined
  readonly force: boolean
  readonly openFiles: string
  readonly timeout: number
}

interface Place {
  readonly fileSystem: FileSystem
  readonly path: string
}

const chunkBytes = 8 * 1024 * 1024
const recoveryPauseMs = 1000
/** A silent writer is taken for dead after a minute. */
const recoveryPatienceMs = 120_000

/** `flume-ts hdfs ls|cat|put|recover URL`: a look at a cluster with the same clients, users and configuration as the sink's. */
export const hdfs: Verb = async (argv, terminal) => {
  const command = hdfsCommand()
  try {
    command.parse([...argv], { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    if (thrown.code === 'commander.helpDisplayed') {
      terminal.stdout.write(command.helpInformation())
      return 0
    }
    throw new FlumeError('USAGE', thrown.message.replace(/^error: /, ''), { hint: 'flume-ts hdfs --help' })
  }
  const [what, url, file] = command.args as [string, string, string | undefined]
  const action = actions[what as 'ls']
  if (!action)
    throw new FlumeError('USAGE', `hdfs knows no "${what}"`, { hint: `use ${Object.keys(actions).join(', ')}` })
  if (file !== undefined && what !== 'put') throw new FlumeError('USAGE', `hdfs ${what} takes one address`)
  const given = command.opts<Given>()
  const place = openFileSystem(url, {
    mounts: new Map(given.mount.map(mountOf)),
    env: given.user === undefined ? terminal.env : { ...terminal.env, HADOOP_USER_NAME: given.user },
    clock: systemClock,
    timeoutMs: given.timeout * 1000,
    client: given.client,
    webHdfsUrl: given.webhdfsUrl,
  })
  try {
    await action({ ...place, path: place.path || '/' }, terminal, given, file)
  } finally {
    await place.fileSystem.close()
  }
  return 0
}

/** The command with its options, for parsing and for help. */
export function hdfsCommand(): Command {
  const many = (value: string, before: readonly string[]): readonly string[] => [...before, value]
  const seconds = (value: string): number => {
    if (!/^\d+$/.test(value)) throw new FlumeError('USAGE', `--timeout ${value} is not a number of seconds`)
    return Number(value)
  }
  return new Command('flume-ts hdfs')
    .description(
      'Looks into a file system as the HDFS sink sees it: lists a directory, prints a file, writes one (from FILE or the standard input), closes a file whose writer is gone, and on local disks and over WebHDFS finishes what a killed agent left below a directory.',
    )
    .argument('<action>', Object.keys(actions).join(', '))
    .argument('<url>', 'such as hdfs://namenode:8020/flume')
    .argument('[file]', 'what put sends; the standard input when left out')
    .exitOverride()
    .configureHelp({ optionDescription: ({ description }) => description })
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    .option('--mount <url=path>', 'serve an address from a local folder; repeatable', many, [])
    .addOption(new Option('--client <kind>', 'native or webhdfs, for hdfs: addresses').choices(['native', 'webhdfs']))
    .option('--webhdfs-url <url>', 'HTTP address of the name node')
    .option('--user <name>', 'whose rights are used; HADOOP_USER_NAME or the login when left out')
    .option('--force', 'put: replace a file; recover: take the file from a live writer too', false)
    .option(
      '--open-files <dir>',
      'recover: where agents of this machine note their files in use',
      '~/.flume/hdfs-open-files',
    )
    .option('--timeout <seconds>', 'longest time for one exchange', seconds, 30)
}

type Action = (place: Place, terminal: Terminal, given: Given, file: string | undefined) => Promise<void>

const actions: Readonly<Record<'ls' | 'cat' | 'put' | 'recover', Action>> = {
  ls: async ({ fileSystem, path }, { stdout }) => {
    const entries = await fileSystem.list(path)
    const width = Math.max(0, ...entries.map(({ sizeBytes }) => String(sizeBytes).length))
    for (const entry of entries) stdout.write(`${lineOf(entry, width)}\n`)
  },

  cat: async ({ fileSystem, path }, { stdout }) => {
    for (let offset = 0; ; ) {
      const chunk = await fileSystem.read(path, offset, chunkBytes)
      // The terminal's own stream takes bytes; a file need not be text.
      if (!(stdout as Writable).write(chunk)) await once(stdout as Writable, 'drain')
      if (chunk.length < chunkBytes) return
      offset += chunk.length
    }
  },

  put: async ({ fileSystem, path }, { stdout }, { force }, name) => {
    // Opened first: a missing FILE should not leave an empty one there.
    const handle = name === undefined ? undefined : await open(name)
    const input: Readable = handle?.createReadStream({ autoClose: false }) ?? process.stdin
    let bytes = 0
    let file: OpenFile | undefined
    try {
      file = await fileSystem.begin(path, [], { overwrite: force })
      for await (const chunk of input) {
        await file.write([chunk as Buffer])
        bytes += (chunk as Buffer).length
      }
      await file.close()
    } catch (error) {
      file?.abandon()
      throw error
    } finally {
      await handle?.close()
    }
    stdout.write(`${path}: ${bytes} bytes\n`)
  },

  recover: async ({ fileSystem, path }, terminal, given) => {
    const noted = await finishNoted(fileSystem, path, terminal, given)
    const status = await fileSystem.status(path)
    if (status?.kind === 'directory') {
      if (noted > 0) return
      throw new FileSystemError(
        'other',
        `no file below ${path} is noted in ${given.openFiles} as left by a killed agent`,
        {
          hint: 'name the file; --open-files names the agent’s hdfs.openFilesDir',
        },
      )
    }
    if (status || noted === 0) await closeFile(fileSystem, path, terminal, given)
  },
}

/** Gives what killed agents of this machine have left at this place its final name; resolves to how many files that were. */
async function finishNoted(
  fileSystem: FileSystem,
  path: string,
  { stdout, stderr }: Terminal,
  { openFiles, force }: Given,
): Promise<number> {
  if (fileSystem.hasLeases) return 0
  const asked = normalizePath(path)
  const isAsked = ({ name }: OpenName): boolean =>
    `${normalizePath(name)}/`.startsWith(asked === '/' ? '/' : `${asked}/`)
  const { claimed, alive, problems } = await OpenNames.claim(
    realDisk,
    homePath(openFiles),
    ({ place }, names) => place === fileSystem.address && names.some(isAsked),
  )
  const warn = (message: string): void => {
    stderr.write(`${escapeControls(message)}\n`)
  }
  for (const problem of problems) warn(explain(problem))
  const held = alive.find(({ name }) => normalizePath(name) === asked)
  if (held && !force) {
    throw new FileSystemError('leased', `${path} is being written by an agent that runs`, {
      hint: 'stop it first; --force takes the file from it',
    })
  }
  let files = 0
  try {
    for (const names of claimed) {
      const finisher = new FileFinisher(fileSystem, endingNamed(names.about.ending ?? ''), {
        clock: systemClock,
        log: { warn },
      })
      for (const { name, finalName } of names.names.filter(isAsked)) {
        files++
        const finished = await finisher.finish(name, finalName, new AbortController().signal)
        if (finished === 'held') throw new FileSystemError('leased', `${name} is still held by a writer`)
        await names.remove(name)
        const outcome =
          typeof finished === 'object'
            ? `is finished as ${finished.path}, ${finished.sizeBytes} bytes`
            : finished === 'removed'
              ? 'held nothing that was confirmed, and is removed'
              : 'is not there any more'
        stdout.write(`${escapeControls(name)} ${outcome}\n`)
      }
    }
  } finally {
    for (const names of claimed) await names.close()
  }
  return files
}

async function closeFile(fileSystem: FileSystem, path: string, { stdout }: Terminal, { force }: Given): Promise<void> {
  const untilMs = systemClock.monotonic() + recoveryPatienceMs
  while (!(await fileSystem.recover(path, { force }))) {
    if (systemClock.monotonic() > untilMs) {
      throw new FileSystemError(
        'leased',
        `${path} is still held by a writer, or data nodes of its last block are missing`,
        {
          hint: 'a live writer keeps its file unless --force is given',
        },
      )
    }
    await systemClock.sleep(recoveryPauseMs)
  }
  stdout.write(`${path} is closed, ${(await fileSystem.status(path))?.sizeBytes} bytes\n`)
}

function lineOf({ kind, path, sizeBytes, modifiedMs }: FileStatus, width: number): string {
  const time = new Date(modifiedMs).toISOString().slice(0, 19).replace('T', ' ')
  const size = kind === 'directory' ? '-' : String(sizeBytes)
  // Names come from elsewhere, and must not move the reader's cursor.
  return `${kind === 'directory' ? 'd' : '-'} ${size.padStart(width)} ${time} ${escapeControls(path)}`
}
