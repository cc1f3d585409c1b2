import type { LoadedAgent } from '../agent/config/load.ts'
import { ConfigSource } from '../agent/config/source.ts'
import { Agent } from '../agent/runtime/agent.ts'
import { describeFlows, describeSummary } from '../agent/runtime/flows.ts'
import { systemClock } from '../core/clock.ts'
import { explain } from '../core/error.ts'
import { closingLines } from '../monitor/flume-metrics.ts'
import { createLogger, escapeControls, type Logger } from '../monitor/logger.ts'
import type { AgentSnapshot } from '../monitor/snapshot.ts'
import { formatFinding } from '../spec/finding.ts'
import { type AgentOptions, readAgentOptions } from './agent-options.ts'
import { Monitoring } from './monitoring.ts'
import { notifyReady, notifyStopping } from './ready.ts'
import { Reloader } from './reload.ts'
import { hangUp, stopSignal } from './signals.ts'
import type { Terminal, Verb } from './verb.ts'

/** Monitoring waits this long for the sources to have their ports. */
const watchedAfterMs = 1000

/** `flume-ts agent`: runs the agent until a signal stops it, and says what went through. */
export const agent: Verb = async (argv, terminal) => {
  const options = await readAgentOptions(argv, terminal.env)
  if ('help' in options) {
    terminal.stdout.write(options.help)
    return 0
  }
  for (const warning of options.warnings) terminal.stderr.write(`flume-ts: ${warning}\n`)
  const source = new ConfigSource({
    files: options.files,
    agentName: options.name,
    credentials: options.credentials,
    backupDirectory: options.backupDirectory,
    env: options.env,
    systemProperties: options.properties,
    mode: options.mode,
  })
  const loaded = await source.load()
  // Keys and values come from files and servers, and must not move the reader's cursor.
  for (const finding of loaded.findings) terminal.stderr.write(`${escapeControls(formatFinding(finding))}\n`)
  if (!loaded.model) {
    terminal.stderr.write('flume-ts: nothing was started\n')
    return 1
  }
  sayFlows(terminal, loaded.model)
  return options.dryRun ? 0 : run(loaded.model, source, options, terminal)
}

async function run(model: Model, source: ConfigSource, options: AgentOptions, terminal: Terminal): Promise<number> {
  const beganMs = systemClock.monotonic()
  const log = createLogger({ level: options.logLevel })
  const agent = new Agent(model, {
    log,
    settings: { mounts: options.mounts, env: options.env, properties: options.properties },
    console: options.console && process.stdin.isTTY ? process.stdin : undefined,
  })
  const reloader = new Reloader({
    source,
    agent,
    clock: systemClock,
    log,
    pollIntervalMs: options.reload ? options.pollIntervalMs : undefined,
    say: (line) => terminal.stderr.write(`${line}\n`),
  })
  const ended = Promise.race([
    stopSignal(() => terminal.stderr.write(`flume-ts: stopped at once; ${agent.atRisk} events in memory are lost\n`)),
    hangUp(() => void reloader.now()),
    defect(),
    // A start that goes on trying keeps nobody from stopping or mending it; one that cannot succeed ends the command.
    agent.start().then(
      () => new Promise<never>(() => undefined),
      (error: unknown) =>
        agent.stop().then(() => {
          throw error
        }),
    ),
  ])
  reloader.start()
  let stopping = false
  const monitoring = new Monitoring({
    properties: options.properties,
    snapshot: () => agent.snapshot(),
    isStopping: () => stopping,
    // Unlike Flume (M-01) not only after the start: a channel that cannot be opened is what one wants to see.
    begin: Promise.race([agent.ready(), systemClock.sleep(watchedAfterMs)]),
    log,
    clock: systemClock,
  })
  void agent.ready().then(
    () => {
      if (stopping) return
      log.info(`agent ${model.name} runs`, { startMs: Math.round(systemClock.monotonic() - beganMs) })
      return notifyReady(options.env, log)
    },
    // Said where the start is waited for.
    () => undefined,
  )
  const reason = await ended.catch(async (thrown: unknown) => {
    await Promise.all([reloader.stop(), monitoring.stop()])
    log.flush()
    throw thrown
  })
  stopping = true
  if (reason instanceof Error) log.error(`a defect stops the agent: ${explain(reason)}`, { stack: reason.stack })
  else log.info(`stopping on ${reason}`)
  await notifyStopping(options.env, log)
  await Promise.all([reloader.stop(), agent.stop()])
  sayClosing(agent.snapshot(), log)
  await monitoring.stop()
  log.flush()
  terminal.stdout.write(`agent ${model.name} stopped\n`)
  for (const line of describeSummary(agent.summary)) terminal.stdout.write(`  ${line}\n`)
  return reason instanceof Error || agent.atRisk > 0 ? 1 : 0
}

type Model = NonNullable<LoadedAgent['model']>

function sayFlows(terminal: Terminal, model: Model): void {
  terminal.stdout.write(`agent ${model.name}\n`)
  for (const line of describeFlows(model)) terminal.stdout.write(`  ${line}\n`)
}

/** Flume's closing lines, in the order in which it stops its parts (M-02, O-05); on a terminal the summary says enough. */
function sayClosing({ components }: AgentSnapshot, log: Logger): void {
  const level = process.stderr.isTTY ? 'debug' : 'info'
  for (const kind of ['SOURCE', 'SINK', 'CHANNEL'])
    for (const component of components.filter((one) => one.kind === kind))
      for (const line of closingLines(component)) log[level](line)
}

/** An error nobody caught: a defect of ours or of a user's component. */
function defect(): Promise<Error> {
  // A reader of our output that went away is no reason to stop moving events.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  return new Promise((resolve) => {
    process.on('uncaughtException', resolve)
    process.on('unhandledRejection', (thrown) => resolve(thrown instanceof Error ? thrown : new Error(String(thrown))))
  })
}
