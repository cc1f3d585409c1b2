import { SparkConf, StreamingContext, Seconds, FlumeSource, DStream } from 'flume-ts/stream'

const conf = new SparkConf().setAppName('SparkStreamingWithFlume')
const ssc = new StreamingContext(conf, Seconds(1))
const flumeSource = new FlumeSource(ssc, 'localhost', 44444)
const flumeStream = new DStream(ssc, flumeSource)
flumeStream.print()
ssc.start()
await ssc.awaitTermination()
