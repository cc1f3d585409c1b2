import { createHash } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { explain } from '../../core/error.ts'
import type { Place } from '../../spec/finding.ts'
import type { RawValue } from '../../spec/option.ts'
import { inlineComment, type NestedRequest, quote, readOptions, suggestKey, valueHint } from '../../spec/read.ts'
import type { CheckSettings, ComponentKind, ComponentSpec, OptionProblem } from '../contract.ts'
import { harmlessKey } from './known-types.ts'
import type { OptionValues } from './model.ts'
import type { Report } from './report.ts'
import { bareName, isModulePath, type TypeIndex } from './type-index.ts'
import { findPackage, isPackageName, type ModuleLoader, pickSpec } from './user-module.ts'

/** Flume: these alone warn and fall back to the default where a number cannot be read. */
const fallsBack: readonly string[] = ['MemoryChannel', 'FailoverSinkProcessor']

/** What config filters need of the world around them. */
export interface FilterWorld {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Told of every file a value came from, or would come from. */
  onFile(file: string): void
}

/** What reading one component needs to know of the rest of the world. */
export interface PartWorld {
  readonly types: TypeIndex
  readonly report: Report
  /** Undefined: modules are not loaded, and their components pass as they are. */
  readonly loadModule: ModuleLoader | undefined
  /** Undefined: nobody asks the config filters. */
  readonly filters: FilterWorld | undefined
  /** Undefined: the parts would run elsewhere, and nothing of this machine is looked at. */
  readonly settings?: CheckSettings | undefined
}

export interface PartRequest {
  readonly kind: ComponentKind
  /** The configured type; undefined asks for `defaultType`. */
  readonly type: RawValue | undefined
  readonly defaultType?: string
  /** The component's own keys, without those that belong to the frame around it. */
  readonly raws: ReadonlyMap<string, RawValue>
  readonly empty: ReadonlyMap<string, Place>
  /** What stands before each name, dot included. */
  readonly path: string
  /** Where a finding about the component as a whole points to. */
  readonly place: Place
  /** Keys of the frame, for "did you mean". */
  readonly alsoKnown?: readonly string[]
  /** What to do when there is no type. */
  readonly noTypeHint?: string
}

export interface Part {
  readonly spec: ComponentSpec
  readonly options: OptionValues
  readonly given: ReadonlyMap<string, RawValue>
  /** Keys, relative to `path`, whose values must not be shown. */
  readonly secretKeys: ReadonlySet<string>
  /** Digests of the user's modules it was made of. */
  readonly code: readonly string[]
}

/** Answers a component with its options read, or undefined once everything that is wrong with it has been reported. */
export async function readPart(request: PartRequest, world: PartWorld): Promise<Part | undefined> {
  const found = await findSpec(request, world)
  if (!found) return undefined
  const { spec, digest } = found
  const code = digest === undefined ? [] : [digest]
  const { raws, empty, path, place, alsoKnown } = request
  const names = [spec.type, ...spec.aliases].map(bareName)
  const reading = readOptions({
    table: spec.options,
    raws,
    path,
    place: request.type ?? place,
    empty,
    ...(alsoKnown ? { alsoKnown } : {}),
    ...(spec.misnamed ? { misnamed: spec.misnamed } : {}),
    harmless: (key) => harmlessKey(names, key),
    fallBack: world.report.mode === 'lenient' && names.some((name) => fallsBack.includes(name)),
  })
  const { values, given } = reading
  let failed = false
  for (const found of reading.findings) failed = world.report.addOfPart(found) || failed
  for (const [key, at] of empty) {
    if (reading.mentionedEmpty.has(key) || reading.nested.some(({ name }) => key.startsWith(`${name}.`))) continue
    world.report.warning(at, { code: 'empty-value', path: path + key, message: 'has no value; it is ignored' })
  }
  const secretKeys = new Set(reading.secretKeys)
  for (const inner of reading.nested) {
    const made = await readNested(inner, request, world)
    if (made) {
      values[inner.name] = made.value
      for (const key of made.secretKeys) secretKeys.add(`${inner.name}.${key}`)
      code.push(...made.code)
    } else failed = true
  }
  if (failed) return undefined
  if (!check(spec, values, given, request, world)) return undefined
  return { spec, options: values, given, secretKeys, code }
}

async function readNested(
  inner: NestedRequest,
  outer: PartRequest,
  world: PartWorld,
): Promise<({ readonly value: unknown } & Pick<Part, 'secretKeys' | 'code'>) | undefined> {
  const part = await readPart(
    {
      kind: inner.option.component as ComponentKind,
      type: inner.type,
      defaultType: inner.option.defaultType,
      raws: inner.raws,
      empty: inner.empty,
      path: `${outer.path}${inner.name}.`,
      place: outer.type ?? outer.place,
    },
    world,
  )
  if (!part) return undefined
  const { spec, options, secretKeys, code } = part
  const create = spec.create as (options: OptionValues, context: unknown) => unknown
  return { value: { type: spec.type, create: (context: unknown) => create(options, context) }, secretKeys, code }
}

/** Rules between options; a problem is reported where its option stands. */
function check(
  spec: ComponentSpec,
  values: Record<string, unknown>,
  given: ReadonlyMap<string, RawValue>,
  { path, place, type }: PartRequest,
  { report, settings }: PartWorld,
): boolean {
  const rules = spec.check as
    | ((options: OptionValues, settings?: CheckSettings) => readonly OptionProblem[])
    | undefined
  let failed = false
  for (const { option, severity = 'error', code = 'options', message, hint } of rules?.(values, settings) ?? []) {
    const { file, line, column } = given.get(option) ?? type ?? place
    const found = { severity, file, line, column, path: path + option, code, message, ...(hint ? { hint } : {}) }
    failed = report.addOfPart(found) || failed
  }
  return !failed
}

/** A component's spec, with the digest of its code where that is a user's module. */
interface FoundSpec {
  readonly spec: ComponentSpec
  readonly digest?: string
}

async function findSpec(request: PartRequest, world: PartWorld): Promise<FoundSpec | undefined> {
  const { kind, type, defaultType, place, path } = request
  // A nested component's type is the value of the option itself, not of a key below it.
  const typePath = defaultType !== undefined && kind !== 'selector' ? path.slice(0, -1) : `${path}type`
  const name = type?.text ?? defaultType
  if (name === undefined) {
    reportNoType(request, world.report)
    return undefined
  }
  const spec = world.types.find(kind, name)
  if (spec) return { spec }
  const at = type ? { ...type, ...type.valueAt } : place
  if (type && isModulePath(name)) return loadSpec(resolve(dirname(type.file), name), request, typePath, world)
  const packaged =
    type && world.loadModule && isPackageName(name) ? await findPackage(name, resolve(dirname(type.file))) : undefined
  if (packaged !== undefined) return loadSpec(packaged, request, typePath, world)
  world.report.error(at, {
    code: 'unknown-type',
    path: typePath,
    message: `there is no ${kind} ${quote(name)}`,
    hint: inlineComment(name) ? valueHint(name) : world.types.explainUnknown(kind, name),
  })
  return undefined
}

/** `Type` and the like are pointed at; otherwise the part is, where it begins. */
function reportNoType({ kind, place, path, raws, empty, noTypeHint: hint }: PartRequest, report: Report): void {
  const near = [...raws].find(([key]) => suggestKey(key, {}, ['type']) === 'type')
  if (near) {
    const [key, at] = near
    const words = { code: 'no-type', path: path + key, message: 'is not an option, and type is required' }
    report.error(at, { ...words, hint: 'did you mean "type"?' })
    return
  }
  const message = empty.has('type') ? 'has no value and needs one' : `is missing: the ${kind} has no type`
  report.error(empty.get('type') ?? place, { code: 'no-type', path: `${path}type`, message, hint })
}

/** From a file beside the one that names it, so that a configuration and its modules move together, or from a package. */
async function loadSpec(
  file: string,
  { kind, type, place }: PartRequest,
  path: string,
  { loadModule, report }: PartWorld,
): Promise<FoundSpec | undefined> {
  if (!loadModule) return undefined
  const at = type ? { ...type, ...type.valueAt } : place
  try {
    const { exports, digest } = await loadModule(file)
    return { spec: pickSpec(exports, kind), digest }
  } catch (thrown) {
    report.error(at, { code: 'module', path, message: `${file} cannot be used: ${explain(thrown)}` })
    return undefined
  }
}

/**
 * Keys and values in one text, in an order of its own, and the code of the user's modules; secrets are in it by their
 * digest only.
 */
export function fingerprintOf(
  values: ReadonlyMap<string, RawValue>,
  secretKeys: ReadonlySet<string>,
  code: readonly string[],
): string {
  const lines = [...values]
    .sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
    .map(([key, { text, secret }]) => {
      return `${JSON.stringify(key)}=${secret || secretKeys.has(key) ? digest(text) : JSON.stringify(text)}`
    })
  return [...lines, ...code.map((one) => `code ${one}`)].join('\n')
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
