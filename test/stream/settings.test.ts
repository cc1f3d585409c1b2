import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FlumeError } from '../../src/core/error.ts'
import { Seconds, SparkConf, SparkContext, StreamingContext } from '../../src/stream/api.ts'
import { settings } from '../../src/stream/settings.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { RecordingLogger } from '../support/recording-logger.ts'

const sources = fileURLToPath(new URL('../../../src/', import.meta.url))

/** Names that setters of SparkConf write and nothing reads, as `docs/differences.md` says. */
const writtenOnly = new Set(['spark.home', 'spark.jars'])

function made(given: Readonly<Record<string, string>>): RecordingLogger {
  const logger = new RecordingLogger()
  const conf = new SparkConf(false).setAppName('x').setAll(Object.entries(given))
  new StreamingContext(conf, Seconds(1), { logger, clock: new ManualClock(0) }).sparkContext.stop()
  return logger
}

describe('settings', () => {
  test('the list has every one that is looked at, and no other', () => {
    const read = new Set<string>()
    for (const room of ['stream', 'cli']) {
      for (const name of readdirSync(join(sources, room), { recursive: true }).map(String)) {
        if (!name.endsWith('.ts') || name.endsWith('settings.ts')) continue
        for (const [key] of readFileSync(join(sources, room, name), 'utf8').matchAll(/(?<=')spark\.[\w.]+(?=')/g))
          if (!writtenOnly.has(key)) read.add(key)
      }
    }
    assert.deepEqual([...read].sort(), Object.keys(settings).sort())
  })

  for (const [key, value, message] of [
    ['spark.streaming.gracefulStopTimeout', 'x', /^spark\.streaming\.gracefulStopTimeout is a time such as 200ms/],
    ['spark.ui.port', 'abc', /^spark\.ui\.port is a whole number, not "abc"$/],
    ['spark.streaming.blockQueueSize', 'many', /^spark\.streaming\.blockQueueSize is a whole number, not "many"$/],
    ['spark.ui.enabled', 'maybe', /^spark\.ui\.enabled is true or false/],
    ['spark.executor.memory', 'much', /^spark\.executor\.memory is a size/],
    ['spark.streaming.backpressure.pid.minRate', 'low', /^spark\.streaming\.backpressure\.pid\.minRate is a number/],
    ['spark.network.timeout', '2 weeks', /^spark\.network\.timeout is a time/],
  ] as const) {
    test(`${key}=${value} is refused when the context is made, not when it is needed`, () => {
      assert.throws(() => made({ [key]: value }), { message })
    })
  }

  test('those that nothing looks at are named once, a typing mistake with the name that was meant', () => {
    const logger = made({
      'spark.streaming.blockIntervall': '1s',
      'spark.executor.cores': '4',
      'spark.ui.port': '0',
      'my.own': '1',
    })
    assert.deepEqual(logger.lines, [
      'warn: settings that have no effect here, unless the job itself reads them: spark.streaming.blockIntervall (did you mean spark.streaming.blockInterval?), spark.executor.cores',
    ])
    assert.deepEqual(made({ 'spark.ui.port': '0', 'my.own': '1' }).lines, [])
  })

  test('a bare size is in bytes or in mebibytes, as the reader says', () => {
    const conf = new SparkConf(false).set('bare', '512').set('small', '512k').set('large', '2g')
    assert.deepEqual(
      ['bare', 'small', 'large'].map((key) => [conf.getSizeAsBytes(key), conf.getSizeAsMb(key)]),
      [
        [512, 512],
        [512 * 2 ** 10, 0],
        [2 ** 31, 2048],
      ],
    )
  })

  test('a master with more threads than a machine can have is refused before any is made', () => {
    const open = (master: string): SparkContext =>
      new SparkContext(new SparkConf(false).setAppName('x').setMaster(master), { logger: new RecordingLogger() })
    open('local[1024]').stop()
    assert.throws(
      () => open('local[1000000]'),
      (error) => error instanceof FlumeError && error.code === 'USAGE' && /1024 are the most/.test(error.message),
    )
  })
})
