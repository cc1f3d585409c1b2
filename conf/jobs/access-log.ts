import { Minutes, Seconds, type State, StateSpec, type StreamingContext } from 'flume-ts/stream'

/** Client, minute and status of a line of the combined log format. */
const pattern = /^(\S+) \S+ \S+ \[(\d+\/\w+\/\d+:\d+:\d+):\d+ [+-]\d+\] "(?:[^"\\]|\\.)*" (\d{3}) /

interface Request {
  readonly client: string
  readonly minute: string
  readonly status: string
}

function parse(line: string): Request[] {
  const [, client, minute, status] = pattern.exec(line) ?? []
  return client && minute && status ? [{ client, minute, status }] : []
}

const add = (a: number, b: number): number => a + b

/** Lines of a minute may come in several batches, and late: each answers the count so far. */
const soFar = StateSpec.function((key: [string, string], count: number | undefined, state: State<number>) => {
  if (!state.isTimingOut()) state.update((state.getOption() ?? 0) + (count ?? 0))
  return [key, state.get()] as [[string, string], number]
}).timeout(Minutes(60))

/**
 * What a web site's access log tells, file by file as they are moved into a folder: requests per minute and status, the ten
 * busiest clients of the last minutes, and the share of errors since the beginning. Prints them, and leaves them below OUT.
 *
 *   stream-ts submit --conf spark.streaming.checkpoint.directory=STATE conf/jobs/access-log.ts LOGS OUT [WINDOW [SLIDE]]
 *
 * WINDOW and SLIDE are seconds, 300 and 10 when left out, and multiples of the batch interval. Killed and started again it
 * goes on where it was.
 */
export default function accessLog(
  ssc: StreamingContext,
  [logs = 'logs', out = 'out', window = '300', slide = '10']: readonly string[],
): void {
  const requests = ssc.textFileStream(logs).flatMap(parse)

  const minutes = requests
    .map(({ minute, status }): [[string, string], number] => [[minute, status], 1])
    .reduceByKey(add)
    .mapWithState(soFar)
    .setName('minutes')
  minutes.print()
  minutes.saveAsTextFiles(`${out}/minutes`)

  const clients = requests
    .map(({ client }) => client)
    .countByValueAndWindow(Seconds(Number(window)), Seconds(Number(slide)))
    .setName('clients')
  const busiest = clients.transform((counts) =>
    counts
      .sortBy(([client, count]) => [-count, client], true, 1)
      .zipWithIndex()
      .filter(([, place]) => place < 10)
      .keys(),
  )
  busiest.print()
  busiest.saveAsTextFiles(`${out}/clients`)

  const errors = requests
    .map(({ status }) => [status >= '400' ? 'errors' : 'fine', 1])
    .reduceByKey(add)
    .updateStateByKey<string, number, number>((news, count) => news.reduce(add, count ?? 0), 1)
    .setName('errors')
    .mapPartitions((counts) => {
      const { errors = 0, fine = 0 } = Object.fromEntries(counts) as { errors?: number; fine?: number }
      const all = errors + fine
      return all === 0 ? [] : [`${errors} errors in ${all} requests, ${((100 * errors) / all).toFixed(2)} %`]
    })
  errors.print()
  errors.saveAsTextFiles(`${out}/errors`)
}
