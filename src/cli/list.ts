import { Command } from 'commander'
import { components } from '../agent/components.ts'
import type { ComponentKind } from '../agent/contract.ts'
import { FlumeError } from '../core/error.ts'
import { didYouMean } from '../spec/nearest.ts'
import { parseArguments, quiet } from './arguments.ts'
import { kindOf, kinds, spoken } from './kinds.ts'
import type { Verb } from './verb.ts'

/** `flume-ts list`: the components there are, by kind. */
export const list: Verb = async (argv, { stdout }) => {
  const command = listCommand()
  const asked = parseArguments(command, argv)
  if (asked) {
    stdout.write(asked.help)
    return 0
  }
  const [word] = command.args
  const kind = word === undefined ? undefined : kindOf(word)
  if (word !== undefined && !kind) {
    const hint = didYouMean(word, kinds.map(spoken)) ?? `there are ${kinds.map(spoken).join(', ')}`
    throw new FlumeError('USAGE', `there is no kind "${word}"`, { hint })
  }
  const wanted = kind ? [kind] : kinds
  stdout.write(command.opts<{ json: boolean }>().json ? asJson(wanted) : asText(wanted))
  return 0
}

export function listCommand(): Command {
  return quiet(new Command('flume-ts list'))
    .description('Lists the components there are, by kind.')
    .argument('[kind]', kinds.map(spoken).join(', '))
    .option('--json', 'one JSON object instead of lines', false)
}

function asText(wanted: readonly ComponentKind[]): string {
  const width = Math.max(...components.map(({ type }) => type.length))
  return wanted
    .map((kind) => {
      const lines = components
        .filter((spec) => spec.kind === kind)
        .map(({ type, summary }) => `  ${type.padEnd(width)}  ${summary}\n`)
      return `${kind}s\n${lines.join('') || '  (none)\n'}`
    })
    .join('\n')
}

function asJson(wanted: readonly ComponentKind[]): string {
  const entries = wanted.map((kind) => [
    spoken(kind),
    components
      .filter((spec) => spec.kind === kind)
      .map(({ type, aliases, summary, options }) => ({ type, aliases, summary, options: Object.keys(options) })),
  ])
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`
}
