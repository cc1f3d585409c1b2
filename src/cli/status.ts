import { get as httpGet, type IncomingMessage } from 'node:http'
import { get as httpsGet } from 'node:https'
import { Command } from 'commander'
import { systemClock } from '../core/clock.ts'
import { FlumeError } from '../core/error.ts'
import { wellBeing } from '../monitor/health.ts'
import { escapeControls } from '../monitor/logger.ts'
import type { AgentSnapshot } from '../monitor/snapshot.ts'
import { parseArguments, quiet } from './arguments.ts'
import { monitoringPortDefault } from './monitoring.ts'
import { table } from './table.ts'
import type { Verb } from './verb.ts'

const timeoutMsDefault = 5_000
/** An agent of a thousand parts answers some hundred kilobytes. */
const answerBytesMax = 16 * 1024 * 1024

/** `flume-ts status`: ledger and health of a running agent; 1 when something is wrong with it or it does not answer. */
export const status: Verb = async (argv, { stdout }) => {
  const command = statusCommand()
  const asked = parseArguments(command, argv)
  if (asked) {
    stdout.write(asked.help)
    return 0
  }
  const address = addressOf(command.args[0])
  const { json, timeout } = command.opts<{ json: boolean; timeout: string }>()
  if (!/^[1-9]\d{0,8}$/.test(timeout)) {
    throw new FlumeError('USAGE', `--timeout ${timeout} is not a whole number of milliseconds above 0`)
  }
  const snapshot = await ask(address, Number(timeout))
  const { ok, problems } = wellBeing(snapshot)
  if (json) stdout.write(`${JSON.stringify({ ok, problems, ...snapshot }, null, 2)}\n`)
  else stdout.write(asText(snapshot, problems))
  return ok ? 0 : 1
}

export function statusCommand(): Command {
  return quiet(new Command('flume-ts status'))
    .description('Asks a running agent, started with -Dflume.monitoring.type=http, for its ledger and health.')
    .argument(
      '[address]',
      `host:port, a port or a URL of its monitoring; localhost:${monitoringPortDefault} when left out`,
    )
    .option('--timeout <ms>', 'give up after so many milliseconds', String(timeoutMsDefault))
    .option('--json', 'one JSON object instead of tables', false)
}

function addressOf(text = String(monitoringPortDefault)): URL {
  const full = /^\d+$/.test(text) ? `http://127.0.0.1:${text}` : /^https?:\/\//i.test(text) ? text : `http://${text}`
  const url = URL.canParse(full) ? new URL(full) : undefined
  if (!url || url.hostname === '') {
    throw new FlumeError('USAGE', `"${text}" is no address`, { hint: 'write host:port, such as localhost:34545' })
  }
  if (url.port === '' && !/^https?:\/\//i.test(text)) url.port = String(monitoringPortDefault)
  return new URL('/status', url)
}

/** The agent's own snapshot. Rejects CONNECTION, TIMEOUT, LIMIT or PROTOCOL with where, and what to do. */
async function ask(address: URL, timeoutMs: number): Promise<AgentSnapshot> {
  const stop = new AbortController()
  const where = address.host
  const timer = systemClock.after(timeoutMs, () => stop.abort())
  try {
    const { status: answered, text } = await get(address, stop.signal)
    if (answered === 404) {
      throw new FlumeError('PROTOCOL', `${where} has no /status page`, {
        hint: "a Flume of the Apache Software Foundation has only /metrics; this command asks flume-ts' own agents",
      })
    }
    if (answered !== 200) throw new FlumeError('PROTOCOL', `${where} answered ${answered}`)
    return snapshotOf(text, where)
  } catch (cause) {
    if (cause instanceof FlumeError) throw cause
    if (stop.signal.aborted) throw new FlumeError('TIMEOUT', `${where} did not answer within ${timeoutMs} ms`)
    throw new FlumeError('CONNECTION', `no agent answers at ${where}`, {
      cause,
      hint: 'start it with -Dflume.monitoring.type=http, and give host:port unless that is localhost:41414',
    })
  } finally {
    timer.cancel()
  }
}

/** Not by fetch, which refuses some ports out of concern for browsers. */
async function get(address: URL, signal: AbortSignal): Promise<{ readonly status: number; readonly text: string }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { signal, agent: false as const }
    const request =
      address.protocol === 'https:' ? httpsGet(address, options, resolve) : httpGet(address, options, resolve)
    request.on('error', reject)
  })
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > answerBytesMax) {
      throw new FlumeError('LIMIT', `${address.host} answered more than ${answerBytesMax} bytes`)
    }
    pieces.push(piece)
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString() }
}

function snapshotOf(text: string, where: string): AgentSnapshot {
  let value: Partial<AgentSnapshot> | null = null
  try {
    value = JSON.parse(text) as Partial<AgentSnapshot> | null
  } catch {
    // Said below.
  }
  const isSnapshot =
    typeof value?.agent === 'string' &&
    [value.components, value.sources, value.channels, value.health].every((list) => Array.isArray(list))
  if (!isSnapshot) throw new FlumeError('PROTOCOL', `what ${where} answers is not the status of an agent`)
  return value as AgentSnapshot
}

function asText({ agent, sources, channels, health }: AgentSnapshot, problems: readonly string[]): string {
  const dropped = (values: Readonly<Record<string, number | undefined>>): string =>
    Object.entries(values)
      .filter(([, count]) => count)
      .map(([reason, count]) => `${count} ${reason}`)
      .join(', ') || '0'
  const parts = [
    `agent ${escapeControls(agent)}\n`,
    table(
      ['part', 'name', 'state', ''],
      health.map(({ kind, name, state, problem }) => [kind, name, state, problem ?? '']),
    ),
    sources.length === 0
      ? ''
      : `\n${table(
          ['source', 'received', 'accepted', 'refused', 'routed', 'dropped'],
          sources.map((one) => [one.source, one.received, one.accepted, one.refused, one.routed, dropped(one.dropped)]),
        )}`,
    channels.length === 0
      ? ''
      : `\n${table(
          ['channel', 'entered', 'delivered', 'held', 'dropped'],
          channels.map((one) => [one.channel, one.entered, one.delivered, one.held, dropped(one.dropped)]),
        )}`,
    problems.length === 0
      ? '\nall is well: every event is accounted for\n'
      : `\n${problems.map((problem) => `${escapeControls(problem)}\n`).join('')}`,
  ]
  return parts.join('')
}
