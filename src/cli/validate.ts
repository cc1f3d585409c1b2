import { Command, CommanderError } from 'commander'
import { loadAgent, type Mode } from '../agent/config/load.ts'
import type { AgentModel } from '../agent/config/model.ts'
import { FlumeError } from '../core/error.ts'
import { escapeControls } from '../monitor/logger.ts'
import { type Finding, formatFinding } from '../spec/finding.ts'
import type { Verb } from './verb.ts'

interface Given {
  readonly confFile: readonly string[]
  readonly name: string | undefined
  readonly D: readonly string[]
  readonly strict: boolean
  readonly lenient: boolean
  readonly json: boolean
}

/** `flume-ts validate`: everything found in a configuration, on standard output; 1 when the agent would not start. */
export const validate: Verb = async (argv, { stdout, env }) => {
  const command = validateCommand()
  try {
    command.parse([...argv], { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    if (thrown.code === 'commander.helpDisplayed') {
      stdout.write(command.helpInformation())
      return 0
    }
    throw new FlumeError('USAGE', thrown.message.replace(/^error: /, ''), { hint: 'flume-ts validate --help' })
  }
  const given = command.opts<Given>()
  const files = [...given.confFile, ...command.args]
  if (files.length === 0) throw new FlumeError('USAGE', 'no file is given', { hint: 'name one with -f FILE' })
  if (given.strict && given.lenient) throw new FlumeError('USAGE', '--strict and --lenient exclude each other')
  const { models, findings } = await judgeFiles(files, given, env)
  if (given.json) stdout.write(`${JSON.stringify(asJson(models, findings), null, 2)}\n`)
  else stdout.write(asText(models, findings))
  return hasError(findings) ? 1 : 0
}

/** The command with its options, for parsing and for help. */
export function validateCommand(): Command {
  const many = (value: string, before: readonly string[]): readonly string[] => [...before, value]
  return new Command('flume-ts validate')
    .description('Checks a configuration and says everything that is wrong with it.')
    .argument('[file...]', 'the same as -f')
    .exitOverride()
    .configureHelp({ optionDescription: ({ description }) => description })
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    .option('-f, --conf-file <file>', 'properties file; repeatable, later ones win', many, [])
    .option('-n, --name <name>', 'check this agent; every agent of the file when left out')
    .option('-D <key=value>', 'a system property, for ${sys:key}', many, [])
    .option('--strict', 'take warnings for errors', false)
    .option('--lenient', 'judge as agent --lenient does', false)
    .option('--json', 'one JSON object instead of lines', false)
}

interface Judged {
  readonly models: readonly AgentModel[]
  readonly findings: readonly Finding[]
}

/** Without a name, every agent of the files is judged for itself. */
async function judgeFiles(files: readonly string[], given: Given, env: NodeJS.ProcessEnv): Promise<Judged> {
  const mode: Mode = given.strict ? 'strict' : given.lenient ? 'lenient' : 'normal'
  const systemProperties = new Map(
    given.D.map((setting): [string, string] => {
      const [name = '', ...rest] = setting.split('=')
      return [name, rest.join('=')]
    }),
  )
  const input = { files, env, systemProperties, mode }
  const first = await loadAgent({ ...input, agentName: given.name })
  if (given.name !== undefined || first.agentNames.length < 2) {
    return { models: first.model ? [first.model] : [], findings: first.findings }
  }
  const models: AgentModel[] = []
  // What is found about the file as a whole comes with each of its agents.
  const findings = new Map<string, Finding>()
  for (const agentName of first.agentNames) {
    const loaded = await loadAgent({ ...input, agentName, onlyThisAgent: true })
    if (loaded.model) models.push(loaded.model)
    for (const found of loaded.findings) findings.set(formatFinding(found), found)
  }
  return { models, findings: [...findings.values()] }
}

function asText(models: readonly AgentModel[], findings: readonly Finding[]): string {
  // Keys and values come from the file, and must not move the reader's cursor.
  const lines = findings.map((found) => escapeControls(formatFinding(found)))
  const misspelt = findings.filter(({ code }) => code === 'misspelt-key').length
  if (misspelt > 0)
    lines.push(`${plural(misspelt, 'key looks misspelt and has', 'keys look misspelt and have')} no effect`)
  for (const { name, sources, channels, sinks, groups } of models) {
    const counts = [
      plural(sources.length, 'source'),
      plural(channels.length, 'channel'),
      plural(sinks.length, 'sink'),
      ...(groups.length > 0 ? [plural(groups.length, 'sink group')] : []),
    ]
    lines.push(`agent ${name}: ${counts.join(', ')} would run`)
  }
  lines.push(summary(findings))
  return `${lines.join('\n')}\n`
}

function summary(findings: readonly Finding[]): string {
  const count = (severity: Finding['severity']): number => findings.filter((one) => one.severity === severity).length
  const counts = [
    plural(count('error'), 'error'),
    plural(count('warning'), 'warning'),
    plural(count('note'), 'note'),
  ].join(', ')
  return hasError(findings) ? `${counts}; nothing would start` : counts
}

function asJson(models: readonly AgentModel[], findings: readonly Finding[]): unknown {
  return {
    ok: !hasError(findings),
    agents: models.map(({ name, sources, channels, sinks, groups }) => ({
      name,
      sources: sources.map((one) => ({ name: one.name, type: one.spec.type, channels: one.channels })),
      channels: channels.map((one) => ({ name: one.name, type: one.spec.type })),
      sinks: sinks.map((one) => ({ name: one.name, type: one.spec.type, channel: one.channel })),
      groups: groups.map((one) => ({ name: one.name, type: one.spec.type, sinks: one.sinks })),
    })),
    findings,
  }
}

function hasError(findings: readonly Finding[]): boolean {
  return findings.some(({ severity }) => severity === 'error')
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
