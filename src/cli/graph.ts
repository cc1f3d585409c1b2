import { Command } from 'commander'
import { drawDot, drawMermaid } from '../agent/config/draw.ts'
import { parseArguments, quiet } from './arguments.ts'
import { loadModel, withModelOptions } from './load-model.ts'
import type { Verb } from './verb.ts'

/** `flume-ts graph`: the agent that would run, drawn; 1 when the file is wrong. */
export const graph: Verb = async (argv, terminal) => {
  const command = graphCommand()
  const asked = parseArguments(command, argv)
  if (asked) {
    terminal.stdout.write(asked.help)
    return 0
  }
  const model = await loadModel(command, terminal)
  if (!model) return 1
  terminal.stdout.write(command.opts<{ dot: boolean }>().dot ? drawDot(model) : drawMermaid(model))
  return 0
}

export function graphCommand(): Command {
  return withModelOptions(
    quiet(new Command('flume-ts graph')).description('Draws the agent that a configuration defines.'),
  ).option('--dot', "Graphviz' language instead of Mermaid's", false)
}
