import type { Logger } from '../monitor/logger.ts'
import { editDistance } from '../spec/nearest.ts'
import type { SparkConf } from './conf.ts'

/** How the text of a setting is read; `seconds` and `mebibytes` say what a bare number is. */
type Kind = 'text' | 'flag' | 'whole' | 'number' | 'milliseconds' | 'seconds' | 'mebibytes'

/** Every setting that something here looks at. */
export const settings: Readonly<Record<string, Kind>> = {
  'spark.app.name': 'text',
  'spark.default.parallelism': 'whole',
  'spark.driver.bindAddress': 'text',
  'spark.eventLog.enabled': 'flag',
  'spark.executor.memory': 'mebibytes',
  'spark.master': 'text',
  'spark.metrics.namespace': 'text',
  'spark.network.timeout': 'seconds',
  'spark.port.maxRetries': 'whole',
  'spark.redaction.regex': 'text',
  'spark.streaming.backpressure.enabled': 'flag',
  'spark.streaming.backpressure.initialRate': 'number',
  'spark.streaming.backpressure.pid.derived': 'number',
  'spark.streaming.backpressure.pid.integral': 'number',
  'spark.streaming.backpressure.pid.minRate': 'number',
  'spark.streaming.backpressure.pid.proportional': 'number',
  'spark.streaming.backpressure.rateEstimator': 'text',
  'spark.streaming.blockInterval': 'milliseconds',
  'spark.streaming.blockQueueSize': 'whole',
  'spark.streaming.checkpoint.directory': 'text',
  'spark.streaming.concurrentJobs': 'whole',
  'spark.streaming.driver.writeAheadLog.class': 'text',
  'spark.streaming.dynamicAllocation.enabled': 'flag',
  'spark.streaming.fileStream.minRememberDuration': 'seconds',
  'spark.streaming.gracefulStopTimeout': 'milliseconds',
  'spark.streaming.kafka.allowNonConsecutiveOffsets': 'flag',
  'spark.streaming.kafka.consumer.poll.ms': 'milliseconds',
  'spark.streaming.kafka.maxRatePerPartition': 'whole',
  'spark.streaming.kafka.minRatePerPartition': 'whole',
  'spark.streaming.minRememberDuration': 'seconds',
  'spark.streaming.receiver.maxRate': 'number',
  'spark.streaming.receiver.writeAheadLog.class': 'text',
  'spark.streaming.receiver.writeAheadLog.enable': 'flag',
  'spark.streaming.receiver.writeAheadLog.rollingIntervalSecs': 'whole',
  'spark.streaming.receiverRestartDelay': 'milliseconds',
  'spark.streaming.stopGracefullyOnShutdown': 'flag',
  'spark.streaming.stopSparkContextByDefault': 'flag',
  'spark.streaming.ui.retainedBatches': 'whole',
  'spark.task.maxFailures': 'whole',
  'spark.ui.enabled': 'flag',
  'spark.ui.port': 'whole',
  'spark.user': 'text',
}

const readers: Readonly<Record<Kind, (conf: SparkConf, key: string) => unknown>> = {
  text: (conf, key) => conf.get(key),
  flag: (conf, key) => conf.getBoolean(key, false),
  whole: (conf, key) => conf.getInt(key, 0),
  number: (conf, key) => conf.getDouble(key, 0),
  milliseconds: (conf, key) => conf.getTimeAsMs(key),
  seconds: (conf, key) => conf.getTimeAsSeconds(key),
  mebibytes: (conf, key) => conf.getSizeAsMb(key),
}

/** More names than these make no warning clearer. */
const namedMax = 20

/**
 * Throws when a setting cannot be read: a stop that fails an hour later because of a limit that is no time helps nobody.
 * Warns of settings that nothing looks at.
 */
export function checkSettings(conf: SparkConf, logger: Logger): void {
  const idle: string[] = []
  for (const [key] of conf.getAll()) {
    const kind = Object.hasOwn(settings, key) ? settings[key] : undefined
    if (kind !== undefined) readers[kind](conf, key)
    else if (key.startsWith('spark.')) idle.push(key)
  }
  if (idle.length === 0) return
  const names = idle.slice(0, namedMax).map((key) => {
    const near = nearTo(key)
    return near === undefined ? key : `${key} (did you mean ${near}?)`
  })
  const more = idle.length > namedMax ? ` and ${idle.length - namedMax} more` : ''
  logger.warn(`settings that have no effect here, unless the job itself reads them: ${names.join(', ')}${more}`)
}

/** Edits that are a typing mistake; the names are long and begin alike, so that a share of their length would be too many. */
const editsMax = 3

function nearTo(key: string): string | undefined {
  const word = key.toLowerCase()
  let found: { readonly name: string; readonly edits: number } | undefined
  for (const name of Object.keys(settings)) {
    const edits = editDistance(word, name.toLowerCase(), editsMax)
    if (edits <= editsMax && edits < (found?.edits ?? Number.POSITIVE_INFINITY)) found = { name, edits }
  }
  return found?.name
}
