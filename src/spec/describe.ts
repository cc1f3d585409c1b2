import type { Option, OptionTable } from './option.ts'

/** What help and the reference pages need to know of a component. */
export interface Described {
  readonly kind: string
  readonly type: string
  readonly aliases: readonly string[]
  readonly summary: string
  readonly options: OptionTable
}

/** `help KIND TYPE`: the component's names and its options as a table. */
export function describeForTerminal(spec: Described): string {
  const lines = [`${spec.kind} ${spec.type}: ${spec.summary}`]
  if (spec.aliases.length > 0) lines.push(`also: ${spec.aliases.join(', ')}`)
  const rows = Object.entries(spec.options).map(([name, option]) => [
    nameOf(name, option),
    option.kind,
    defaultOf(option),
    docOf(option),
  ])
  if (rows.length === 0) return `${lines.join('\n')}\n\nno options of its own\n`
  const table = [['option', 'takes', 'default', ''], ...rows]
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => (row[column] as string).length)))
  for (const row of ['', ...table]) {
    if (row === '') lines.push('')
    else {
      const cells = widths.map((width, column) => (row[column] as string).padEnd(width))
      lines.push(`  ${[...cells, row[3]].join('  ').trimEnd()}`)
    }
  }
  return `${lines.join('\n')}\n`
}

/** The component's reference page, in Markdown. */
export function describeAsPage(spec: Described): string {
  const lines = [`# ${spec.kind} \`${spec.type}\``, '', spec.summary, '']
  if (spec.aliases.length > 0) lines.push(`Also: ${spec.aliases.map((alias) => `\`${alias}\``).join(', ')}`, '')
  const options = Object.entries(spec.options)
  if (options.length === 0) lines.push('No options of its own.')
  else {
    lines.push('| Option | Takes | Default | |', '|---|---|---|---|')
    for (const [name, option] of options) {
      const shown = defaultOf(option)
      const cells = [
        `\`${nameOf(name, option)}\``,
        option.kind,
        shown.startsWith('(') ? shown : `\`${shown}\``,
        docOf(option),
      ]
      lines.push(`| ${cells.map(escapeCell).join(' | ')} |`)
    }
  }
  return `${lines.join('\n')}\n`
}

function nameOf(name: string, option: Option<unknown>): string {
  return option.isPrefix ? `${name}*` : name
}

function docOf(option: Option<unknown>): string {
  const formerly = option.formerly.length > 0 ? ` Formerly ${option.formerly.join(', ')}.` : ''
  return `${option.doc}${formerly}`
}

/** The default as it would be written; words in parentheses where there is none to write. */
function defaultOf(option: Option<unknown>): string {
  if ('defaultType' in option) return String(option.defaultType)
  if (option.required) return '(required)'
  if (option.defaultText !== undefined) return option.defaultText || '(none)'
  const value = option.default
  if (option.isPrefix || value === undefined || (Array.isArray(value) && value.length === 0) || value === '') {
    return '(none)'
  }
  if (Array.isArray(value)) return value.join(' ')
  // A pattern or a charset says itself how it is written; a plain record does not.
  const isPlain = typeof value === 'object' && value?.toString === Object.prototype.toString
  return isPlain ? JSON.stringify(value) : String(value)
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ')
}
