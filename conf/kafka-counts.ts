// Counts the words of a topic, batch by batch, and notes in Kafka what is counted.
//   npm install @platformatic/kafka@1.35.0 && stream-ts submit conf/kafka-counts.ts localhost:9092 lines
import {
  ConsumerStrategies,
  type KafkaRDD,
  KafkaUtils,
  LocationStrategies,
  Seconds,
  SparkConf,
  StreamingContext,
} from 'flume-ts/stream'

const [servers = 'localhost:9092', topic = 'lines'] = process.argv.slice(2)
const ssc = new StreamingContext(new SparkConf().setAppName('KafkaCounts'), Seconds(1))

const stream = KafkaUtils.createDirectStream(
  ssc,
  LocationStrategies.PreferConsistent,
  ConsumerStrategies.Subscribe<string, string>([topic], {
    'bootstrap.servers': servers,
    'group.id': 'counts',
    'key.deserializer': 'StringDeserializer',
    'value.deserializer': 'StringDeserializer',
    'auto.offset.reset': 'earliest',
    'enable.auto.commit': false,
  }),
)

stream.foreachRDD(async (rdd) => {
  const { offsetRanges } = rdd as KafkaRDD<string, string>
  const counts = await rdd
    .flatMap(({ value }) => value.split(/\s+/).filter((word) => word !== ''))
    .map((word) => [word, 1])
    .reduceByKey((a, b) => a + b)
    .collect()
  for (const [word, count] of counts.sort()) console.log(`${word} ${count}`)
  stream.commitAsync(offsetRanges)
})

await ssc.start()
await ssc.awaitTermination()
