import type { ComponentKind } from '../agent/contract.ts'

/** Kinds of components in the order of help. */
export const kinds: readonly ComponentKind[] = [
  'source',
  'channel',
  'sink',
  'interceptor',
  'selector',
  'sink processor',
  'serializer',
  'deserializer',
  'config filter',
]

/** A kind as one word of a command line. */
export const spoken = (kind: ComponentKind): string => kind.replace('sink ', '').replace(' ', '-')

/** The kind that a word of the command line means, in the singular or the plural. */
export function kindOf(word: string): ComponentKind | undefined {
  return kinds.find((kind) => [kind, `${kind}s`, spoken(kind), `${spoken(kind)}s`].includes(word))
}
