import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger, type RootLogger } from '../../src/monitor/logger.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

function recording(most = 3, intervalMs = 1000): { log: RootLogger; clock: ManualClock; said: () => string[] } {
  const lines: string[] = []
  const clock = new ManualClock()
  const log = createLogger({
    level: 'debug',
    readable: false,
    stream: { write: (line) => lines.push(line) },
    repeats: { most, intervalMs, clock },
  })
  const said = (): string[] =>
    lines.splice(0).map((line) => {
      const { level, component, message } = JSON.parse(line) as Record<string, string>
      return [level, component, message].filter((word) => word !== undefined).join(' ')
    })
  return { log, clock, said }
}

test('a line that one component says again and again is written a few times, then once with how often', async () => {
  const { log, clock, said } = recording()
  const source = log.child('r1')
  for (let i = 0; i < 10; i++) source.warn('the channel is full')
  assert.deepEqual(said(), Array(3).fill('warn r1 the channel is full'))
  await clock.advance(999)
  assert.deepEqual(said(), [])
  await clock.advance(1)
  assert.deepEqual(said(), ['warn r1 the channel is full [and 7 more like it within 1 s]'])
  source.warn('the channel is full')
  assert.deepEqual(said(), ['warn r1 the channel is full'])
  await clock.advance(1000)
  assert.deepEqual(said(), [])
})

test('components, levels and messages are limited each for itself', () => {
  const { log, said } = recording(1)
  log.child('r1').warn('full')
  log.child('r2').warn('full')
  log.child('r1').error('full')
  log.child('r1').warn('empty')
  log.child('r1').warn('full')
  assert.deepEqual(said(), ['warn r1 full', 'warn r2 full', 'error r1 full', 'warn r1 empty'])
})

test('complaints that differ in numbers only are the same, information is not', async () => {
  const { log, clock, said } = recording(1)
  for (const port of [5001, 5002, 5003]) log.warn(`closed the connection of 10.0.0.1:${port}`)
  for (const batch of [1, 2, 3]) log.info(`batch ${batch} is done`)
  await clock.advance(1000)
  assert.deepEqual(said(), [
    'warn closed the connection of 10.0.0.1:5001',
    'info batch 1 is done',
    'info batch 2 is done',
    'info batch 3 is done',
    'warn closed the connection of 10.0.0.1:5001 [and 2 more like it within 1 s]',
  ])
})

test('what was held back is said at once when the log is flushed, and by no timer later', async () => {
  const { log, clock, said } = recording(1)
  for (let i = 0; i < 3; i++) log.error('no')
  log.flush()
  assert.deepEqual(said(), ['error no', 'error no [and 2 more like it within 1 s]'])
  assert.equal(clock.timerCount, 0)
})

test('lines below the level are neither written nor counted', async () => {
  const lines: string[] = []
  const clock = new ManualClock()
  const log = createLogger({
    level: 'warn',
    readable: false,
    stream: { write: (line) => lines.push(line) },
    repeats: { most: 1, intervalMs: 1000, clock },
  })
  for (let i = 0; i < 3; i++) log.info('quiet')
  assert.equal(clock.timerCount, 0)
  await clock.advance(1000)
  assert.deepEqual(lines, [])
})

test('however many things are said, the memory of them is bounded', () => {
  const { log, clock } = recording(1)
  for (let i = 0; i < 10_000; i++) log.info(`message ${i}`)
  assert.equal(clock.timerCount, 2000)
})
