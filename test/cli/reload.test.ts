import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { LoadedAgent } from '../../src/agent/config/load.ts'
import type { AgentModel } from '../../src/agent/config/model.ts'
import type { ReloadReport } from '../../src/agent/runtime/agent.ts'
import { Reloader } from '../../src/cli/reload.ts'
import { ManualClock, settle } from '../../src/testing/manual-clock.ts'
import { agentModel } from '../support/components.ts'
import { freePort } from '../support/free-port.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { RunningProcess } from '../support/running-process.ts'

const model = agentModel({ channels: [], sources: [], sinks: [] })

function reloader(pollIntervalMs: number | undefined) {
  const clock = new ManualClock()
  const log = new RecordingLogger()
  const said: string[] = []
  const state = {
    changed: false,
    loads: 0,
    looks: 0,
    loaded: { model } as Partial<LoadedAgent>,
    wanted: [] as AgentModel[],
  }
  let report: ReloadReport | Error = {
    outcome: 'applied',
    changes: [{ kind: 'sink', name: 'k1', change: 'restart', why: 'its keys changed' }],
  }
  const subject = new Reloader({
    source: {
      changed: async () => {
        state.looks++
        return state.changed
      },
      load: async () => {
        state.loads++
        state.changed = false
        return { model: undefined, findings: [], agentNames: [], alsoRead: [], ...state.loaded }
      },
    },
    agent: {
      reload: async (wanted) => {
        state.wanted.push(wanted)
        if (report instanceof Error) throw report
        return report
      },
    },
    clock,
    log,
    pollIntervalMs,
    say: (line) => said.push(line),
  })
  return {
    subject,
    clock,
    log,
    said,
    state,
    answer: (next: ReloadReport | Error) => {
      report = next
    },
  }
}

describe('reloader', () => {
  it('looks every interval and takes over what changed (R-01)', async () => {
    const { subject, clock, log, state } = reloader(30_000)
    subject.start()
    await clock.advance(29_999)
    assert.equal(state.looks, 0)
    await clock.advance(30_001)
    assert.deepEqual([state.looks, state.loads], [2, 0])
    state.changed = true
    await clock.advance(30_500)
    assert.deepEqual([state.loads, state.wanted], [1, [model]])
    assert.deepEqual(log.lines, [
      'info: the configuration was taken over: sink k1 restarted (its keys changed); 0 of 1 kept',
    ])
    await subject.stop()
  })

  it('never looks with --no-reload-conf, and still answers SIGHUP (R-04)', async () => {
    const { subject, clock, state } = reloader(undefined)
    subject.start()
    await clock.advance(3_600_000)
    assert.equal(state.looks, 0)
    void subject.now()
    await clock.advance(500)
    assert.equal(state.wanted.length, 1)
    await subject.stop()
  })

  it('changes nothing for a file that is wrong, prints what is wrong, and sees the mended one (R-02, R-07)', async () => {
    const { subject, clock, log, said, state } = reloader(30_000)
    subject.start()
    state.loaded = {
      findings: [
        { severity: 'error', file: 'a.conf', line: 3, column: 1, path: 'a.x', code: 'c', message: 'is wrong' },
      ],
    }
    state.changed = true
    await clock.advance(31_000)
    assert.equal(state.wanted.length, 0)
    assert.match(said.join(), /a\.conf:3:1.*is wrong/)
    assert.match(log.lines.join(), /nothing is changed, the agent runs on/)
    await clock.advance(60_000)
    assert.equal(state.loads, 1, 'not tried again before it changes')
    state.loaded = { model }
    state.changed = true
    await clock.advance(31_000)
    assert.equal(state.wanted.length, 1)
    await subject.stop()
  })

  it('goes on after a reload that failed (R-07)', async () => {
    const { subject, clock, log, state, answer } = reloader(30_000)
    subject.start()
    answer(new Error('not expected'))
    state.changed = true
    await clock.advance(31_000)
    answer({ outcome: 'rolled back', changes: [], error: new Error('the port is in use') })
    state.changed = true
    await clock.advance(31_000)
    assert.equal(state.wanted.length, 2)
    assert.match(log.lines[0] ?? '', /could not be taken over: not expected/)
    assert.match(log.lines[1] ?? '', /runs as before: the port is in use; wanted: .*SIGHUP tries again/)
    await subject.stop()
  })

  it('waits until a file is left alone, but not for ever', async () => {
    const { subject, clock, state } = reloader(30_000)
    void subject.now()
    await settle()
    state.changed = true
    await clock.advance(500)
    assert.deepEqual([state.loads, state.wanted.length], [2, 0])
    await clock.advance(500)
    assert.equal(state.wanted.length, 1)
    void subject.now()
    for (let i = 0; i < 25 && state.wanted.length === 1; i++) {
      await settle()
      state.changed = true
      await clock.advance(500)
    }
    assert.equal(state.wanted.length, 2)
    await subject.stop()
  })

  it('says so when nothing changed, and does nothing once stopped', async () => {
    const { subject, clock, log, state, answer } = reloader(30_000)
    answer({ outcome: 'unchanged', changes: [{ kind: 'sink', name: 'k1', change: 'keep' }] })
    void subject.now()
    await clock.advance(500)
    assert.match(log.lines.join(), /says what runs already/)
    await subject.stop()
    await subject.now()
    assert.equal(state.loads, 1)
  })
})

describe('a running agent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flume-ts-reload-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'agent.properties')
  const command = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))
  let port = 0
  const write = (sink: string, more = ''): void =>
    writeFileSync(
      file,
      `a.sources = r\na.channels = c\na.sinks = k\na.channels.c.type = memory\na.sources.r.type = netcat\na.sources.r.bind = 127.0.0.1\na.sources.r.port = ${port}\na.sources.r.channels = c\na.sinks.k.type = ${sink}\na.sinks.k.channel = c\n${more}`,
    )

  it('takes a changed file over on SIGHUP while a sender stays connected, and keeps going with a wrong one', async () => {
    port = await freePort()
    write('null')
    await using running = new RunningProcess('flume-ts', process.execPath, [command, 'agent', '-f', file])
    await running.waitFor(/agent a runs/)
    const sender = connect(port, '127.0.0.1').setEncoding('utf8')
    const answers: string[] = []
    sender.on('data', (text: string) => answers.push(text))
    const answered = async (count: number): Promise<void> => {
      while (answers.join('').split('OK\n').length <= count)
        await new Promise((resolve) => sender.once('data', resolve))
    }
    sender.write('one\n')
    await answered(1)

    write('logger')
    process.kill(running.pid, 'SIGHUP')
    await running.waitFor(/taken over: sink k restarted \(type null → logger\); 2 of 3 kept/)
    sender.write('two\n')
    await answered(2)
    await running.waitFor(/74 77 6F/)

    write('lagger')
    process.kill(running.pid, 'SIGHUP')
    await running.waitFor(/nothing is changed, the agent runs on/)
    assert.match(running.stderr, /agent\.properties:9:\d+.*a\.sinks\.k\.type/)
    sender.write('three\n')
    await answered(3)
    await running.waitFor(/74 68 72 65 65/)
    sender.destroy()
    port = 0
    assert.equal(await running.stop(), 0, running.stderr)
  })

  it('sees a changed file by itself at the interval that it is given', async () => {
    write('null')
    await using running = new RunningProcess('flume-ts', process.execPath, [
      command,
      'agent',
      '-f',
      file,
      '--poll-interval',
      '1',
    ])
    await running.waitFor(/agent a runs/)
    write('logger')
    await running.waitFor(/sink k restarted/)
    assert.equal(await running.stop(), 0, running.stderr)
  })

  it('can be mended, and stopped, while its channel does not open', async () => {
    const module = join(folder, 'stuck.mjs')
    writeFileSync(
      module,
      "export const stuck = { kind: 'channel', type: 'stuck', summary: '', options: {}, capabilities: { durable: true, ordered: true, overlappingTakes: true }, create: () => { throw new Error('no such disk') } }\n",
    )
    write('null', `a.channels.c.type = ${module}\n`)
    for (const isMended of [true, false]) {
      await using running = new RunningProcess('flume-ts', process.execPath, [command, 'agent', '-f', file])
      await running.waitFor(/no such disk/)
      if (isMended) {
        write('null')
        process.kill(running.pid, 'SIGHUP')
        await running.waitFor(/channel c restarted/)
        await running.waitFor(/agent a runs/)
        write('null', `a.channels.c.type = ${module}\n`)
      }
      assert.equal(await running.stop(), 0, running.stderr)
    }
  })
})
