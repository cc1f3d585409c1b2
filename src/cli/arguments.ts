import { type Command, CommanderError } from 'commander'
import { FlumeError } from '../core/error.ts'

/**
 * Parses a verb's arguments; answers its help when that was asked for. Long names may have one dash, as Flume's own
 * parser takes them (`-rpcProps`). Throws USAGE, for exit code 2.
 */
export function parseArguments(command: Command, argv: readonly string[]): { readonly help: string } | undefined {
  const names = new Set(command.options.flatMap(({ long }) => (long ? [long.slice(2)] : [])))
  const words = argv.map((word) => {
    const [, name] = /^-([a-zA-Z][a-zA-Z-]+)(?:=.*)?$/.exec(word) ?? []
    return name !== undefined && names.has(name) ? `-${word}` : word
  })
  try {
    command.parse(words, { from: 'user' })
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    if (thrown.code === 'commander.helpDisplayed') return { help: command.helpInformation() }
    throw new FlumeError('USAGE', thrown.message.replace(/^error: /, ''), { hint: `${command.name()} --help` })
  }
}

/** A command that neither prints nor ends the process by itself. */
export function quiet(command: Command): Command {
  return command
    .exitOverride()
    .configureHelp({ optionDescription: ({ description }) => description })
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    .allowExcessArguments(false)
}

/** Collects an option that may be given several times. */
export function many(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

/** `-Dkey=value` settings. */
export function settings(texts: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    texts.map((text): [string, string] => {
      const equals = text.indexOf('=')
      return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)]
    }),
  )
}
