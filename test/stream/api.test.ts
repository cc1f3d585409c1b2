import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as api from '../../src/stream/api.ts'

/** What a job written for Spark 2.4 may call and every job here can, by where it stands. */
const offered: readonly (readonly [what: string, on: object, names: string])[] = [
  [
    'Duration',
    api.Duration.prototype,
    'milliseconds plus minus times div less lessEq greater greaterEq isMultipleOf min max isZero prettyPrint toString',
  ],
  ['Durations', api.Durations, 'milliseconds seconds minutes'],
  [
    'Time',
    api.Time.prototype,
    'milliseconds plus minus floor isMultipleOf until to less lessEq greater greaterEq min max valueOf toString',
  ],
  [
    'SparkConf',
    api.SparkConf.prototype,
    'set setAll setIfMissing remove contains setMaster setAppName setSparkHome setJars setExecutorEnv get getOption getAll getAllWithPrefix getInt getLong getDouble getBoolean getTimeAsMs getTimeAsSeconds getSizeAsBytes getSizeAsMb clone toDebugString',
  ],
  [
    'SparkContext',
    api.SparkContext.prototype,
    'parallelize makeRDD emptyRDD textFile wholeTextFiles objectFile binaryFiles binaryRecords union broadcast longAccumulator doubleAccumulator collectionAccumulator register setLogLevel setCheckpointDir getCheckpointDir defaultParallelism defaultMinPartitions appName applicationId master startTime version isLocal isStopped getConf runJob stop',
  ],
  ['SparkContext (static)', api.SparkContext, 'getOrCreate'],
  [
    'RDD',
    api.RDD.prototype,
    'map flatMap filter mapPartitions mapPartitionsWithIndex union distinct repartition coalesce sortBy keyBy groupBy glom zipWithIndex cache persist unpersist setName ' +
      'collect count take first isEmpty foreach foreachPartition reduce saveAsTextFile saveAsFiles toLocalIterator ' +
      'id name partitions getNumPartitions context partitioner ' +
      'reduceByKey groupByKey mapValues flatMapValues join leftOuterJoin rightOuterJoin fullOuterJoin cogroup combineByKey aggregateByKey foldByKey countByKey collectAsMap keys values partitionBy lookup subtractByKey sortByKey ' +
      'fold aggregate countByValue top takeOrdered max min sample takeSample randomSplit subtract intersection cartesian zip zipPartitions zipWithUniqueId ' +
      'sum mean stdev variance stats histogram checkpoint localCheckpoint isCheckpointed getCheckpointFile toDebugString countApproxDistinct ' +
      'pipe treeReduce treeAggregate reduceByKeyLocally sampleByKey',
  ],
  [
    'StreamingContext',
    api.StreamingContext.prototype,
    'sparkContext remember checkpoint socketTextStream socketStream rawSocketStream textFileStream fileStream binaryRecordsStream queueStream receiverStream union transform addStreamingListener removeStreamingListener start stop awaitTermination awaitTerminationOrTimeout getState',
  ],
  ['StreamingContext (static)', api.StreamingContext, 'getOrCreate getActive getActiveOrCreate'],
  [
    'DStream',
    api.DStream.prototype,
    'map mapToPair flatMap filter glom mapPartitions repartition union reduce count countByValue transform transformWith foreachRDD print saveAsTextFiles saveAsObjectFiles saveAsFiles window reduceByWindow countByWindow countByValueAndWindow slice persist cache checkpoint context slideDuration ' +
      'groupByKey reduceByKey combineByKey mapValues flatMapValues groupByKeyAndWindow reduceByKeyAndWindow join leftOuterJoin rightOuterJoin fullOuterJoin cogroup updateStateByKey updateStateByKeyIter updateStateByKeyWithTime mapWithState',
  ],
  ['MapWithStateDStream', api.MapWithStateDStream.prototype, 'stateSnapshots'],
  ['InputDStream', api.InputDStream.prototype, 'id name start stop'],
  ['ReceiverInputDStream', api.ReceiverInputDStream.prototype, 'id name getReceiver'],
  ['StateSpec', api.StateSpec.prototype, 'initialState numPartitions partitioner timeout'],
  ['StateSpec (static)', api.StateSpec, 'function functionWithTime'],
  [
    'Receiver',
    api.Receiver.prototype,
    'store storeMany storeBytes reportError restart stop isStarted isStopped streamId',
  ],
  ['FlumeUtils', api.FlumeUtils, 'createStream createPollingStream'],
  ['SparkFlumeEvent', api.SparkFlumeEvent.prototype, 'headers body bodyAsString'],
  [
    'BatchInfo',
    api.BatchInfo.prototype,
    'batchTime streamIdToInputInfo submissionTime processingStartTime processingEndTime outputOperationInfos schedulingDelay processingDelay totalDelay numRecords',
  ],
  [
    'OutputOperationInfo',
    api.OutputOperationInfo.prototype,
    'batchTime id name description startTime endTime failureReason duration',
  ],
  ['StatsReportListener', api.StatsReportListener.prototype, 'onBatchCompleted'],
  ['Broadcast', api.Broadcast.prototype, 'id value unpersist destroy'],
  ['Accumulator', api.Accumulator.prototype, 'add value reset isZero count sum avg'],
  ['CollectionAccumulator', api.CollectionAccumulator.prototype, 'add value reset isZero'],
  [
    'StorageLevel',
    api.StorageLevel,
    'NONE DISK_ONLY DISK_ONLY_2 MEMORY_ONLY MEMORY_ONLY_2 MEMORY_ONLY_SER MEMORY_ONLY_SER_2 MEMORY_AND_DISK MEMORY_AND_DISK_2 MEMORY_AND_DISK_SER MEMORY_AND_DISK_SER_2 OFF_HEAP',
  ],
  ['the module', api, 'Milliseconds Seconds Minutes HashPartitioner RangePartitioner FlumeSource SparkException pair'],
]

/** Set in a constructor, so seen on an object only. */
const ownOf = new Map<object, object>()

describe('what a job can call', () => {
  const conf = new api.SparkConf(false).setAppName('api').setMaster('local[2]').set('spark.default.parallelism', '2')
  const sc = new api.SparkContext(conf)
  const ssc = new api.StreamingContext(sc, api.Seconds(1))
  const time = new api.Time(0)
  const info = { batchTime: time, streamIdToInputInfo: new Map(), submissionTime: 0, outputOperationInfos: new Map() }
  const operation = {
    batchTime: time,
    id: 0,
    name: '',
    description: '',
    startTime: undefined,
    endTime: undefined,
    jobIds: [],
  }
  for (const one of [
    api.Seconds(1),
    time,
    sc,
    sc.emptyRDD(),
    ssc,
    sc.broadcast(1),
    sc.longAccumulator(),
    new api.BatchInfo({ ...info, processingStartTime: undefined, processingEndTime: undefined }),
    new api.OutputOperationInfo({ ...operation, failureReason: undefined }),
  ]) {
    ownOf.set(Object.getPrototypeOf(one) as object, one)
  }

  for (const [what, on, names] of offered) {
    test(`${what} has all that Spark's has`, () => {
      const missing = names.split(' ').filter((name) => !(name in on) && !(name in (ownOf.get(on) ?? {})))
      assert.deepEqual(missing, [])
      // What is only refused is told apart by its text.
      const refused = names.split(' ').filter((name) => {
        const value = Object.getOwnPropertyDescriptor(on, name)?.value as unknown
        return typeof value === 'function' && /is not there yet/.test(String(value))
      })
      assert.deepEqual(refused, [])
    })
  }
})
