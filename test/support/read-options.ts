import { components } from '../../src/agent/components.ts'
import type { ComponentSpec } from '../../src/agent/contract.ts'
import type { NestedOption, Option } from '../../src/spec/option.ts'

/** Option values as the configuration would hand them to `create`, from texts; a text that cannot be read throws. */
export function readOptions(
  spec: Pick<ComponentSpec, 'options'>,
  texts: Readonly<Record<string, string>> = {},
): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(spec.options)) {
    values[name] =
      'component' in option
        ? nestedOf(option as NestedOption<unknown, unknown>, name, texts)
        : read(option, name, texts[name])
  }
  return values
}

function read(option: Option<unknown>, name: string, text: string | undefined): unknown {
  if (text === undefined) {
    if (option.required) throw new Error(`${name} is required`)
    return option.default
  }
  const reading = option.read(text)
  if ('problem' in reading) throw new Error(`${name} ${reading.problem}`)
  return reading.value
}

function nestedOf(option: NestedOption<unknown, unknown>, name: string, texts: Readonly<Record<string, string>>) {
  const type = texts[name] ?? option.defaultType
  const spec = components.find(
    (known) => known.kind === option.component && known.type.toLowerCase() === type.toLowerCase(),
  )
  if (!spec) throw new Error(`no ${option.component} is called ${type}`)
  const below = Object.entries(texts).flatMap(([key, text]) =>
    key.startsWith(`${name}.`) ? [[key.slice(name.length + 1), text] as const] : [],
  )
  const values = readOptions(spec, Object.fromEntries(below))
  return {
    type: spec.type,
    create: (context: unknown) => (spec.create as (...args: unknown[]) => unknown)(values, context),
  }
}
