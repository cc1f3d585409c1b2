/** The job that the streams bench submits; test/peers/java/StreamLoad.java is the same in Java. Arguments: JOB INTERVAL-MS BATCHES CHECKPOINT-FOLDER FILES… */
export const streamJob = `import { Milliseconds, type RDD, SparkConf, StreamingContext } from 'flume-ts/stream'

const [job, interval, batches, folder, ...files] = process.argv.slice(2)
const intervalMs = Number(interval)
const ssc = new StreamingContext(new SparkConf().setAppName('load'), Milliseconds(intervalMs))
ssc.checkpoint(folder)
const queue: RDD<string>[] = []
const lines = ssc.queueStream(queue)
const words = lines.flatMap((line) => line.split(' ')).map((word) => [word, 1])
const add = (a: number, b: number): number => a + b
const jobs = {
  words: () => words.reduceByKey(add),
  window: () => words.reduceByKeyAndWindow(add, (a, b) => a - b, Milliseconds(3 * intervalMs), Milliseconds(intervalMs)),
  state: () =>
    lines
      .map((line) => [line, 1])
      .updateStateByKey((values, state: number | undefined) => values.reduce(add, state ?? 0)),
}
jobs[job]().foreachRDD(async (rdd) => console.log('> keys', await rdd.count()))
let done = 0
ssc.addStreamingListener({
  onBatchCompleted({ batchInfo }) {
    console.log('> batch', batchInfo.processingDelay, batchInfo.schedulingDelay)
    if (++done === Number(batches)) console.log('> done')
  },
})
for (let i = 0; files.length > 0 && i < Number(batches); i++) queue.push(await ssc.sparkContext.textFile(files.join(',')))
ssc.start()
await ssc.awaitTermination()
`
