import { Command } from 'commander'
import { type PlannedChange, planReload } from '../agent/runtime/plan.ts'
import { FlumeError } from '../core/error.ts'
import { many, parseArguments, quiet } from './arguments.ts'
import { loadModel, withModelOptions } from './load-model.ts'
import { table } from './table.ts'
import type { Verb } from './verb.ts'

interface Given {
  readonly running: readonly string[]
  readonly json: boolean
}

/** `flume-ts plan`: what a running agent would do if its files became these; 1 when either configuration is wrong. */
export const plan: Verb = async (argv, terminal) => {
  const command = planCommand()
  const asked = parseArguments(command, argv)
  if (asked) {
    terminal.stdout.write(asked.help)
    return 0
  }
  const { running, json } = command.opts<Given>()
  if (running.length === 0) {
    throw new FlumeError('USAGE', 'what runs now is not given', { hint: 'name its file with --running FILE' })
  }
  const wanted = await loadModel(command, terminal)
  const before = await loadModel(command, terminal, running)
  if (!wanted || !before) return 1
  if (wanted.name !== before.name) {
    throw new FlumeError('USAGE', `the files define two agents: ${before.name} runs, ${wanted.name} is wanted`)
  }
  const { changes, isEmpty } = planReload(before, wanted)
  if (json) terminal.stdout.write(`${JSON.stringify({ agent: wanted.name, isEmpty, changes }, null, 2)}\n`)
  else terminal.stdout.write(asText(wanted.name, changes, isEmpty))
  return 0
}

export function planCommand(): Command {
  return withModelOptions(
    quiet(new Command('flume-ts plan')).description('Says what a reload would stop, start and keep.'),
  )
    .option('--running <file>', 'properties file that runs now; repeatable, later ones win', many, [])
    .option('--json', 'one JSON object instead of lines', false)
}

function asText(agent: string, changes: readonly PlannedChange[], isEmpty: boolean): string {
  const rows = changes.map(({ change, kind, name, why }) => [change, kind, name, why ?? ''])
  const last = isEmpty ? 'nothing would change\n' : ''
  return `agent ${agent}\n${table(['', 'part', 'name', ''], rows)}${last}`
}
