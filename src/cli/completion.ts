import { FlumeError } from '../core/error.ts'
import { didYouMean } from '../spec/nearest.ts'
import { commands } from './commands.ts'
import { kinds, spoken } from './kinds.ts'
import type { Verb } from './verb.ts'

/** An option of a command: its spellings, what it takes, what it does. */
interface Flag {
  readonly short: string | undefined
  readonly long: string | undefined
  readonly takesValue: boolean
  readonly summary: string
}

interface Words {
  readonly commands: readonly { readonly name: string; readonly summary: string; readonly flags: readonly Flag[] }[]
  readonly kinds: readonly { readonly name: string; readonly types: readonly string[] }[]
}

const writers: ReadonlyMap<string, (words: Words) => string> = new Map([
  ['bash', bash],
  ['zsh', zsh],
  ['fish', fish],
])

/** `flume-ts completion SHELL`: a script that completes commands, their options, and the types that `help` knows. */
export const completion: Verb = async ([shell, ...rest], { stdout }) => {
  const write = writers.get(shell ?? '')
  const names = [...writers.keys()]
  if (shell === '--help' || shell === '-h') {
    stdout.write(
      `usage: flume-ts completion ${names.join('|')}\n\n  bash  source <(flume-ts completion bash)\n  zsh   source <(flume-ts completion zsh)\n  fish  flume-ts completion fish | source\n`,
    )
    return 0
  }
  if (!write || rest.length > 0) {
    const said =
      shell === undefined
        ? 'no shell is given'
        : write
          ? `"${rest[0]}" is one too many`
          : `there is no completion for "${shell}"`
    const hint = (shell !== undefined && !write && didYouMean(shell, names)) || `there are ${names.join(', ')}`
    throw new FlumeError('USAGE', said, { hint })
  }
  stdout.write(write(await allWords()))
  return 0
}

async function allWords(): Promise<Words> {
  const { components } = await import('../agent/components.ts')
  const known = await Promise.all(
    commands.map(async ({ name, summary, options }) => {
      const flags = ((await options?.())?.options ?? [])
        .filter(({ hidden }) => !hidden)
        .map(({ short, long, required, optional, description }) => ({
          short,
          long,
          takesValue: required || optional,
          summary: description,
        }))
      return { name, summary, flags }
    }),
  )
  return {
    commands: known,
    kinds: kinds.map((kind) => ({
      name: spoken(kind),
      types: components.filter((spec) => spec.kind === kind).map(({ type }) => type),
    })),
  }
}

const spellings = ({ short, long }: Flag): string[] => [short, long].filter((word) => word !== undefined)
/** Options whose value is one of ours; every other value is completed as a file. */
const shells = 'bash zsh fish'

function bash(words: Words): string {
  const names = words.commands.map(({ name }) => name).join(' ')
  const kindNames = words.kinds.map(({ name }) => name).join(' ')
  const cases = words.commands
    .filter(({ flags }) => flags.length > 0)
    .map(({ name, flags }) => `    ${name}) options=${quoted(flags.flatMap(spellings).join(' '))} ;;\n`)
  const types = words.kinds.map(({ name, types }) => `      ${name}) words=${quoted(types.join(' '))} ;;\n`)
  return `# bash completion of flume-ts: source <(flume-ts completion bash)
_flume_ts() {
  local current=\${COMP_WORDS[COMP_CWORD]} options= words=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W ${quoted(names)} -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('')}  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]} in
    help) if ((COMP_CWORD == 2)); then words=${quoted([...new Set(`${kindNames} ${names}`.split(' '))].join(' '))}; else case \${COMP_WORDS[2]} in
${types.join('')}    esac; fi ;;
    list) words=${quoted(kindNames)} ;;
    completion) words=${quoted(shells)} ;;
    tool) words=fcintegritytool ;;
    *) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o filenames -F _flume_ts flume-ts
`
}

function zsh(words: Words): string {
  const described = (name: string, summary: string): string => quoted(`${name}:${summary.replaceAll(':', '\\:')}`)
  const cases = words.commands
    .filter(({ flags }) => flags.length > 0)
    .map(({ name, flags }) => {
      const specs = flags.flatMap((flag) =>
        spellings(flag).map((spelling) =>
          quoted(
            `*${spelling}[${flag.summary.replaceAll(/[[\]\\]/g, '\\$&')}]${flag.takesValue ? ':value:_files' : ''}`,
          ),
        ),
      )
      return `    ${name}) _arguments ${specs.join(' ')} '*:file:_files' ;;\n`
    })
  const types = words.kinds.map(({ name, types }) => `        ${name}) compadd -- ${types.map(quoted).join(' ')} ;;\n`)
  const kindNames = words.kinds.map(({ name }) => name).join(' ')
  return `#compdef flume-ts
# zsh completion of flume-ts: source <(flume-ts completion zsh)
_flume_ts() {
  local -a names
  names=(${words.commands.map(({ name, summary }) => described(name, summary)).join(' ')})
  if ((CURRENT == 2)); then
    _describe command names
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${cases.filter((line) => !/^ {4}list\)/.test(line)).join('')}    help)
      if ((CURRENT == 2)); then compadd -- ${kindNames}; _describe command names; else case $words[2] in
${types.join('')}      esac; fi ;;
    list) compadd -- ${kindNames} --json ;;
    completion) compadd -- ${shells} ;;
    tool) compadd -- fcintegritytool ;;
  esac
}
compdef _flume_ts flume-ts
`
}

function fish(words: Words): string {
  const lines = ['# fish completion of flume-ts: flume-ts completion fish | source', 'complete -c flume-ts -f']
  for (const { name, summary } of words.commands) {
    lines.push(`complete -c flume-ts -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`)
  }
  for (const { name, flags } of words.commands) {
    const within = `-n ${quoted(`__fish_seen_subcommand_from ${name}`)}`
    if (!['help', 'list', 'completion', 'tool', 'version'].includes(name))
      lines.push(`complete -c flume-ts ${within} -F`)
    for (const { short, long, takesValue, summary } of flags) {
      // Fish has -s for one letter, -o for a long name behind one dash, -l for one behind two.
      const spelt = [
        short ? `${short.length === 2 ? '-s' : '-o'} ${short.slice(1)}` : '',
        long ? `-l ${long.slice(2)}` : '',
        takesValue ? '-r' : '',
      ]
      lines.push(
        `complete -c flume-ts ${within} ${spelt.filter((word) => word !== '').join(' ')} -d ${quoted(summary)}`,
      )
    }
  }
  const kindNames = words.kinds.map(({ name }) => name).join(' ')
  for (const name of ['help', 'list']) {
    const first = `__fish_seen_subcommand_from ${name}; and test (count (commandline -opc)) -eq 2`
    lines.push(`complete -c flume-ts -n ${quoted(first)} -a ${quoted(kindNames)}`)
  }
  for (const { name, types } of words.kinds) {
    const second = `__fish_seen_subcommand_from help; and test (count (commandline -opc)) -eq 3; and contains -- ${name} (commandline -opc)`
    lines.push(`complete -c flume-ts -n ${quoted(second)} -a ${quoted(types.join(' '))}`)
  }
  lines.push(`complete -c flume-ts -n '__fish_seen_subcommand_from completion' -a ${quoted(shells)}`)
  lines.push(`complete -c flume-ts -n '__fish_seen_subcommand_from tool' -a fcintegritytool`)
  return `${lines.join('\n')}\n`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
