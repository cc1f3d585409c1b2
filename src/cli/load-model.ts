import type { Command } from 'commander'
import { loadAgent } from '../agent/config/load.ts'
import type { AgentModel } from '../agent/config/model.ts'
import { FlumeError } from '../core/error.ts'
import { escapeControls } from '../monitor/logger.ts'
import { formatFinding } from '../spec/finding.ts'
import { many, settings } from './arguments.ts'
import type { Terminal } from './verb.ts'

interface Given {
  readonly confFile: readonly string[]
  readonly name: string | undefined
  readonly D: readonly string[]
  readonly lenient: boolean
}

/** The options with which a command names an agent's files. */
export function withModelOptions(command: Command): Command {
  return command
    .option('-f, --conf-file <file>', 'properties file; repeatable, later ones win', many, [])
    .option('-n, --name <name>', "the agent's name; may be left out when the file defines one agent")
    .option('-D <key=value>', 'a system property, for ${sys:key}', many, [])
    .option('--lenient', 'leave out what is wrong, as agent --lenient does', false)
}

/** The agent that the given files define. What is wrong with them goes to standard error; undefined when it cannot run. */
export async function loadModel(
  command: Command,
  { stderr, env }: Terminal,
  files: readonly string[] = command.opts<Given>().confFile,
): Promise<AgentModel | undefined> {
  const given = command.opts<Given>()
  if (files.length === 0) throw new FlumeError('USAGE', 'no file is given', { hint: 'name one with -f FILE' })
  const { model, findings } = await loadAgent({
    files,
    agentName: given.name,
    env,
    systemProperties: settings(given.D),
    mode: given.lenient ? 'lenient' : 'normal',
  })
  for (const found of findings) {
    // What does not keep it from running is validate's to say.
    if (!model && found.severity === 'error') stderr.write(`${escapeControls(formatFinding(found))}\n`)
  }
  return model
}
