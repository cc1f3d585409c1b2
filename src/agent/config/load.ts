import { type Clock, systemClock } from '../../core/clock.ts'
import type { Finding, Place } from '../../spec/finding.ts'
import { didYouMean } from '../../spec/nearest.ts'
import type { ComponentSpec } from '../contract.ts'
import { type AgentKeys, partKinds, sortKeys } from './agent-keys.ts'
import { filterNamed } from './filters.ts'
import { withoutUser } from './http-text.ts'
import { interpolate, type Unreplaced } from './interpolate.ts'
import { judgeAgent } from './judge/judge.ts'
import type { AgentModel } from './model.ts'
import { type ConfigEntry, PropertyStore } from './property-store.ts'
import { type ConfigText, readConfigFiles, trim } from './read-files.ts'
import { type Mode, Report } from './report.ts'
import { TypeIndex } from './type-index.ts'
import { loadUserModule, type ModuleLoader } from './user-module.ts'

export type { Mode } from './report.ts'

export interface LoadAgentInput {
  /** Properties files and `http:` addresses; a later one's keys win over an earlier one's (C-30). */
  readonly files: readonly string[]
  /** May be left out when the files define exactly one agent. */
  readonly agentName?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** `-Dkey=value` of the command line. */
  readonly systemProperties: ReadonlyMap<string, string>
  /** `strict`: warnings are errors. `lenient`: Flume's own outcome, the part that is wrong is dropped and the rest runs. */
  readonly mode: Mode
  /** For config filters that wait for something; by default the machine's own. */
  readonly clock?: Clock
  /** What types may name; by default every component there is. */
  readonly components?: readonly ComponentSpec[]
  /** Say nothing about the files' other agents; by default what is wrong with them is a warning (C-06). */
  readonly onlyThisAgent?: boolean
  /** Loads modules that types name (`./my-source.ts`); by default through esbuild. */
  readonly moduleLoader?: ModuleLoader
}

export interface LoadedAgent {
  /** What would run; undefined when a finding is an error. */
  readonly model: AgentModel | undefined
  /** Everything found, in the order of the files. */
  readonly findings: readonly Finding[]
  /** Every agent that the files define. */
  readonly agentNames: readonly string[]
  /** Other files that the model was made of: modules that types name, files with secrets. */
  readonly alsoRead: readonly string[]
}

/** Reads an agent's configuration. Never rejects for what a user wrote: that is in the findings, all in one pass. */
export async function loadAgent(input: LoadAgentInput): Promise<LoadedAgent> {
  return judgeText(await readConfigFiles(input.files), input)
}

/** As `loadAgent`, of files that have been read. */
export async function judgeText({ store, findings }: ConfigText, input: LoadAgentInput): Promise<LoadedAgent> {
  const alsoRead = new Set<string>()
  if (findings.some(({ severity }) => severity === 'error')) {
    return { model: undefined, findings: onlyErrors(findings), agentNames: [], alsoRead: [] }
  }
  const replaced = replaceVariables(store, input)
  const { agents, strays } = sortKeys(replaced.store)
  const agentNames = runnableNames(agents)
  const chosen = chooseAgent(input, agents, agentNames, replaced.store)
  if ('finding' in chosen) return { model: undefined, findings: [chosen.finding], agentNames, alsoRead: [] }

  const report = new Report(input.mode)
  for (const found of findings) report.add(found)
  refuseLookups(input, chosen.keys, report)
  for (const { keys, finding } of strays) if (!keys.every((key) => replaced.used.has(key))) report.add(finding)
  for (const { entry, unreplaced } of replaced.left) {
    if (entry.key.startsWith(`${chosen.keys.name}.`)) reportUnreplaced(entry, unreplaced, chosen.keys, input, report)
  }
  const types = new TypeIndex(input.components ?? (await import('../components.ts')).components)
  const loadModule = noting(input.moduleLoader ?? loadUserModule, alsoRead)
  const filters = { env: input.env, clock: input.clock ?? systemClock, onFile: (file: string) => alsoRead.add(file) }
  const settings = { env: input.env, properties: input.systemProperties }
  const model = await judgeAgent(chosen.keys, { types, report, loadModule, filters, settings })
  const own = input.mode === 'strict' ? report.findings.map(asStrict) : report.findings
  const others = input.onlyThisAgent ? [] : await judgeOthers(agents, chosen.keys, agentNames, types)
  const isRunnable = !own.some(({ severity }) => severity === 'error')
  return {
    model: isRunnable ? model : undefined,
    findings: sortFindings([...own, ...others], input.files.map(withoutUser)),
    agentNames,
    alsoRead: [...alsoRead],
  }
}

function noting(loadModule: ModuleLoader, files: Set<string>): ModuleLoader {
  return async (file) => {
    files.add(file)
    const loaded = await loadModule(file)
    for (const part of loaded.files) files.add(part)
    return loaded
  }
}

/** A file that could not be read as a whole says so and nothing else. */
function onlyErrors(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ severity }) => severity === 'error')
}

interface Replaced {
  readonly store: PropertyStore
  /** Keys whose values other values took over: they configure nothing and still serve. */
  readonly used: ReadonlySet<string>
  readonly left: readonly { readonly entry: ConfigEntry; readonly unreplaced: readonly Unreplaced[] }[]
}

/** Replaces variables before anything is read, so that a number may come from the environment. */
function replaceVariables(
  store: PropertyStore,
  { env, systemProperties, clock = systemClock }: LoadAgentInput,
): Replaced {
  // One time for all of them.
  const nowMs = clock.now()
  const replaced = new PropertyStore()
  const used = new Set<string>()
  const left: { readonly entry: ConfigEntry; readonly unreplaced: readonly Unreplaced[] }[] = []
  const property = (key: string): string | undefined => {
    const text = store.getText(key)
    if (text !== undefined) used.add(key)
    return text
  }
  for (const entry of store.entries()) {
    const { text, unreplaced } = interpolate(entry.text, { env, systemProperties, nowMs, property })
    replaced.set({ ...entry, text: trim(text) })
    if (unreplaced.length > 0) left.push({ entry, unreplaced })
  }
  return { store: replaced, used, left }
}

/** Flume's own file of Java classes that replace variables (C-29): without them the values would be others. */
function refuseLookups({ systemProperties }: LoadAgentInput, { place, name }: AgentKeys, report: Report): void {
  const file = systemProperties.get('lookups')
  if (file === undefined) return
  report.error(place, {
    code: 'lookups',
    path: name,
    message: `-Dlookups=${file} names Java classes that replace variables, and those cannot be loaded`,
    hint: 'there are ${env:NAME}, ${sys:name}, ${date:PATTERN}, and config filters, which may be modules of your own',
  })
}

function reportUnreplaced(
  entry: ConfigEntry,
  unreplaced: readonly Unreplaced[],
  keys: AgentKeys,
  { env }: LoadAgentInput,
  report: Report,
): void {
  const at = { ...entry, ...entry.valueAt }
  const path = entry.key
  for (const { name, reason } of unreplaced) {
    const variable = `\${${name}}`
    if (reason === 'java') {
      report.error(at, {
        code: 'java-variable',
        path,
        message: `${variable} speaks of the Java machine, and there is none`,
        hint: 'write the text itself, or pass it in as ${env:NAME} or ${sys:name}',
      })
    } else if (reason === 'bad-date') {
      report.error(at, {
        code: 'bad-date',
        path,
        message: `${variable} is no pattern of a date that can be written`,
        hint: "such as ${date:yyyy-MM-dd'T'HH:mm}; the letters w, W, Y and z are not there",
      })
    } else if (reason === 'too-deep') {
      report.fatal(at, { code: 'variable-circle', path, message: `the variables of this value go in circles` })
    } else if (reason === 'unset') {
      const hint = `set it, or give a default: \${${name}:-…}`
      report.warning(at, { code: 'unset-variable', path, message: `${variable} is not set and stays as it is`, hint })
    } else if (isOfFilter(name, keys)) {
      // The filter has its say later.
    } else if (Object.hasOwn(env, name)) {
      const hint = `the environment is \${env:${name}}`
      report.warning(at, { code: 'plain-variable', path, message: `${variable} stays as it is`, hint })
    } else report.note(at, { code: 'plain-variable', path, message: `${variable} stays as it is` })
  }
}

/** Whether a variable is for one of the agent's config filters, which come after the variables (C-28). */
function isOfFilter(variable: string, { lists }: AgentKeys): boolean {
  const filter = filterNamed(variable)
  return filter !== undefined && (lists.get('configfilters')?.text.split(/\s+/) ?? []).includes(filter)
}

/** Agents that could be run: those with a list, or, when there is none with a list, those with keys of a part. */
function runnableNames(agents: ReadonlyMap<string, AgentKeys>): readonly string[] {
  const listed = [...agents.values()].filter(({ lists }) => lists.size > 0)
  return (listed.length > 0 ? listed : [...agents.values()]).map(({ name }) => name)
}

function chooseAgent(
  { files, agentName }: LoadAgentInput,
  agents: ReadonlyMap<string, AgentKeys>,
  names: readonly string[],
  store: PropertyStore,
): { readonly keys: AgentKeys } | { readonly finding: Finding } {
  const [only] = names
  const keys = agents.get(agentName ?? only ?? '')
  if (keys && (agentName !== undefined || names.length === 1)) return { keys }
  const words =
    only === undefined
      ? {
          code: 'no-agent',
          message: 'defines no agent',
          hint: `an agent begins with lines such as a1.sources = r1; the first key is "${firstKey(store)}"`,
        }
      : agentName === undefined
        ? {
            code: 'several-agents',
            message: `defines several agents: ${names.join(', ')}`,
            hint: `say which one to run with -n, such as -n ${only}`,
          }
        : {
            code: 'unknown-agent',
            message: `defines no agent "${agentName}"`,
            hint: didYouMean(agentName, names) ?? `it defines ${names.join(', ')}`,
          }
  return {
    finding: { severity: 'error', file: files.map(withoutUser).join(', '), line: 0, column: 0, path: '', ...words },
  }
}

function firstKey(store: PropertyStore): string {
  for (const { key } of store.entries()) return key.slice(0, 60)
  return ''
}

/** What is wrong with the other agents of the files keeps nobody from running this one (C-06). */
async function judgeOthers(
  agents: ReadonlyMap<string, AgentKeys>,
  chosen: AgentKeys,
  names: readonly string[],
  types: TypeIndex,
): Promise<readonly Finding[]> {
  const found: Finding[] = []
  for (const keys of agents.values()) {
    if (keys === chosen) continue
    if (!names.includes(keys.name)) {
      found.push(withoutLists(keys, names))
      continue
    }
    // Their values are with filters that are not asked for another agent's sake.
    if (keys.lists.has('configfilters')) continue
    const report = new Report('normal')
    await judgeAgent(keys, { types, report, loadModule: undefined, filters: undefined })
    for (const one of report.findings) {
      if (one.severity === 'error') found.push({ ...one, severity: 'warning' })
    }
  }
  return found
}

function withoutLists(keys: AgentKeys, names: readonly string[]): Finding {
  const at: Place = keys.place
  const kinds = partKinds.filter((kind) => keys.parts.get(kind)?.size)
  const hint = didYouMean(keys.name, names)
  return {
    severity: 'warning',
    file: at.file,
    line: at.line,
    column: at.column,
    path: `${keys.name}.${kinds[0] ?? ''}`,
    code: 'agent-without-lists',
    message: `"${keys.name}" lists no sources, channels or sinks; its keys are ignored`,
    ...(hint ? { hint } : {}),
  }
}

function asStrict(finding: Finding): Finding {
  return finding.severity === 'warning' ? { ...finding, severity: 'error' } : finding
}

function sortFindings(findings: readonly Finding[], files: readonly string[]): readonly Finding[] {
  return [...findings].sort(
    (one, other) =>
      files.indexOf(one.file) - files.indexOf(other.file) || one.line - other.line || one.column - other.column,
  )
}
