import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { brief, loadText } from '../../support/configurations.ts'

const base = `a1.sources = r1
a1.channels = c1 c2
a1.sinks = k1 k2
a1.sources.r1.type = netcat
a1.sources.r1.bind = localhost
a1.sources.r1.port = 0
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.c2.type = memory
a1.sinks.k1.type = logger
a1.sinks.k1.channel = c1
a1.sinks.k2.type = logger
a1.sinks.k2.channel = c2
`
const load = (more: string) => loadText(base + more)

describe('deadLetter.channel', () => {
  it('is read, with its attempts, and feeds the channel', async () => {
    const { model, findings } = await load('a1.sinks.k1.deadLetter.channel = c2\na1.sinks.k1.deadLetter.attempts = 5\n')
    assert.deepEqual(findings, [])
    assert.deepEqual(model?.sinks[0]?.deadLetters, { channel: 'c2', attempts: 5 })
    assert.equal(model?.sinks[1]?.deadLetters, undefined)
    const without = await load('')
    assert.deepEqual(brief(without), ['9 note never-fed a1.channels.c2'])
  })

  it('a change of it is a change of the sink', async () => {
    const [one, other] = await Promise.all([
      load('a1.sinks.k1.deadLetter.channel = c2\n'),
      load('a1.sinks.k1.deadLetter.channel = c2\na1.sinks.k1.deadLetter.attempts = 9\n'),
    ])
    assert.notEqual(one.model?.sinks[0]?.fingerprint, other.model?.sinks[0]?.fingerprint)
  })

  const wrong: readonly (readonly [string, string, string[]])[] = [
    [
      'no channel of the agent',
      'a1.sinks.k1.deadLetter.channel = c3\n',
      ['14 error undeclared-channel a1.sinks.k1.deadLetter.channel', '9 note never-fed a1.channels.c2'],
    ],
    [
      'its own channel',
      'a1.sinks.k1.deadLetter.channel = c1\n',
      ['14 error dead-letter-circle a1.sinks.k1.deadLetter.channel', '9 note never-fed a1.channels.c2'],
    ],
    [
      'a circle over two sinks',
      'a1.sinks.k1.deadLetter.channel = c2\na1.sinks.k2.deadLetter.channel = c1\n',
      ['14 error dead-letter-circle a1.sinks.k1.deadLetter.channel', '9 note never-fed a1.channels.c2'],
    ],
    [
      'no channel, only attempts',
      'a1.sinks.k1.deadLetter.attempts = 2\n',
      ['14 warning no-effect a1.sinks.k1.deadLetter.attempts', '9 note never-fed a1.channels.c2'],
    ],
    [
      'no number of attempts',
      'a1.sinks.k1.deadLetter.channel = c2\na1.sinks.k1.deadLetter.attempts = 0\n',
      ['15 error bad-value a1.sinks.k1.deadLetter.attempts', '9 note never-fed a1.channels.c2'],
    ],
    [
      'a slip of the pen',
      'a1.sinks.k1.deadletter.channel = c2\n',
      ['14 warning misspelt-key a1.sinks.k1.deadletter.channel', '9 note never-fed a1.channels.c2'],
    ],
  ]
  for (const [name, more, found] of wrong) {
    it(`${name} is found`, async () => {
      assert.deepEqual([...brief(await load(more))].sort(), found.sort())
    })
  }

  it('a dead-letter channel without a sink is never drained', async () => {
    const { model, findings } = await loadText(`${base.replace('k1 k2', 'k1')}a1.sinks.k1.deadLetter.channel = c2\n`)
    assert.equal(model, undefined)
    assert.ok(
      findings.some(({ message }) => message.startsWith('is fed by the dead letters of k1 and drained by no sink')),
    )
  })
})
