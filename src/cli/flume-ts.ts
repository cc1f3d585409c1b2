import type { Terminal, Verb } from './verb.ts'

/** Loaded when they are asked for, so that help stays instant and an old Node gets a clear word before anything fails. */
const verbs: ReadonlyMap<string, () => Promise<Verb>> = new Map<string, () => Promise<Verb>>([
  ['agent', async () => (await import('./agent.ts')).agent],
  ['channel', async () => (await import('./channel.ts')).channel],
  ['tool', async () => (await import('./channel.ts')).tool],
  ['validate', async () => (await import('./validate.ts')).validate],
  ['plan', async () => (await import('./plan.ts')).plan],
  ['graph', async () => (await import('./graph.ts')).graph],
  ['status', async () => (await import('./status.ts')).status],
  ['avro-client', async () => (await import('./avro-client.ts')).avroClient],
  ['list', async () => (await import('./list.ts')).list],
  ['completion', async () => (await import('./completion.ts')).completion],
  ['hdfs', async () => (await import('./hdfs.ts')).hdfs],
  ['help', async () => (await import('./help.ts')).help],
  ['version', async () => (await import('./version.ts')).version],
])

/** `flume-ts VERB …`: dispatches, and turns what was thrown into one line and an exit code. */
export async function main(
  argv: readonly string[],
  terminal: Terminal = process,
  nodeVersion: string = process.versions.node,
): Promise<number> {
  const needed = nodeNeeded(nodeVersion)
  if (needed) {
    terminal.stderr.write(`flume-ts: ${needed}\n`)
    return 1
  }
  const { explain, FlumeError } = await import('../core/error.ts')
  const { keepAlive } = await import('../core/keep-alive.ts')
  const [word, ...rest] = argv
  // A command may wait for nothing but a pause, or an answer on a connection that holds nobody.
  const release = keepAlive()
  try {
    if (word === undefined) {
      throw new FlumeError('USAGE', 'no command is given', { hint: 'flume-ts help lists the commands' })
    }
    const verb = await findVerb(word)
    return await verb(rest, terminal)
  } catch (thrown) {
    terminal.stderr.write(`flume-ts: ${explain(thrown)}\n`)
    return thrown instanceof FlumeError && thrown.code === 'USAGE' ? 2 : 1
  } finally {
    release()
  }
}

async function findVerb(word: string): Promise<Verb> {
  const name = spellings.get(word) ?? word
  const found = verbs.get(name)
  if (found) return found()
  const { FlumeError } = await import('../core/error.ts')
  const { didYouMean } = await import('../spec/nearest.ts')
  const hint = didYouMean(word, verbs.keys()) ?? 'flume-ts help lists the commands'
  throw new FlumeError('USAGE', `there is no command "${word}"`, { hint })
}

const spellings: ReadonlyMap<string, string> = new Map([
  ['--help', 'help'],
  ['-h', 'help'],
  ['--version', 'version'],
  ['-V', 'version'],
  // Flume's deprecated name (L-01).
  ['node', 'agent'],
])

/** What to say to a Node that is too old to run this; undefined when it is not. */
function nodeNeeded(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return undefined
  return `Node ${version} is too old: 20.19 or newer is needed`
}
