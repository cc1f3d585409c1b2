import { FlumeUtils, type StreamingContext } from 'flume-ts/stream'

/** Counts the words of what a Flume agent's avro sink sends, batch by batch. Arguments: HOST PORT. */
export default function wordCount(ssc: StreamingContext, [host = 'localhost', port = '4142']: readonly string[]): void {
  FlumeUtils.createStream(ssc, host, Number(port))
    .flatMap(({ event }) => new TextDecoder().decode(event.body).split(/\s+/))
    .filter((word) => word !== '')
    .map((word) => [word, 1])
    .reduceByKey((a, b) => a + b)
    .print()
}
