import { components } from '../agent/components.ts'
import type { ComponentKind, ComponentSpec } from '../agent/contract.ts'
import { FlumeError } from '../core/error.ts'
import { describeForTerminal } from '../spec/describe.ts'
import { didYouMean } from '../spec/nearest.ts'
import { commands } from './commands.ts'
import { kindOf, kinds, spoken } from './kinds.ts'
import type { Verb } from './verb.ts'

/** `flume-ts help [KIND [TYPE] | COMMAND]`, from the specs and the commands themselves. */
export const help: Verb = async ([what, type, ...rest], { stdout }) => {
  if (rest.length > 0) throw new FlumeError('USAGE', `help takes a kind and a type; "${rest[0]}" is one too many`)
  if (what === undefined) stdout.write(general())
  else stdout.write(await helpOn(what, type))
  return 0
}

function general(): string {
  const heads = commands.map(({ name, usage }) => `${name} ${usage}`.trimEnd())
  const width = Math.max(...heads.map(({ length }) => length))
  const lines = commands.map(({ summary }, i) => `  ${(heads[i] as string).padEnd(width)}  ${summary}\n`)
  return `usage: flume-ts COMMAND …\n\n${lines.join('')}\nKIND is ${kinds.map(spoken).join(', ')}\n`
}

async function helpOn(what: string, type: string | undefined): Promise<string> {
  const command = commands.find(({ name }) => name === what)
  if (command && type === undefined && command.options) return (await command.options()).helpInformation()
  if (command && type === undefined) return `usage: flume-ts ${command.name} ${command.usage}\n\n${command.summary}\n`
  const kind = kindOf(what)
  if (!kind) {
    const words = [...kinds.map(spoken), ...commands.map(({ name }) => name)]
    const hint = didYouMean(what, words) ?? `there are ${kinds.map(spoken).join(', ')}`
    throw new FlumeError('USAGE', `there is no help on "${what}"`, { hint })
  }
  const specs = components.filter((spec) => spec.kind === kind)
  return type === undefined ? listOf(specs) : describeForTerminal(await findSpec(kind, type, specs))
}

function listOf(specs: readonly ComponentSpec[]): string {
  const width = Math.max(0, ...specs.map(({ type }) => type.length))
  return specs.map(({ type, summary }) => `  ${type.padEnd(width)}  ${summary}\n`).join('')
}

async function findSpec(kind: ComponentKind, type: string, specs: readonly ComponentSpec[]): Promise<ComponentSpec> {
  const { TypeIndex } = await import('../agent/config/type-index.ts')
  const index = new TypeIndex(specs)
  const spec = index.find(kind, type)
  if (spec) return spec
  const hint = index.explainUnknown(kind, type)
  throw new FlumeError('USAGE', `there is no ${kind} "${type}"`, hint ? { hint } : {})
}
