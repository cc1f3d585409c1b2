import { FlumeUtils, type StreamingContext } from 'flume-ts/stream'

/** Counts the words of what a Flume agent keeps for it in a Spark sink, batch by batch. Arguments: HOST PORT. */
export default function wordCount(ssc: StreamingContext, [host = 'localhost', port = '4142']: readonly string[]): void {
  FlumeUtils.createPollingStream(ssc, host, Number(port))
    .flatMap((event) => event.bodyAsString().split(/\s+/))
    .filter((word) => word !== '')
    .map((word) => [word, 1])
    .reduceByKey((a, b) => a + b)
    .print()
}
