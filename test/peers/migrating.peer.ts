import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/core/clock.ts'
import { freePort } from '../support/free-port.ts'
import { runVerb } from '../support/run-verb.ts'
import { RunningProcess } from '../support/running-process.ts'
import { tempDir } from '../support/temp-dir.ts'
import { startFlume } from './peers.ts'

const program = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join('')

/** Nothing is printed when a file grows. */
async function eventually(condition: () => boolean): Promise<void> {
  for (let left = 900; !condition(); left--) {
    if (left === 0) throw new Error('it never came true')
    await systemClock.sleep(50)
  }
}

for (const version of ['1.9', '1.11'] as const) {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`an agent of Flume ${version}, ended by ${signal}, goes on as docs/migrating.md says: every line once, in order`, {
      timeout: 120_000,
    }, async (t) => {
      const folder = await tempDir(t)
      const port = await freePort()
      const [log, out] = [join(folder, 'app.log'), join(folder, 'out')]
      mkdirSync(out)
      const properties = `
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = TAILDIR
a1.sources.r1.filegroups = f1
a1.sources.r1.filegroups.f1 = ${folder}/.*log
a1.sources.r1.positionFile = ${folder}/position.json
a1.sources.r1.channels = c1
a1.channels.c1.type = file
a1.channels.c1.checkpointDir = ${folder}/checkpoint
a1.channels.c1.dataDirs = ${folder}/data-1,${folder}/data-2
a1.channels.c1.minimumRequiredSpace = 1048576
a1.sinks.k1.type = avro
a1.sinks.k1.hostname = 127.0.0.1
a1.sinks.k1.port = ${port}
a1.sinks.k1.channel = c1
`
      writeFileSync(log, lines(0, 2000))
      const positions = join(folder, 'position.json')
      const isRead = (): boolean =>
        existsSync(positions) && readFileSync(positions, 'utf8').includes(`"pos":${lines(0, 2000).length}`)
      {
        await using flume = await startFlume({ version, properties })
        await eventually(isRead)
        await flume.stop(signal)
      }
      appendFileSync(log, lines(2000, 2300))
      const file = join(folder, 'agent.properties')
      writeFileSync(file, properties)
      assert.equal((await runVerb('validate', '-f', file)).code, 0)

      const [checkpoint, one, other] = ['checkpoint', 'data-1', 'data-2'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ]
      const from = ['--from', checkpoint, '--from', one, '--from', other]
      const dry = await runVerb('channel', 'import', ...from, '--dry-run')
      assert.match(dry.out, /^2000 events are left/, dry.err)
      assert.equal((await runVerb('channel', 'import', ...from, one, other)).code, 0)

      const receiver = join(folder, 'receiver.properties')
      writeFileSync(
        receiver,
        `b1.sources = r1
b1.channels = c1
b1.sinks = k1
b1.sources.r1.type = avro
b1.sources.r1.bind = 127.0.0.1
b1.sources.r1.port = ${port}
b1.sources.r1.channels = c1
b1.channels.c1.type = memory
b1.sinks.k1.type = file_roll
b1.sinks.k1.sink.directory = ${out}
b1.sinks.k1.sink.rollInterval = 0
b1.sinks.k1.channel = c1
`,
      )
      const start = (path: string) =>
        new RunningProcess(path, process.execPath, [program, 'agent', '-f', path, '--no-console'])
      await using receiving = start(receiver)
      await receiving.waitFor(/agent b1 runs/)
      await using sending = start(file)
      await sending.waitFor(/2000 events were left in the channel/)
      const received = (): string =>
        readdirSync(out)
          .map((name) => readFileSync(join(out, name), 'utf8'))
          .join('')
      await eventually(() => received().length >= lines(0, 2300).length)
      await sending.stop()
      await receiving.stop()
      assert.equal(received(), lines(0, 2300))
    })
  }
}
