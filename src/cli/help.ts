import { components } from '../agent/components.ts'
import type { ComponentKind, ComponentSpec } from '../agent/contract.ts'
import { FlumeError } from '../core/error.ts'
import { describeForTerminal } from '../spec/describe.ts'
import { didYouMean } from '../spec/nearest.ts'
import type { Verb } from './verb.ts'

const kinds: readonly ComponentKind[] = [
  'source',
  'channel',
  'sink',
  'interceptor',
  'selector',
  'serializer',
  'deserializer',
]

/** The commands' own help, by name. */
const commands: ReadonlyMap<string, () => Promise<string>> = new Map([
  ['agent', async () => (await import('./agent-options.ts')).agentCommand().helpInformation()],
  ['hdfs', async () => (await import('./hdfs.ts')).hdfsCommand().helpInformation()],
  ['validate', async () => (await import('./validate.ts')).validateCommand().helpInformation()],
])

/** `flume-ts help [KIND [TYPE] | COMMAND]`, from the specs and the commands themselves. */
export const help: Verb = async ([what, type, ...rest], { stdout }) => {
  if (rest.length > 0) throw new FlumeError('USAGE', `help takes a kind and a type; "${rest[0]}" is one too many`)
  if (what === undefined) stdout.write(general())
  else stdout.write(await helpOn(what, type))
  return 0
}

function general(): string {
  return `usage: flume-ts COMMAND …

  agent -f FILE [-n NAME]      runs an agent; takes every option of flume-ng agent
  validate -f FILE             says everything that is wrong with a configuration
  hdfs ls|cat|put|recover URL  looks into a file system as the HDFS sink sees it
  help KIND [TYPE]             lists components, or one component's options; KIND is
                               ${kinds.join(', ')}
  help COMMAND                 lists a command's options
  version                      says which version this is
`
}

async function helpOn(what: string, type: string | undefined): Promise<string> {
  const command = commands.get(what)
  if (command && type === undefined) return command()
  const kind = kinds.find((word) => what === word || what === `${word}s`)
  if (!kind) {
    const hint = didYouMean(what, [...kinds, ...commands.keys()]) ?? `there are ${kinds.join(', ')}`
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
