import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, CommanderError, Option } from 'commander'
import { type Credentials, isHttpAddress, withoutUser } from '../agent/config/http-text.ts'
import type { Mode } from '../agent/config/load.ts'
import { decodeProperties, parseProperties } from '../codec/properties.ts'
import { FlumeError } from '../core/error.ts'
import type { LogLevel } from '../monitor/logger.ts'
import { parseFlumeEnv } from './flume-env.ts'
import { mountOf } from './mount.ts'

/** What `flume-ts agent` was asked for. */
export interface AgentOptions {
  /** Undefined: the files' only agent. */
  readonly name: string | undefined
  /** Properties files and HTTP addresses in the order given; at least one. */
  readonly files: readonly string[]
  /** For the addresses among the files. */
  readonly credentials: Credentials | undefined
  /** Where a copy of the configuration that ran last is kept (C-33). */
  readonly backupDirectory: string | undefined
  readonly confDirectory: string | undefined
  /** `-Dkey=value`, the command line's before those of flume-env.sh. */
  readonly properties: ReadonlyMap<string, string>
  /** The environment, with what flume-env.sh exports. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Look for changes of the files while running. */
  readonly reload: boolean
  readonly pollIntervalMs: number
  /** Address prefix → local folder. */
  readonly mounts: ReadonlyMap<string, string>
  readonly mode: Mode
  /** False: nothing is read from the terminal. */
  readonly console: boolean
  /** Say what would run, and stop. */
  readonly dryRun: boolean
  /** From `-Dflume.root.logger=LEVEL,…`, as Flume's users set it; `info` otherwise. */
  readonly logLevel: LogLevel
  /** Options that were given and mean nothing here, one line each. */
  readonly warnings: readonly string[]
}

/** The answer to `--help`: nothing is to be run. */
export interface HelpWanted {
  readonly help: string
}

/**
 * Reads `flume-ts agent`'s arguments, every option of `flume-ng agent` included (L-01…L-07), and `<conf>/flume-env.sh`
 * where there is one (L-03). Rejects USAGE, for exit code 2.
 */
export async function readAgentOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  optionsFile = '/etc/flume/flume.opts',
): Promise<AgentOptions | HelpWanted> {
  const parsed = parseAgentOptions(await withOptionsFile(argv, optionsFile), env)
  if ('help' in parsed || parsed.confDirectory === undefined) return parsed
  const file = join(parsed.confDirectory, 'flume-env.sh')
  let script: string
  try {
    script = await readFile(file, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return parsed
    throw new FlumeError('USAGE', `${file} cannot be read: ${(thrown as Error).message}`, { cause: thrown })
  }
  const { exported, properties, warnings } = parseFlumeEnv(script, env, file)
  const merged = new Map([...properties, ...parsed.properties])
  return {
    ...parsed,
    env: { ...env, ...exported },
    properties: merged,
    logLevel: logLevelOf(merged),
    warnings: [...parsed.warnings, ...warnings],
  }
}

/**
 * The arguments with those of `flume.opts` before them (L-07): a properties file whose keys are names of options. An
 * option of the command line takes the place of the file's. Only Flume's own options count there.
 */
async function withOptionsFile(argv: readonly string[], file: string): Promise<readonly string[]> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch {
    // Flume: what cannot be read is not there.
    return argv
  }
  const command = agentCommand()
  const given = withLongNames(argv)
  const added: string[] = []
  for (const { key, value } of parseProperties(decodeProperties(bytes)).entries) {
    const name = withLongNames([`-${key}`])[0]
    const option = command.options.find(({ long, short }) => name === long || `-${key}` === short)
    if (!option?.long) throw new FlumeError('USAGE', `${file}: there is no option "${key}"`)
    const { long, short } = option
    const isGiven = given.some(
      (word) =>
        word === long || word.startsWith(`${long}=`) || (short && word.startsWith(short) && !word.startsWith('--')),
    )
    if (isGiven) continue
    // A switch without a value counts when its value is one of these, as for Flume's option parser.
    if (!option.required) {
      if (/^(yes|true|1)$/i.test(value.trim())) added.push(long)
    } else added.push(`${long}=${value.trim()}`)
  }
  return [...added, ...argv]
}

/** As `readAgentOptions`, without looking at any file. Throws USAGE. */
export function parseAgentOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): AgentOptions | HelpWanted {
  const command = agentCommand()
  try {
    command.parse(withLongNames(argv), { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    if (thrown.code === 'commander.helpDisplayed') return { help: command.helpInformation() }
    throw new FlumeError('USAGE', thrown.message.replace(/^error: /, ''), {
      hint: 'flume-ts agent --help lists the options',
    })
  }
  const given = command.opts<GivenOptions>()
  if (given.strict && given.lenient) throw new FlumeError('USAGE', '--strict and --lenient exclude each other')
  refuse(given)
  const files = [...given.confFile, ...given.confUri.map(fileOfUri)]
  if (files.length === 0) {
    throw new FlumeError('USAGE', 'no configuration file is given', { hint: 'name one with -f FILE' })
  }
  const properties = new Map([...given.property, ...given.D].map(propertyOf))
  return {
    name: given.name,
    files,
    credentials: credentialsOf(given),
    backupDirectory: given.backupDirectory,
    confDirectory: given.conf,
    properties,
    env,
    reload: given.reloadConf,
    // A server is asked less often than a file is looked at.
    pollIntervalMs: (given.pollInterval ?? (files.some(isHttpAddress) ? 300 : 30)) * 1000,
    mounts: new Map(given.mount.map(mountOf)),
    mode: given.strict ? 'strict' : given.lenient ? 'lenient' : 'normal',
    console: given.console,
    dryRun: given.dryrun,
    logLevel: logLevelOf(properties),
    warnings: meaningless.flatMap(([option, why]) =>
      given[option] === undefined || (given[option] as unknown[]).length === 0 ? [] : [why],
    ),
  }
}

interface GivenOptions {
  readonly name: string | undefined
  readonly confFile: readonly string[]
  readonly confUri: readonly string[]
  readonly conf: string | undefined
  readonly D: readonly string[]
  readonly property: readonly string[]
  readonly reloadConf: boolean
  readonly pollInterval: number | undefined
  readonly mount: readonly string[]
  readonly strict: boolean
  readonly lenient: boolean
  readonly console: boolean
  readonly dryrun: boolean
  readonly zkConnString: string | undefined
  readonly zkBasePath: string | undefined
  readonly classpath: string | undefined
  readonly pluginsPath: string | undefined
  readonly X: readonly string[]
  readonly jvm: readonly string[]
  readonly authProvider: string | undefined
  readonly confProvider: string | undefined
  readonly confUser: string | undefined
  readonly confPassword: string | undefined
  readonly backupDirectory: string | undefined
}

/** Options of Flume's launcher that are accepted and do nothing, with the line that says so. */
const meaningless: readonly (readonly [option: keyof GivenOptions, why: string])[] = [
  ['classpath', '--classpath is ignored: Java classes cannot be loaded; a type may name a module of your own'],
  ['pluginsPath', '--plugins-path is ignored: Java plug-ins cannot be loaded; a type may name a module of your own'],
  ['X', '-X… is ignored: there is no Java machine; NODE_OPTIONS=--max-old-space-size=MB limits the memory'],
  ['jvm', '-agentlib…, -agentpath… and -javaagent… are ignored: there is no Java machine'],
  ['zkBasePath', '--zkBasePath is ignored: configurations in ZooKeeper are not read'],
  ['authProvider', '--auth-provider is ignored: servers are asked with --conf-user and --conf-password'],
  ['confProvider', '--conf-provider is ignored: configurations are read from properties files and HTTP addresses only'],
]

/** The command with its options, for parsing and for help. */
export function agentCommand(): Command {
  const many = (value: string, before: readonly string[]): readonly string[] => [...before, value]
  return (
    new Command('flume-ts agent')
      .description('Runs an agent.')
      .exitOverride()
      .configureHelp({ optionDescription: ({ description }) => description })
      .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
      .option('-f, --conf-file <file>', 'properties file; repeatable, later ones win', many, [])
      .option('-u, --conf-uri <uri>', 'the same as a file: or http(s): address; repeatable', many, [])
      .option('-n, --name <name>', "the agent's name; may be left out when the file defines one agent")
      .option('-c, --conf <dir>', 'folder with flume-env.sh')
      .option('-D <key=value>', 'a system property, such as -Dflume.monitoring.type=http', many, [])
      // The launcher for Windows spells it so.
      .addOption(new Option('--property <key=value>').hideHelp().argParser<readonly string[]>(many).default([]))
      .option('--no-reload-conf', 'do not look for changes of the file')
      .option('-i, --poll-interval <seconds>', 'how often to look for changes; 30, or 300 over HTTP', wholeSeconds)
      .option('--mount <url=path>', 'serve an address from a local folder; repeatable', many, [])
      .option('--strict', 'take warnings for errors', false)
      .option('--lenient', 'leave out what is wrong and run the rest, as Flume does', false)
      .option('--no-console', 'do not read lines from the terminal')
      .option('-d, --dryrun', 'say what would run, and stop', false)
      .option('-z, --zkConnString <hosts>', 'refused: configurations in ZooKeeper are not read')
      .option('-p, --zkBasePath <path>', 'ignored')
      .option('-C, --classpath <path>', 'ignored: there are no Java classes')
      .option('--plugins-path <dirs>', 'ignored: there are no Java plug-ins')
      .option('-X <jvm>', 'ignored: there is no Java machine', many, [])
      .addOption(new Option('--jvm <option>').hideHelp().argParser<readonly string[]>(many).default([]))
      .option('-a, --auth-provider <class>', 'ignored')
      .option('--conf-provider <class>', 'ignored (also -prov)')
      .option('--conf-user <user>', 'for the HTTP server of --conf-uri (also -user)')
      .option('--conf-password <password>', 'for the HTTP server of --conf-uri (also -pwd)')
      .option('-b, --backup-directory <dir>', 'keep a copy of what runs, for a start when nothing can be read')
      .allowExcessArguments(false)
  )
}

/** Flume's option parser takes long names behind one dash (`-name`), and has short ones of several letters. */
function withLongNames(argv: readonly string[]): string[] {
  const aliases: Record<string, string> = {
    prov: 'conf-provider',
    user: 'conf-user',
    pwd: 'conf-password',
    help: 'help',
  }
  for (const { long } of agentCommand().options) if (long) aliases[long.slice(2)] = long.slice(2)
  return argv.map((argument) => {
    if (/^-(agentlib|agentpath|javaagent)/.test(argument)) return `--jvm=${argument}`
    const found = /^-([a-zA-Z][a-zA-Z-]+)(=.*)?$/.exec(argument)
    const long = found?.[1] !== undefined && Object.hasOwn(aliases, found[1]) ? aliases[found[1]] : undefined
    return long === undefined ? argument : `--${long}${found?.[2] ?? ''}`
  })
}

function refuse({ zkConnString }: GivenOptions): void {
  if (zkConnString === undefined) return
  throw new FlumeError('USAGE', 'configurations in ZooKeeper (-z) are not read', {
    hint: 'write it to a file, such as zkCli.sh -server HOSTS get /flume/AGENT > agent.properties, and give it with -f',
  })
}

function credentialsOf({ confUser, confPassword }: GivenOptions): Credentials | undefined {
  if (confUser === undefined && confPassword === undefined) return undefined
  return { user: confUser ?? '', password: confPassword ?? '' }
}

/** The file a `file:` address or a plain path names; an HTTP address as it is. */
function fileOfUri(uri: string): string {
  if (!/^[a-z][a-z0-9+.-]+:/i.test(uri)) return uri
  if (isHttpAddress(uri) && URL.canParse(uri)) return uri
  const hint = 'fetch it to a file and give that with -f'
  if (!uri.toLowerCase().startsWith('file:')) {
    throw new FlumeError('USAGE', `${withoutUser(uri)}: only file: and http(s): addresses are read`, { hint })
  }
  try {
    return fileURLToPath(uri)
  } catch (thrown) {
    throw new FlumeError('USAGE', `${uri} is no file: address`, { cause: thrown, hint })
  }
}

function propertyOf(setting: string): readonly [string, string] {
  const equals = setting.indexOf('=')
  const name = equals < 0 ? setting : setting.slice(0, equals)
  if (name === '') throw new FlumeError('USAGE', `-D${setting} names no property`, { hint: 'write -Dkey=value' })
  return [name, equals < 0 ? '' : setting.slice(equals + 1)]
}

function wholeSeconds(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) {
    throw new FlumeError('USAGE', `--poll-interval ${text} is not a whole number of seconds, 1 or more`)
  }
  return Number(text)
}

/** Log4j's levels, as far as they mean something here. */
const logLevels: ReadonlyMap<string, LogLevel> = new Map([
  ['ALL', 'debug'],
  ['TRACE', 'debug'],
  ['DEBUG', 'debug'],
  ['INFO', 'info'],
  ['WARN', 'warn'],
  ['ERROR', 'error'],
  ['FATAL', 'error'],
  ['OFF', 'silent'],
])

function logLevelOf(properties: ReadonlyMap<string, string>): LogLevel {
  const word = properties.get('flume.root.logger')?.split(',')[0]?.trim().toUpperCase() ?? ''
  return logLevels.get(word) ?? 'info'
}
