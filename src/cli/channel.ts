import { createReadStream, existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Command, CommanderError } from 'commander'
import type { FlumeChannel } from '../adopt/flume-channel.ts'
import { AvroContainerWriter, containerSyncBytes } from '../codec/avro/container.ts'
import { EventWriter, eventSchema } from '../codec/avro/events.ts'
import { systemClock } from '../core/clock.ts'
import { FlumeError } from '../core/error.ts'
import { BatchBuilder, type EventBatch } from '../core/event-batch.ts'
import { systemRandom } from '../core/random.ts'
import { escapeControls } from '../monitor/logger.ts'
import { EventLog } from '../storage/event-log.ts'
import { realDisk } from '../storage/real-disk.ts'
import { repairDirectory } from '../storage/repair.ts'
import type { Damage } from '../storage/segment-log.ts'
import { areFlumes, type FlumeGiven, importChannel, openFlume, verifyFlume } from './flume-channel.ts'
import type { Terminal, Verb } from './verb.ts'

const formats = ['json', 'text', 'avro'] as const

interface Given extends FlumeGiven {
  readonly n: string
  readonly format: string
  readonly input: string | undefined
}

type Action = (directories: readonly string[], given: Given, terminal: Terminal) => Promise<number>

/** `flume-ts channel WHAT DIR…`: looks into the file channel of a stopped agent. Only replay and repair change it. */
export const channel: Verb = async (argv, terminal) => {
  const command = channelCommand()
  try {
    command.parse([...argv], { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    if (thrown.code === 'commander.helpDisplayed') {
      terminal.stdout.write(command.helpInformation())
      return 0
    }
    throw usage(thrown.message.replace(/^error: /, ''))
  }
  const [what = '', ...places] = command.args
  const action = actions.get(what)
  if (!action && what !== 'import') throw usage(`there is no "channel ${what}"; there are ${whats.join(', ')}`)
  const given = command.opts<Given>()
  if (!formats.some((format) => format === given.format))
    throw usage(`the format is ${formats.slice(0, -1).join(', ')} or ${formats.at(-1)}`)
  if (!/^[1-9]\d{0,8}$/.test(given.n)) throw usage(`-n takes a number of events, not "${given.n}"`)
  const directories = await directoriesOf(places)
  if (!action) return importChannel(directories, given, terminal)
  if (places.length === 0) throw usage('no directory is given')
  if (await areFlumes(directories)) return lookIntoFlume(what, directories, given, terminal)
  return action(directories, given, terminal)
}

/** The command with its options, for parsing and for help. */
export function channelCommand(): Command {
  return new Command('flume-ts channel')
    .description(
      `Looks into the file channel of a stopped agent. DIR is its checkpointDir, or each of its dataDirs.

  inspect   what is in it, file by file
  peek      the oldest events, as lines of JSON
  verify    reads every byte; 1 when something is damaged
  export    all events that are held, oldest first
  replay    puts events of an export (JSON) behind those that are held
  repair    sets damaged records aside, each in a file of its own, so that the rest is whole
  import    brings in the events left in a channel of Apache Flume 1.3 to 1.11, which it leaves as it is;
            DIR is each data directory of the new channel, which may be those of the old one

inspect, peek, verify and export also look into a stopped channel of Apache Flume: DIR is then its checkpointDir and
each of its dataDirs.`,
    )
    .argument('<what>', whats.join(', '))
    .argument('[dir...]', 'directories of the channel')
    .exitOverride()
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    .option('-n <events>', 'how many events to peek at', '10')
    .option(
      '--format <format>',
      'of an export: json, one event a line; text, the bodies alone; avro, a container of events',
      'json',
    )
    .option('-i, --input <file>', 'what to replay; standard input when left out')
    .option<string[]>(
      '--from <dir>',
      "import: the old channel's checkpointDir and each of its dataDirs, one --from each",
      (value, before) => [...before, value],
      [],
    )
    .option('--dry-run', 'import: reads everything, tells what it would do, changes nothing', false)
    .option('--append', 'import: also into a channel that holds events, behind them', false)
    .option('--again', 'import: although these logs were imported before', false)
    .option('--skip-damaged', 'Apache Flume: leaves out what is damaged, and tells what that is', false)
    .option('--no-checkpoint', 'Apache Flume: reads all logs from their beginning; the checkpoint may be missing')
}

const actions: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['inspect', inspect],
  ['peek', (directories, { n }, { stdout }) => print(directories, Number(n), json, stdout)],
  ['verify', verify],
  ['export', (directories, given, { stdout }) => print(directories, Number.POSITIVE_INFINITY, formatOf(given), stdout)],
  ['replay', replay],
  ['repair', repair],
])

const whats = [...actions.keys(), 'import']

async function lookIntoFlume(
  what: string,
  directories: readonly string[],
  given: Given,
  terminal: Terminal,
): Promise<number> {
  const { stdout } = terminal
  if (what === 'replay' || what === 'repair') refuseFlume(directories)
  const flume = await openFlume(directories, given, terminal)
  if (what === 'inspect') stdout.write(`${flume.describe().map(escapeControls).join('\n')}\n`)
  if (what === 'verify') return verifyFlume(flume, stdout)
  if (what === 'peek') await printFlume(flume, Number(given.n), json, stdout)
  if (what === 'export') await printFlume(flume, Number.POSITIVE_INFINITY, formatOf(given), stdout)
  return flume.damaged > 0 ? 1 : 0
}

function refuseFlume(directories: readonly string[]): never {
  throw new FlumeError(
    'INVALID_STATE',
    `${directories.join(', ')} is a channel of Apache Flume, and is only looked at`,
    {
      hint: 'flume-ts channel import brings its events into a channel of ours; Flume has a fcintegritytool of its own',
    },
  )
}

async function printFlume(flume: FlumeChannel, max: number, format: Format, stdout: Terminal['stdout']): Promise<void> {
  await written(stdout, format.begin)
  let left = max
  for await (const batch of flume.batches()) {
    await written(stdout, format.encode(batch.slice(0, Math.min(left, batch.count))))
    left -= batch.count
    if (left <= 0) break
  }
}

/** `flume-ts tool fcintegritytool -l DIR,DIR`: Flume's name for `channel repair` (L-12). */
export const tool: Verb = async ([name, ...argv], terminal) => {
  if (name !== 'fcintegritytool') throw usage(`there is no tool "${name ?? ''}"; there is fcintegritytool`)
  const command = new Command('flume-ts tool fcintegritytool')
    .exitOverride()
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    .option('-l, --dataDirs <dirs>', 'the data directories, separated by commas')
    .option('-e, --eventValidator <class>', 'a class that judges events')
  try {
    command.parse([...argv], { from: 'user' })
  } catch (thrown) {
    throw usage(thrown instanceof Error ? thrown.message.replace(/^error: /, '') : String(thrown))
  }
  const { dataDirs, eventValidator } = command.opts<{ dataDirs?: string; eventValidator?: string }>()
  if (eventValidator !== undefined) throw usage('-e names a Java class, which cannot be run here')
  const directories = (dataDirs ?? '').split(',').filter((directory) => directory !== '')
  if (directories.length === 0) throw usage('-l names the data directories')
  const places = await directoriesOf(directories)
  if (await areFlumes(places)) refuseFlume(places)
  return repair(places, channelCommand().opts<Given>(), terminal)
}

/** The data directories: those named, or those that a checkpoint directory names. */
async function directoriesOf(places: readonly string[]): Promise<readonly string[]> {
  const directories: string[] = []
  for (const place of places) {
    const listed = await readFile(join(place, 'channel.json'), 'utf8').catch(() => undefined)
    if (listed === undefined) directories.push(resolve(place))
    else directories.push(...Object.values((JSON.parse(listed) as { directories: Record<string, string> }).directories))
  }
  return [...new Set(directories)]
}

interface Opened {
  readonly log: EventLog
  readonly damages: readonly Damage[]
}

async function opened<T>(
  directories: readonly string[],
  readOnly: boolean,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const damages: Damage[] = []
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
  for (const directory of directories) {
    if (!existsSync(directory)) throw new FlumeError('USAGE', `there is no directory ${directory}`)
  }
  const log = await EventLog.open({
    disk: realDisk,
    clock: systemClock,
    random: systemRandom,
    report: silent,
    directories,
    checkpointDirectory: undefined,
    segmentBytesMax: 256 * 1024 * 1024,
    freeBytesMin: 0,
    syncEach: true,
    memoryBytesMax: 0,
    readOnly,
    onDamage: (damage) => damages.push(damage),
    onLost: () => undefined,
    onArrival: () => undefined,
  }).catch((error: unknown) => {
    if (!(error instanceof FlumeError && error.code === 'INVALID_STATE' && error.retry)) throw error
    const hint = 'stop the agent that has it, or look at a copy'
    throw new FlumeError(error.code, error.message, { hint, cause: error })
  })
  try {
    return await use({ log, damages })
  } finally {
    await log.close({ saveIndex: false })
  }
}

function inspect(directories: readonly string[], _given: Given, { stdout }: Terminal): Promise<number> {
  return opened(directories, true, async ({ log, damages }) => {
    const held =
      log.size === 0
        ? 'no events are held'
        : `${counted(log.size, 'event')} held; the oldest has number ${log.gone.floor}`
    const lines = [`${held}, the next will have number ${log.next}`]
    for (const { directory, segments } of log.logs) {
      lines.push(`${directory}: ${counted(segments.length, 'file')}`)
      for (const { name, length, events, end, isDamaged } of segments) {
        const state = end <= log.gone.floor ? 'all delivered' : `up to number ${end - 1}`
        lines.push(`  ${name}  ${length} bytes, ${counted(events, 'event')}, ${state}${isDamaged ? ', DAMAGED' : ''}`)
      }
    }
    lines.push(...damages.map(describeDamage))
    stdout.write(`${lines.join('\n')}\n`)
    return 0
  })
}

function verify(directories: readonly string[], _given: Given, { stdout }: Terminal): Promise<number> {
  return opened(directories, true, async ({ log, damages }) => {
    const damaged = damages.filter(({ isEnd }) => !isEnd).length
    const ends = damages.length - damaged
    const files = log.logs.reduce((sum, { segments }) => sum + segments.length, 0)
    for (const damage of damages) stdout.write(`${describeDamage(damage)}\n`)
    stdout.write(
      `${counted(files, 'file')} read, ${counted(log.size, 'event')} held, ${counted(damaged, 'damaged record')}\n`,
    )
    if (ends > 0) {
      stdout.write(
        `${counted(ends, 'file')} with an unfinished end: after a crash, that is what was never acknowledged; after an orderly stop, it is damage\n`,
      )
    }
    if (damaged > 0) stdout.write('the agent starts as it is and delivers the rest; repair sets the damage aside\n')
    return damaged > 0 ? 1 : 0
  })
}

function describeDamage({ path, offset, bytes, events, isEnd }: Damage): string {
  const which = !events
    ? 'which events is not known'
    : events.to - events.from === 1
      ? `event ${events.from}`
      : `events ${events.from} to ${events.to - 1}`
  return isEnd
    ? `${path}: the last ${bytes} bytes, at ${offset}, are no whole record (${which}): cut off by a crash before they were acknowledged, or damaged`
    : `${path}: ${bytes} bytes at ${offset} are damaged (${which})`
}

function print(
  directories: readonly string[],
  max: number,
  format: Format,
  stdout: Terminal['stdout'],
): Promise<number> {
  return opened(directories, true, async ({ log }) => {
    await written(stdout, format.begin)
    for (let left = max; left > 0; ) {
      const slices = await log.lend(Math.min(left, 1000))
      if (slices.length === 0) break
      for (const { batch } of slices) {
        await written(stdout, format.encode(batch))
        left -= batch.count
      }
    }
    return 0
  })
}

/** A pipe takes what it can: nothing piles up here. */
async function written(stdout: Terminal['stdout'], text: string | Uint8Array): Promise<void> {
  if (text.length === 0 || stdout.write(text) !== false || !('once' in stdout)) return
  await new Promise<void>((resolve) => (stdout as NodeJS.WriteStream).once('drain', resolve))
}

function jsonOf(batch: EventBatch): string {
  let lines = ''
  for (const { headers, body } of batch.events()) {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    const text = bytes.toString('utf8')
    const isText = Buffer.from(text).equals(bytes)
    lines += `${JSON.stringify(isText ? { headers, body: text } : { headers, base64: bytes.toString('base64') })}\n`
  }
  return lines
}

/** How events are written down. */
interface Format {
  readonly begin: string | Uint8Array
  readonly encode: (batch: EventBatch) => string | Uint8Array
}

const json: Format = { begin: '', encode: jsonOf }

function formatOf({ format }: Given): Format {
  if (format === 'avro') return avro()
  return format === 'text' ? { begin: '', encode: textOf } : json
}

/** A container with Flume's schema of an event, as the serializer avro_event writes it. */
function avro(): Format {
  const sync = Uint8Array.from({ length: containerSyncBytes }, () => Math.floor(systemRandom() * 256))
  const container = new AvroContainerWriter({ schema: eventSchema, codec: 'null', sync })
  return {
    begin: container.header(),
    encode: (batch) => {
      const events = new EventWriter(batch)
      return container.blocks(batch.count, (writer, index) => events.write(writer, index))
    },
  }
}

function textOf(batch: EventBatch): string {
  let lines = ''
  for (const { body } of batch.events()) lines += `${Buffer.from(body).toString('utf8')}\n`
  return lines
}

const replayBatchCount = 500

/** Everything is put behind what is held, in transactions of some hundred events. */
function replay(directories: readonly string[], { input }: Given, { stdout }: Terminal): Promise<number> {
  return opened(directories, false, async ({ log }) => {
    const lines = createInterface({ input: input === undefined ? process.stdin : createReadStream(input) })
    const builder = new BatchBuilder()
    let number = 0
    let kept = 0
    const put = async (): Promise<void> => {
      const batch = builder.build()
      await log.put(batch, () => undefined)
      kept += batch.count
    }
    for await (const line of lines) {
      number++
      if (line.trim() === '') continue
      const event = eventOf(line)
      if (!event) {
        throw new FlumeError('INVALID_DATA', `line ${number} is no exported event; ${kept} events were put before it`, {
          hint: 'a line is {"headers":{…},"body":"…"} or {"headers":{…},"base64":"…"}; give only the rest the next time',
        })
      }
      builder.add(event.body, event.headers)
      if (builder.count === replayBatchCount) await put()
    }
    if (builder.count > 0) await put()
    stdout.write(`${kept} events were put into the channel; it holds ${log.size} now\n`)
    return 0
  })
}

function eventOf(line: string): { readonly headers: Record<string, string>; readonly body: Buffer } | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { headers = {}, body, base64 } = value as { headers?: unknown; body?: unknown; base64?: unknown }
  if (typeof headers !== 'object' || headers === null) return undefined
  if (!Object.values(headers).every((text) => typeof text === 'string')) return undefined
  if (typeof body === 'string') return { headers: headers as Record<string, string>, body: Buffer.from(body) }
  if (typeof base64 !== 'string') return undefined
  return { headers: headers as Record<string, string>, body: Buffer.from(base64, 'base64') }
}

/** The lock keeps an agent out for as long as it takes; a look first, so that a wrong directory is noticed before anything is made. */
async function repair(directories: readonly string[], _given: Given, { stdout }: Terminal): Promise<number> {
  await opened(directories, true, async () => undefined)
  let count = 0
  for (const directory of directories) {
    const lock = await realDisk.lock(join(directory, 'in_use.lock'))
    if (!lock) throw new FlumeError('INVALID_STATE', `${directory} is in use`, { hint: 'stop the agent first' })
    try {
      for (const { damage, keptAs } of await repairDirectory(realDisk, directory)) {
        stdout.write(
          `${escapeControls(describeDamage(damage))}${keptAs === undefined ? ', left as it is' : `, kept as ${keptAs}`}\n`,
        )
        if (keptAs !== undefined) count++
      }
    } finally {
      await lock.release()
    }
  }
  stdout.write(
    count === 0 ? 'nothing is damaged\n' : `${counted(count, 'damaged record')} set aside; the rest is whole\n`,
  )
  return 0
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function usage(message: string): FlumeError {
  return new FlumeError('USAGE', message, { hint: 'flume-ts channel --help' })
}
