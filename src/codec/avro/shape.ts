// Are two protocols the same on the wire? Names of records, documentation, defaults and Java's hints do not matter there;
// order and kind of what is written do.
type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

/** Types looked at before giving up: a stranger's types may name each other over and over. */
const typesMax = 1000

interface Known {
  readonly types: ReadonlyMap<string, Json>
  left: number
}

/**
 * What the message `name` of a protocol puts on the wire, as a text to compare; undefined when there is no such message
 * or the text is no protocol.
 */
export function messageShape(protocolText: string, name: string): string | undefined {
  let protocol: Json
  try {
    protocol = JSON.parse(protocolText) as Json
  } catch {
    return undefined
  }
  const messages = member(protocol, 'messages')
  // Own members only: `constructor` is no message.
  const message = isObject(messages) && Object.hasOwn(messages, name) ? messages[name] : undefined
  if (message === undefined) return undefined
  const types = new Map<string, Json>()
  for (const type of asList(member(protocol, 'types'))) {
    const typeName = member(type, 'name')
    if (typeof typeName === 'string') types.set(shortName(typeName), type)
  }
  const known = { types, left: typesMax }
  const request = asList(member(message, 'request')).map((parameter) => typeShape(member(parameter, 'type'), known))
  return `(${request.join(',')})${typeShape(member(message, 'response') ?? null, known)}`
}

function typeShape(type: Json | undefined, known: Known): string {
  if (--known.left < 0) return '…'
  if (type === undefined) return '?'
  if (Array.isArray(type)) return `[${type.map((branch: Json) => typeShape(branch, known)).join('|')}]`
  if (typeof type === 'string') {
    const named = known.types.get(shortName(type))
    return named === undefined ? type : typeShape(named, known)
  }
  if (!isObject(type)) return String(type)
  switch (type.type) {
    case 'record':
    case 'error':
      return `{${asList(type.fields)
        .map((field) => fieldShape(field, known))
        .join(',')}}`
    case 'enum':
      return `enum(${asList(type.symbols)
        .filter((symbol) => typeof symbol === 'string')
        .join(',')})`
    case 'array':
      return `array<${typeShape(type.items, known)}>`
    case 'map':
      return `map<${typeShape(type.values, known)}>`
    case 'fixed':
      return `fixed(${typeof type.size === 'number' ? type.size : '?'})`
    default:
      // {"type": "string", "avro.java.string": "String"} is a string.
      return typeShape(type.type, known)
  }
}

function fieldShape(field: Json, known: Known): string {
  const name = member(field, 'name')
  return `${typeof name === 'string' ? name : '?'}:${typeShape(member(field, 'type'), known)}`
}

function shortName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

function isObject(value: Json | undefined): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function member(value: Json | undefined, name: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

function asList(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}
