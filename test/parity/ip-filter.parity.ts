import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { type Flow, runFlows } from '../peers/flows.ts'
import { recordedRpc } from '../support/recorded-rpc.ts'

const callers = ['127.0.0.1', '127.0.0.2', '127.0.1.9'] as const
/** A handshake and the events of a real Flume's avro sink. */
const call = Buffer.concat(recordedRpc('flume-1.11-avro-sink', 'client'))

/** Whether a caller from this address is answered, or sent away. */
function isServed(port: number, localAddress: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    const end = (answer: string): void => {
      timer.cancel()
      socket.destroy()
      resolve(`${localAddress} is ${answer}`)
    }
    const timer = systemClock.after(5000, () => end('kept waiting'))
    socket.on('connect', () => socket.write(call))
    socket.once('data', () => end('served'))
    socket.on('error', () => end('sent away'))
    socket.on('close', () => end('sent away'))
  })
}

const cases: readonly (readonly [rules: string, served: readonly boolean[]])[] = [
  ['allow:ip:127.0.0.1,deny:ip:*', [true, false, false]],
  ['deny:ip:127.0.0.1', [false, true, true]],
  ['allow:ip:127.0.0.*,deny:ip:127.*', [true, true, false]],
  ['deny:ip:127.0.0.?,allow:ip:127.0.0.1', [false, false, true]],
  ['allow:name:localhost,deny:ip:*', [true, false, false]],
  ['deny:name:localhost,allow:ip:*', [false, true, true]],
  ['allow:ip:10.*', [true, true, true]],
  ['deny:ip:*', [false, false, false]],
  ['allow:ip:127.0.0.1, deny:ip:127.0.0.2', [true, false, true]],
  ['allow:ip:127.0.1.*,allow:ip:127.0.0.2,deny:name:*', [false, true, true]],
]

const flows: readonly Flow[] = cases.map(([rules]) => ({
  name: rules,
  source: ['type = avro', 'bind = 127.0.0.1', 'port = PORT', 'ipFilter = true', `ipFilterRules = ${rules}`],
  feed: async (port) => {
    const answers: string[] = []
    for (const caller of callers) answers.push(await isServed(port, caller))
    return answers
  },
  lines: {},
}))

for (const version of ['1.9', '1.11'] as const) {
  test(`ipFilterRules of the avro source let in whom those of Flume ${version} let in`, async (t) => {
    const theirs = await runFlows(t, 'theirs', version, flows)
    const ours = await runFlows(t, 'ours', version, flows)
    for (const [i, [rules, served]] of cases.entries()) {
      await t.test(rules, () => {
        const expected = callers.map((caller, n) => `${caller} is ${served[n] ? 'served' : 'sent away'}`)
        assert.deepEqual([theirs[i]?.answers, ours[i]?.answers], [expected, expected])
      })
    }
  })
}
