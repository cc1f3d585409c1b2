import type { StreamingContext } from 'flume-ts/stream'

/** The client's address and the status, in a line of the combined log format. */
const pattern = /^(\S+) \S+ \S+ \[[^\]]*\] "[^"]*" (\d{3}) /

/**
 * Counts a web site's requests per status and per client, batch by batch. Arguments: HOST PORT [FOLDER]. Reads the log's
 * lines from a socket, prints the statuses and the five busiest clients, and leaves every client's count below FOLDER.
 */
export default function accessLog(
  ssc: StreamingContext,
  [host = 'localhost', port = '9999', folder]: readonly string[],
): void {
  const requests = ssc.socketTextStream(host, Number(port)).flatMap((line) => {
    const [, client, status] = pattern.exec(line) ?? []
    return client === undefined || status === undefined ? [] : [{ client, status }]
  })
  requests
    .map(({ status }) => [status, 1])
    .reduceByKey((a, b) => a + b)
    .transform((rdd) => rdd.sortByKey())
    .print(20)

  const clients = requests.map(({ client }) => [client, 1]).reduceByKey((a, b) => a + b)
  clients.transform((rdd) => rdd.sortBy(([, count]) => -count)).print(5)
  if (folder !== undefined) clients.saveAsTextFiles(`${folder}/clients`)
}
