import { didYouMean } from '../../spec/nearest.ts'
import type { ComponentKind, ComponentSpec } from '../contract.ts'
import { adviceFor } from './known-types.ts'

/**
 * Finds the component that a `type` names. In this order, never minding case: Flume's alias, Flume's class name (with
 * or without `$Builder`), the bare class or spoken name. A name that reads like a path is a user's module, which is
 * for others to load.
 */
export class TypeIndex {
  readonly #names = new Map<ComponentKind, Map<string, ComponentSpec>>()
  readonly #components: readonly ComponentSpec[]

  constructor(components: readonly ComponentSpec[]) {
    this.#components = components
    for (const namesOf of [typeNames, fullNames, bareNames]) {
      for (const spec of components) for (const name of namesOf(spec)) this.#add(spec, name)
    }
  }

  find(kind: ComponentKind, type: string): ComponentSpec | undefined {
    return this.#names.get(kind)?.get(normalize(type))
  }

  /** The types of a kind as help lists them. */
  typesOf(kind: ComponentKind): readonly string[] {
    return this.#components.filter((spec) => spec.kind === kind).map(({ type }) => type)
  }

  /** What to say of a type that is not there: a replacement where one is known, the nearest names, or all there are. */
  explainUnknown(kind: ComponentKind, type: string): string | undefined {
    const advice = adviceFor(kind, type, (otherKind, name) => this.find(otherKind, name) !== undefined)
    if (advice) return advice
    const names = this.#components.filter((spec) => spec.kind === kind)
    const bare = bareName(type)
    const near = didYouMean(
      bare,
      names.flatMap((spec) => [spec.type, ...bareNames(spec)]),
    )
    if (near) return near
    const elsewhere = this.#components.find(
      (spec) => spec.kind !== kind && this.#names.get(spec.kind)?.get(normalize(type)) === spec,
    )
    if (elsewhere) return `"${elsewhere.type}" is a ${elsewhere.kind}`
    const types = this.typesOf(kind)
    return types.length > 0
      ? `there are ${types.join(', ')}, and modules of your own such as ./my-${kind.replaceAll(' ', '-')}.ts`
      : undefined
  }

  #add(spec: ComponentSpec, name: string): void {
    const names = this.#names.get(spec.kind) ?? new Map<string, ComponentSpec>()
    this.#names.set(spec.kind, names)
    if (!names.has(normalize(name))) names.set(normalize(name), spec)
  }
}

/** True for a type that names a file: `./my-source.ts`, `/opt/sinks/mine.mjs`. */
export function isModulePath(type: string): boolean {
  return /^(\.{0,2}\/|[A-Za-z]:[\\/])/.test(type) || /\.(ts|mts|js|mjs)$/.test(type)
}

function normalize(name: string): string {
  return name.toLowerCase().replace(/\$builder$/, '')
}

function typeNames(spec: ComponentSpec): readonly string[] {
  return [spec.type]
}

function fullNames(spec: ComponentSpec): readonly string[] {
  return spec.aliases
}

function bareNames(spec: ComponentSpec): readonly string[] {
  return [spec.type, ...spec.aliases].map(bareName)
}

/** The class's short name: what follows the last dot, without `$Builder`. */
export function bareName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1).replace(/\$Builder$/i, '')
}
