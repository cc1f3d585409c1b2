import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { exec } from '../../../src/agent/source/exec.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { FakeSourceContext, type FakeSourceContextOptions } from '../../support/source-context.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { until } from '../../support/until.ts'

const shell = '/bin/sh -c'

/** A source that runs, stopped when the test is over. */
async function run(test: TestContext, texts: Record<string, string>, options: FakeSourceContextOptions = {}) {
  const log = new RecordingLogger()
  const context = new FakeSourceContext({ log, ...options })
  const source = await exec.create(readOptions(exec, texts) as never, context)
  const ended = source.run()
  const stop = async (): Promise<void> => {
    context.stop()
    await ended
  }
  test.after(stop)
  return { context, log, stop, bodies: () => context.events.map(({ body }) => body) }
}

const exited = (log: RecordingLogger, code: string): boolean =>
  log.lines.some((line) => line.endsWith(`exited with ${code}`))

/** Whether a process runs; one that only waits for its parent to take notice of its end does not. */
async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => ') Z')
  return !/\) [ZX]/.test(status)
}

describe('exec source', () => {
  it('each line is an event, whichever end it has, and so is the unfinished last one (S-10)', async (test) => {
    const path = join(await tempDir(test), 'lines')
    await writeFile(path, 'one\ntwo\r\nthree\rfour é\n\nlast')
    const { context, bodies } = await run(test, { command: `cat  ${path}` })
    await context.whenDelivered(6)
    assert.deepEqual(bodies(), ['one', 'two', 'three', 'four é', '', 'last'])
  })

  it('without a shell there are no quotes and no patterns; with one the command is its last argument', async (test) => {
    const plain = await run(test, { command: 'echo "a  b" *' })
    await plain.context.whenDelivered(1)
    assert.deepEqual(plain.bodies(), ['"a b" *'])
    const { context, bodies } = await run(test, { shell, command: `for i in 1 2; do echo "n  $i"; done | tac` })
    await context.whenDelivered(2)
    assert.deepEqual(bodies(), ['n  2', 'n  1'])
  })

  it('flushes every batchSize lines, and the rest when the command ends (S-11)', async (test) => {
    const { context } = await run(test, { shell, command: 'printf "1\\n2\\n3\\n4\\n5\\n6\\n7\\n"', batchSize: '3' })
    await context.whenDelivered(7)
    assert.deepEqual(
      context.batches.map(({ count }) => count),
      [3, 3, 1],
    )
  })

  it('a batch is never larger than the channel takes at once', async (test) => {
    const { context } = await run(
      test,
      { shell, command: 'printf "1\\n2\\n3\\n4\\n5\\n"', batchSize: '4' },
      { transactionCapacity: 2 },
    )
    await context.whenDelivered(5)
    assert.deepEqual(
      context.batches.map(({ count }) => count),
      [2, 2, 1],
    )
  })

  it('lines that wait for a full batch are delivered after batchTimeout (S-11)', async (test) => {
    const clock = new ManualClock()
    const { context } = await run(test, { shell, command: 'echo a; exec sleep 1000', batchTimeout: '750' }, { clock })
    await until(() => clock.timerCount === 1)
    await clock.advance(749)
    assert.equal(context.count, 0)
    await clock.advance(1)
    await context.whenDelivered(1)
  })

  it('a full channel holds the command back; nothing is lost (S-12)', async (test) => {
    const clock = new ManualClock()
    const { context, bodies } = await run(test, { shell, command: 'seq 1 50000', batchSize: '10' }, { clock })
    context.room = 25
    await until(() => clock.timerCount === 1)
    assert.equal(context.count, 20)
    context.room = 1_000_000
    await clock.advance(250)
    await context.whenDelivered(50_000)
    assert.deepEqual(
      bodies(),
      Array.from({ length: 50_000 }, (_, i) => String(i + 1)),
    )
  })

  it('another failure of a delivery ends the run; with restart the command runs again (S-12)', async (test) => {
    const clock = new ManualClock()
    const texts = { shell, command: 'echo a; exec sleep 1000', batchSize: '1', restart: 'true' }
    const { context, log } = await run(test, texts, { clock })
    context.failure = new FlumeError('BATCH_TOO_LARGE', 'too large')
    await until(() => exited(log, 'SIGTERM'))
    assert.ok(log.lines.some((line) => line.includes('Failed while running command') && line.includes('too large')))
    assert.equal(context.counters.eventReadFail, 1)
    context.failure = undefined
    await clock.advance(10_000)
    await context.whenDelivered(1)
  })

  it('restart runs the command again after restartThrottle, whatever its exit code (S-14)', async (test) => {
    const clock = new ManualClock()
    const texts = { shell, command: 'echo a; exit 3', restart: 'true', restartThrottle: '50' }
    const { context, log } = await run(test, texts, { clock })
    await until(() => exited(log, '3') && clock.timerCount === 1)
    assert.equal(context.count, 1)
    await clock.advance(49)
    assert.equal(context.count, 1)
    await clock.advance(1)
    await context.whenDelivered(2)
  })

  it('without restart the exit code is logged and the source stays idle (S-14)', async (test) => {
    const { context, log, stop } = await run(test, { command: 'echo a' })
    await until(() => exited(log, '0'))
    assert.equal(context.count, 1)
    await stop()
  })

  it('a program that is not there is an error, and tried again only with restart (S-12)', async (test) => {
    const clock = new ManualClock()
    const { log } = await run(test, { command: '/no/such/program', restart: 'true' }, { clock })
    const said = () => log.lines.filter((line) => /^error: Failed while running command: .*ENOENT/.test(line))
    await until(() => said().length === 1 && clock.timerCount === 1)
    await clock.advance(10_000)
    await until(() => said().length === 2)
    const source = await exec.create(
      readOptions(exec, { command: '/no/such/program' }) as never,
      new FakeSourceContext(),
    )
    await assert.rejects(
      async () => source.run(),
      (error) => error instanceof FlumeError && error.code === 'INVALID_STATE' && /ENOENT/.test(error.message),
    )
  })

  it('a stop ends the command and what it has started (S-13)', async (test) => {
    const { context, stop } = await run(test, { shell, command: 'sleep 1000 & echo $!; wait', batchTimeout: '1' })
    await context.whenDelivered(1)
    const pid = Number(context.events[0]?.body)
    assert.equal(await isAlive(pid), true)
    await stop()
    await until(async () => !(await isAlive(pid)), 'the end of the grandchild')
  })

  it('a command that does not end when asked is killed', async (test) => {
    const clock = new ManualClock()
    const command = 'trap "" TERM; echo ready; while :; do sleep 1000; done'
    const { context, stop } = await run(test, { shell, command, batchTimeout: '0' }, { clock })
    await until(() => clock.timerCount === 1 || context.count === 1)
    await clock.advance(1)
    await context.whenDelivered(1)
    const stopped = stop()
    await clock.advance(2000)
    await stopped
  })

  it('standard error is read always and logged when asked for', async (test) => {
    const command =
      'i=0; while [ $i -lt 3000 ]; do echo "problem $i, said at length so that the pipe fills up" >&2; i=$((i+1)); done; echo done'
    const quiet = await run(test, { shell, command })
    await quiet.context.whenDelivered(1)
    assert.ok(!quiet.log.lines.some((line) => line.includes('problem')))
    const { context, log } = await run(test, { shell, command, logStdErr: 'true' })
    await context.whenDelivered(1)
    await until(() => exited(log, '0'))
    assert.equal(log.lines.filter((line) => line.startsWith('info: stderr: problem')).length, 3000)
  })

  const charsets: readonly [charset: string, written: string, hex: string][] = [
    ['UTF-8', 'a\\377b\\n', '61efbfbd62'],
    ['ISO-8859-1', 'a\\377b\\n', '61ff62'],
    ['US-ASCII', 'a\\377b\\n', '613f62'],
    ['UTF-16BE', '\\000a\\000\\n', '0061'],
  ]
  for (const [charset, written, hex] of charsets) {
    it(`bodies are written in the charset they were read in: ${charset}`, async (test) => {
      const { context } = await run(test, { shell, command: `printf '${written}'`, charset })
      await context.whenDelivered(1)
      assert.equal(Buffer.from(context.batches[0]?.bodyAt(0) as Uint8Array).toString('hex'), hex)
    })
  }

  it('a line without end becomes several events of 16 MiB: memory is bounded', async (test) => {
    const { context } = await run(test, { shell, command: 'head -c 20000000 /dev/zero' })
    await context.whenDelivered(2)
    assert.deepEqual(
      context.batches.flatMap((batch) => Array.from(batch.events(), ({ body }) => body.length)),
      [16 * 1024 * 1024, 20_000_000 - 16 * 1024 * 1024],
    )
  })
})
