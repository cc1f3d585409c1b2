import type { UserFunction } from '../rdd/plan.ts'

/** A function of the job, with the operator it belongs to for people. */
export interface NamedFunction {
  readonly operator: string
  readonly f: UserFunction
}

/** Plain values of variables that functions name, by operator and variable; `notPlain` for others. */
export type Captured = ReadonlyMap<string, unknown>

/** Where a function is put for the debugger to find. */
const place = '__flumeTsFunction'

interface Property {
  readonly name: string
  readonly value?: {
    readonly type: string
    readonly value?: unknown
    readonly description?: string
    readonly objectId?: string
  }
}

/** Stands for an object or function: one is not told from another, but from a variable that holds nothing yet. Crosses threads. */
const notPlain = 'flume-ts: not a plain value'

const plainTypes = new Set(['string', 'number', 'boolean', 'undefined'])

/**
 * What variables outside a function hold that it names: by V8's own debugger interface, as the language has no way to
 * ask. Only plain values are told apart, and only variables that stand in the function's own text. Empty where Node was
 * built without that interface.
 */
export async function capturedValues(functions: readonly NamedFunction[]): Promise<Captured> {
  const inspector = await import('node:inspector').catch(() => undefined)
  const captured = new Map<string, unknown>()
  if (!inspector) return captured
  const session = new inspector.Session()
  session.connect()
  const holder = globalThis as Record<string, unknown>
  const propertiesOf = (
    objectId: string | undefined,
  ): { readonly result: Property[]; readonly internalProperties?: Property[] } => {
    let found: { result: Property[]; internalProperties?: Property[] } = { result: [] }
    if (objectId === undefined) return found
    session.post('Runtime.getProperties', { objectId, ownProperties: true }, (error, answer) => {
      if (!error) found = answer as unknown as typeof found
    })
    return found
  }
  try {
    for (const { operator, f } of functions) {
      holder[place] = f
      let objectId: string | undefined
      session.post('Runtime.evaluate', { expression: `globalThis.${place}` }, (error, answer) => {
        if (!error) objectId = answer.result.objectId
      })
      const text = Function.prototype.toString.call(f)
      const scopes = propertiesOf(objectId).internalProperties?.find(({ name }) => name === '[[Scopes]]')
      for (const { value: scope } of propertiesOf(scopes?.value?.objectId).result) {
        if (!scope?.description || scope.description.startsWith('Global')) continue
        for (const { name, value } of propertiesOf(scope.objectId).result) {
          if (value && names(text, name))
            captured.set(`${operator} uses \`${name}\``, isPlain(value) ? value.value : notPlain)
        }
      }
    }
  } finally {
    delete holder[place]
    session.disconnect()
  }
  return captured
}

/** Null has the type of objects, and its own value. */
function isPlain({ type, value }: NonNullable<Property['value']>): boolean {
  return plainTypes.has(type) || value === null
}

/** True when a text has the name as a word of its own. */
function names(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    if (!/[\w$]/.test(text.charAt(at - 1)) && !/[\w$]/.test(text.charAt(at + name.length))) return true
  }
  return false
}

/** What is named in both and differs. */
export function changedBetween(before: Captured, after: Captured): string[] {
  return [...before].flatMap(([name, value]) => (after.has(name) && !Object.is(after.get(name), value) ? [name] : []))
}
