import type { Random } from '../../src/core/random.ts'
import { checkpointFiles, FlumeLogWriter, logMeta, type Place, type WrittenCheckpoint } from './flume-channel.ts'

export interface FlumeHistory {
  /** Below `/checkpoint` and `/data-N`. */
  readonly files: ReadonlyMap<string, Buffer>
  readonly directories: readonly string[]
  /** Bodies that are left, in the order of their commits. */
  readonly left: readonly string[]
  /** Whether they must come in just that order: no take was rolled back, and none was open at the checkpoint. */
  readonly isOrdered: boolean
}

interface Held extends Place {
  readonly body: string
  commit: number
}

interface Open {
  readonly id: number
  readonly takes: boolean
  readonly events: Held[]
}

/** What a channel of Flume's writes while transactions come, end and stay open, and checkpoints are written; then it is killed. */
export function randomHistory(random: Random, steps: number): FlumeHistory {
  const upTo = (count: number): number => Math.floor(random() * count)
  const data = Array.from({ length: 1 + upTo(3) }, (_, index) => `/data-${index + 1}`)
  let files = 0
  let order = 1000
  let commits = 0
  const newLog = (directory: string) => ({
    directory,
    file: ++files,
    writer: new FlumeLogWriter(),
    position: 0,
    order: 0,
  })
  const logs = data.map(newLog)
  const current = [...logs]
  let queue: Held[] = []
  const open: Open[] = []
  let checkpoint: WrittenCheckpoint = { order: 0, queue: [], puts: new Map(), takes: new Map() }
  let isOrdered = true
  let next = 0

  const logOf = (id: number) => current[id % current.length] as (typeof logs)[number]
  const step = (): void => {
    const dice = upTo(20)
    if (dice < 7 && open.length < 6) {
      const id = ++order
      const takes = random() < 0.45
      const count = 1 + upTo(4)
      const events: Held[] = []
      const { file, writer } = logOf(id)
      for (let i = 0; i < count; i++) {
        if (takes) {
          const taken = queue.shift()
          if (!taken) break
          writer.take(id, ++order, taken.file, taken.offset)
          events.push(taken)
        } else {
          const body = `event ${next++}${'.'.repeat(upTo(200))}`
          events.push({ file, offset: writer.put(id, ++order, body), body, commit: 0 })
        }
      }
      open.push({ id, takes, events })
    } else if (dice < 15 && open.length > 0) {
      const [one] = open.splice(upTo(open.length), 1) as [Open]
      const how = random() < 0.75 ? 'commit' : 'rollback'
      logOf(one.id).writer.end(how, one.id, ++order, one.takes)
      if (how === 'commit' && !one.takes) {
        commits++
        for (const event of one.events) event.commit = commits
        queue.push(...one.events)
      }
      if (how === 'rollback' && one.takes) {
        queue = [...one.events, ...queue]
        if (one.events.length > 0) isOrdered = false
      }
    } else if (dice < 17) {
      const index = upTo(current.length)
      const log = newLog((current[index] as (typeof logs)[number]).directory)
      logs.push(log)
      current[index] = log
    } else if (dice < 18) {
      order++
      const inFlight = (takes: boolean) =>
        new Map(
          open.filter((one) => one.takes === takes && one.events.length > 0).map(({ id, events }) => [id, [...events]]),
        )
      checkpoint = { order, queue: [...queue], puts: inFlight(false), takes: inFlight(true) }
      if (checkpoint.takes.size > 0) isOrdered = false
      for (const log of logs) {
        // A log that is not written to any more keeps its place, as Flume leaves it.
        if (current.includes(log)) log.position = log.writer.length
        log.order = order
      }
    }
  }
  for (let i = 0; i < steps; i++) step()
  const left = [...queue, ...open.flatMap(({ takes, events }) => (takes ? events : []))]
  // Commits are numbered; within one, events lie in the order of their places.
  left.sort((a, b) => a.commit - b.commit || a.file - b.file || a.offset - b.offset)
  const contents = checkpointFiles('/checkpoint', checkpoint, upTo(50))
  for (const { directory, file, writer, position, order: at } of logs) {
    contents.set(`${directory}/log-${file}`, writer.bytes)
    contents.set(`${directory}/log-${file}.meta`, logMeta(file, position, at))
  }
  return { files: contents, directories: ['/checkpoint', ...data], left: left.map(({ body }) => body), isOrdered }
}
