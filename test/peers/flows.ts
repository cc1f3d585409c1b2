// Several flows beside each other in one agent, theirs and ours: starting a real Flume costs more than what it is asked.
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../src/core/clock.ts'
import { freePort } from '../support/free-port.ts'
import { tempDir } from '../support/temp-dir.ts'
import { type Side, startAgent } from './side-by-side.ts'

/** A source of its own, with channels of its own. */
export interface Flow {
  readonly name: string
  /** The source's properties; `PORT` stands for its own, and a channel's name between blanks for the channel. */
  readonly source: readonly string[]
  /** Channels by name, each with its properties; one memory channel `c` when left out. */
  readonly channels?: Readonly<Record<string, readonly string[]>>
  /** Channels whose sink finds nobody to send to, so that what they have stays in them. */
  readonly stuck?: readonly string[]
  /** Gives the source its input; what it answers is compared. */
  feed(port: number): Promise<unknown>
  /** Lines that must have come out of a channel before the agent is stopped. */
  readonly lines: Readonly<Record<string, number>>
}

/** What can be seen of a flow from outside. */
export interface Outcome {
  /** What the sender was answered. */
  readonly answers: unknown
  /** The events that came out of each channel, with their headers in an order of their own. */
  readonly events: Readonly<Record<string, readonly string[]>>
}

interface Cleanup {
  after(release: () => Promise<void>): void
}

/** Runs the flows in one agent and resolves to what came of each. */
export async function runFlows(
  test: Cleanup,
  side: Side,
  version: '1.9' | '1.11',
  flows: readonly Flow[],
): Promise<readonly Outcome[]> {
  const folder = await tempDir(test)
  const nobody = await freePort()
  const ports: number[] = []
  const tags: string[] = []
  const rows: string[] = []
  const lists = { sources: [] as string[], channels: [] as string[], sinks: [] as string[] }
  for (const [i, flow] of flows.entries()) {
    const port = await freePort()
    ports.push(port)
    const channels = Object.entries(flow.channels ?? { c: [] })
    const source = `a1.sources.r${i}`
    const tag = tagOf(
      channels.map(([name]) => name),
      i,
    )
    tags.push(tag)
    lists.sources.push(`r${i}`)
    rows.push(`${source}.channels = ${channels.map(([name]) => `${name}${tag}`).join(' ')}`)
    const known = channels.map(([name]) => name).join('|')
    for (const line of flow.source) {
      // In a selector's values only: elsewhere a word may mean something else.
      const named = /^selector\./.test(line)
        ? line.replaceAll(new RegExp(`(?<=[= ])(${known})(?= |$)`, 'g'), `$1${tag}`)
        : line
      rows.push(`${source}.${named.replaceAll('PORT', String(port)).replaceAll('FOLDER', folder)}`)
    }
    for (const [name, properties] of channels) {
      const channel = `${name}${tag}`
      const sink = `a1.sinks.k${channel}`
      lists.channels.push(channel)
      lists.sinks.push(`k${channel}`)
      rows.push(`a1.channels.${channel}.type = memory`, `${sink}.channel = ${channel}`)
      for (const line of properties) rows.push(`a1.channels.${channel}.${line}`)
      if (flow.stuck?.includes(name)) {
        rows.push(`${sink}.type = avro`, `${sink}.hostname = 127.0.0.1`, `${sink}.port = ${nobody}`)
        rows.push(`${sink}.batch-size = 1`)
        continue
      }
      await mkdir(join(folder, channel))
      rows.push(
        `${sink}.type = file_roll`,
        `${sink}.sink.directory = ${folder}/${channel}`,
        `${sink}.sink.rollInterval = 0`,
        `${sink}.sink.serializer = header_and_text`,
        `${sink}.sink.batchSize = ${/^transactionCapacity = (\d+)$/m.exec(properties.join('\n'))?.[1] ?? 100}`,
      )
    }
  }
  const heads = Object.entries(lists).map(([kind, names]) => `a1.${kind} = ${names.join(' ')}`)
  await using agent = await startAgent(side, version, [...heads, ...rows, ''].join('\n'), folder)
  const answers: unknown[] = []
  for (const [i, flow] of flows.entries()) answers.push(await flow.feed(ports[i] as number))

  const eventsOf = async (channel: string): Promise<readonly string[]> => {
    const names = await readdir(join(folder, channel)).catch(() => [])
    const texts = await Promise.all(names.sort().map((name) => readFile(join(folder, channel, name), 'utf8')))
    return texts.join('').split('\n').slice(0, -1).map(inOrder)
  }
  for (const [i, flow] of flows.entries()) {
    for (const [name, lines] of Object.entries(flow.lines)) {
      for (let left = attemptsMax; (await eventsOf(`${name}${tags[i]}`)).length < lines; left--) {
        if (left === 0) {
          const came = (await eventsOf(`${name}${tags[i]}`)).join('\n')
          throw new Error(
            `${side}, ${flow.name}: fewer than ${lines} events came out of ${name}:\n${came}\n${agent.stderr.slice(-4000)}`,
          )
        }
        await systemClock.sleep(attemptMs)
      }
    }
  }
  await agent.stop()
  return Promise.all(
    flows.map(async (flow, i) => ({
      answers: answers[i],
      events: Object.fromEntries(
        await Promise.all(
          Object.keys(flow.channels ?? { c: [] })
            .filter((name) => !flow.stuck?.includes(name))
            .map(async (name) => [name, await eventsOf(`${name}${tags[i]}`)] as const),
        ),
      ),
    })),
  )
}

/**
 * What makes the names of a flow's channels, or a group's sinks, its own. Flume takes them in the order of a hash of their
 * names, where here it is that of the list: with this behind them it is the same.
 */
export function tagOf(names: readonly string[], flow: number): string {
  for (let more = 0; ; more++) {
    const tag = `${flow}x${more}`
    const buckets = names.map((name) => bucketOf(`${name}${tag}`))
    if (buckets.every((bucket, i) => i === 0 || bucket > (buckets[i - 1] as number))) return tag
  }
}

/** Where `java.util.HashSet` puts a short list's word. */
function bucketOf(word: string): number {
  let hash = 0
  for (let i = 0; i < word.length; i++) hash = (31 * hash + word.charCodeAt(i)) | 0
  return (hash ^ (hash >>> 16)) & 15
}

const attemptMs = 50
const attemptsMax = 400

/** A line of headers and body, its headers in an order of their own; those without a value, which only Java has, left out. */
function inOrder(line: string): string {
  return line.replace(/^\{(.*?)\} ?/, (_, headers: string) => {
    const kept = headers.split(', ').filter((header) => header !== '' && !header.endsWith('=null'))
    return `{${kept.sort().join(', ')}} `
  })
}

/** Sends events to an `http` source in one request; resolves to the status. */
export async function postEvents(
  port: number,
  events: readonly { readonly headers?: Readonly<Record<string, string>>; readonly body: string }[],
): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json; charset=utf-8', connection: 'close' },
    body: JSON.stringify(events),
  })
  await response.arrayBuffer()
  return response.status
}
