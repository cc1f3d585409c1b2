import type { StreamGraph } from './graph/graph.ts'
import type { SparkFlumeEvent } from './receiver/flume-event.ts'
import { FlumePollingReceiver, pullBatchMax, pullParallelism, type SinkAddress } from './receiver/flume-pull.ts'
import { FlumeReceiver } from './receiver/flume-push.ts'
import { FlumeSourceReceiver } from './receiver/flume-source.ts'
import { StorageLevel } from './storage-level.ts'
import { ReceiverInputDStream } from './streaming-context.ts'
import { require_ } from './time.ts'

/** The context a stream is made in. */
type Context = { readonly graph: StreamGraph }

function checkPort(port: number): void {
  require_(Number.isInteger(port) && port >= 0 && port <= 65_535, `port must be from 0 to 65535, not ${port}`)
}

/** Spark's two ways to Flume. */
export const FlumeUtils = {
  /** Push: listens on host:port as Flume's Avro source does, for an agent's Avro sink; `enableDecompression` for one with `compression-type = deflate`. */
  createStream(
    ssc: Context,
    host: string,
    port: number,
    level: StorageLevel = StorageLevel.MEMORY_AND_DISK_SER_2,
    enableDecompression = false,
  ): ReceiverInputDStream<SparkFlumeEvent> {
    checkPort(port)
    const { clock, logger } = ssc.graph.sparkContext
    const speaks = enableDecompression ? 'avro-deflate' : 'avro'
    return new ReceiverInputDStream(
      ssc,
      new FlumeReceiver({ host, port, clock, logger: logger.child('flume'), speaks }, level),
      'Flume push stream',
    )
  },

  createPollingStream,
}

/** Pull: takes batches from Spark's sink for Flume; each is one block, acknowledged once it is stored. */
function createPollingStream(
  ssc: Context,
  host: string,
  port: number,
  level?: StorageLevel,
): ReceiverInputDStream<SparkFlumeEvent>
function createPollingStream(
  ssc: Context,
  addresses: readonly SinkAddress[],
  level: StorageLevel,
  maxBatchSize?: number,
  parallelism?: number,
): ReceiverInputDStream<SparkFlumeEvent>
function createPollingStream(
  ssc: Context,
  hostOrAddresses: string | readonly SinkAddress[],
  portOrLevel: number | StorageLevel,
  levelOrSize?: StorageLevel | number,
  parallelism = pullParallelism,
): ReceiverInputDStream<SparkFlumeEvent> {
  const single = typeof hostOrAddresses === 'string'
  const addresses = single ? [{ host: hostOrAddresses, port: portOrLevel as number }] : hostOrAddresses
  const level = (single ? levelOrSize : portOrLevel) ?? StorageLevel.MEMORY_AND_DISK_SER_2
  const maxBatchSize = single || levelOrSize === undefined ? pullBatchMax : (levelOrSize as number)
  require_(addresses.length > 0, 'at least one address is needed')
  require_(maxBatchSize > 0 && parallelism > 0, 'maxBatchSize and parallelism must be positive')
  for (const { port } of addresses) checkPort(port)
  const { clock } = ssc.graph.sparkContext
  return new ReceiverInputDStream(
    ssc,
    new FlumePollingReceiver({ addresses, clock, maxBatchSize, parallelism }, level as StorageLevel),
    'Flume polling stream',
  )
}

/**
 * Takes what is there at host:port. If an agent answers, it subscribes to the events that arrive there from then on; if
 * nobody does and the host is this machine, it listens itself, for lines of text and Flume's Avro clients; else it tries
 * again, with growing pauses.
 */
export class FlumeSource extends ReceiverInputDStream<SparkFlumeEvent> {
  constructor(ssc: Context, host: string, port: number) {
    checkPort(port)
    const { clock, logger } = ssc.graph.sparkContext
    super(ssc, new FlumeSourceReceiver({ host, port, clock, logger: logger.child('flume') }), 'Flume stream')
  }
}
