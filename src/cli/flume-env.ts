export interface FlumeEnv {
  /** What the script exports, in plain words. */
  readonly exported: Readonly<Record<string, string>>
  /** `-Dkey=value` found in JAVA_OPTS and FLUME_JAVA_OPTS. */
  readonly properties: ReadonlyMap<string, string>
  readonly warnings: readonly string[]
}

/**
 * Reads `flume-env.sh` (L-03) without running it: a shell script from a configuration folder is not code we start.
 * `export NAME=value` and `NAME=value` are taken, quoted or not, with `$NAME` and `${NAME}` from the environment or from
 * lines above; `-D` settings in JAVA_OPTS and FLUME_JAVA_OPTS become system properties, as they would in Flume. Whatever
 * else stands there is left alone, and said once.
 */
export function parseFlumeEnv(
  script: string,
  env: Readonly<Record<string, string | undefined>>,
  file: string,
): FlumeEnv {
  const exported = new Map<string, string>()
  const local = new Map<string, string>()
  const skipped: number[] = []
  for (const [index, line] of script.replaceAll('\\\n', ' ').split(/\r?\n/).entries()) {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const assignment = /^(export\s+)?([A-Za-z_]\w*)=(.*)$/.exec(trimmed)
    const lookUp = (name: string): string => exported.get(name) ?? local.get(name) ?? env[name] ?? ''
    const value = assignment ? plainValue(assignment[3] ?? '', lookUp) : undefined
    if (!assignment || value === undefined) skipped.push(index + 1)
    else if (assignment[1] || exported.has(assignment[2] as string)) exported.set(assignment[2] as string, value)
    else local.set(assignment[2] as string, value)
  }
  const properties = new Map<string, string>()
  for (const name of ['JAVA_OPTS', 'FLUME_JAVA_OPTS']) {
    for (const word of (exported.get(name) ?? local.get(name) ?? '').split(/\s+/)) {
      const setting = /^-D([^=]+)(?:=(.*))?$/.exec(word)
      if (setting) properties.set(setting[1] as string, setting[2] ?? '')
    }
  }
  const [first] = skipped
  const lines = skipped.length === 1 ? `line ${first} is` : `line ${first} and ${skipped.length - 1} more are`
  const warnings =
    first === undefined ? [] : [`${file}: ${lines} not a plain export NAME=value and left out; the script is not run`]
  return { exported: Object.fromEntries(exported), properties, warnings }
}

/** A word as the shell would read it; undefined where that would take a shell. */
function plainValue(text: string, lookUp: (name: string) => string): string | undefined {
  const single = /^'([^']*)'\s*(?:#.*)?$/.exec(text)
  if (single) return single[1]
  const double = /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/.exec(text)
  const bare = double ? undefined : /^([^\s"'`\\;&|<>()]*)\s*(?:\s#.*)?$/.exec(text)
  const inner = double ? double[1] : bare?.[1]
  if (inner === undefined || /`|\$\(|\$\{\w+[^\w}]/.test(inner)) return undefined
  return inner
    .replaceAll(/(?<!\\)\$(?:\{(\w+)\}|([A-Za-z_]\w*))/g, (_, braced?: string, plain?: string) =>
      lookUp(braced ?? plain ?? ''),
    )
    .replaceAll(/\\(["\\$`])/g, '$1')
}
