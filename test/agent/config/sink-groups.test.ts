import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LoadAgentInput } from '../../../src/agent/config/load.ts'
import { formatFinding } from '../../../src/spec/finding.ts'
import { brief, loadText, shape } from '../../support/configurations.ts'

/** Three logger sinks on one memory channel; the groups stand behind line 16. */
const three = `a1.sources = r1
a1.channels = c1
a1.sinks = k1 k2 k3
a1.sources.r1.type = netcat
a1.sources.r1.bind = localhost
a1.sources.r1.port = 44444
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = logger
a1.sinks.k1.channel = c1
a1.sinks.k2.type = logger
a1.sinks.k2.channel = c1
a1.sinks.k3.type = logger
a1.sinks.k3.channel = c1
a1.sinkgroups = g1
`
const sinks = 'r1>c1 k1<c1 k2<c1 k3<c1'

interface Case {
  readonly name: string
  /** Lines from 16 on. */
  readonly group: string
  /** Lines of the agent replaced, by number. */
  readonly lines?: Readonly<Record<number, string>>
  readonly input?: Partial<LoadAgentInput>
  readonly finds?: readonly string[]
  readonly says?: RegExp
  readonly runs: string | undefined
}

const lenient = { mode: 'lenient' } as const
const group = (text: string): string =>
  text
    .split('\n')
    .map((line) => (line ? `a1.sinkgroups.${line}` : line))
    .join('\n')

const cases: readonly Case[] = [
  {
    name: 'a failover group drives its sinks, and a sink in no group runs alone (C-24)',
    group:
      'g1.sinks = k2 k1\ng1.processor.type = failover\ng1.processor.priority.k1 = 5\ng1.processor.maxpenalty = 10000',
    runs: `${sinks} g1=failover(k2 k1)`,
  },
  {
    name: "a processor's type may be its alias in any case or its class",
    group: 'g1.sinks = k1 k2\ng1.processor.type = org.apache.flume.sink.LoadBalancingSinkProcessor',
    runs: `${sinks} g1=load_balance(k1 k2)`,
  },
  {
    name: 'one sink under the default processor',
    group: 'g1.sinks = k1\ng1.processor.type = DEFAULT',
    runs: `${sinks} g1=default(k1)`,
  },
  {
    name: 'a sink that does not exist is left out of the group (C-15)',
    group: 'g1.sinks = k1 k2 k4\ng1.processor.type = failover',
    finds: ['16 warning undeclared-sink a1.sinkgroups.g1.sinks'],
    says: /"k4" is no sink of this agent; the group goes without it \(did you mean/,
    runs: `${sinks} g1=failover(k1 k2)`,
  },
  {
    name: 'a sink that is switched off by its channel is left out of the group (C-15)',
    lines: { 14: 'a1.sinks.k3.channel = dummy' },
    group: 'g1.sinks = k1 k3\ng1.processor.type = failover',
    finds: ['14 warning undeclared-channel a1.sinks.k3.channel'],
    runs: 'r1>c1 k1<c1 k2<c1 g1=failover(k1)',
  },
  {
    name: 'a sink is in the first group that names it (C-15)',
    lines: { 15: 'a1.sinkgroups = g1 g2' },
    group: 'g1.sinks = k1 k2\ng1.processor.type = failover\ng2.sinks = k2 k3\ng2.processor.type = failover',
    finds: ['18 warning sink-in-two-groups a1.sinkgroups.g2.sinks'],
    says: /"k2" is in group g1 already/,
    runs: `${sinks} g1=failover(k1 k2) g2=failover(k3)`,
  },
  {
    name: 'a group none of whose sinks exist is left out, and the sinks run alone (C-15)',
    group: 'g1.sinks = x y\ng1.processor.type = failover',
    finds: [
      '16 warning undeclared-sink a1.sinkgroups.g1.sinks',
      '16 warning undeclared-sink a1.sinkgroups.g1.sinks',
      '16 warning empty-group a1.sinkgroups.g1',
    ],
    runs: sinks,
  },
  {
    name: 'a group without sinks is an error (C-16)',
    group: 'g1.processor.type = failover',
    finds: ['16 error missing a1.sinkgroups.g1.sinks'],
    says: /this agent has "k1", "k2", "k3"/,
    runs: undefined,
  },
  {
    name: 'a group without sinks is left out when lenient, and its sinks run alone (C-16)',
    group: 'g1.processor.type = failover',
    input: lenient,
    finds: ['16 warning missing a1.sinkgroups.g1.sinks', '16 warning left-out a1.sinkgroups.g1'],
    runs: sinks,
  },
  {
    name: 'sink for sinks is pointed at (C-16)',
    group: 'g1.sink = k1 k2\ng1.processor.type = failover',
    finds: ['16 error missing a1.sinkgroups.g1.sink'],
    says: /did you mean "sinks"/,
    runs: undefined,
  },
  {
    name: 'a group without processor.type is an error (C-23)',
    group: 'g1.sinks = k1 k2',
    finds: ['16 error no-type a1.sinkgroups.g1.processor.type'],
    says: /it is one of default, failover, load_balance/,
    runs: undefined,
  },
  {
    name: 'a group without processor.type takes its sinks with it when lenient (C-23)',
    group: 'g1.sinks = k1 k2',
    input: lenient,
    finds: [
      '9 warning left-out a1.sinks.k1',
      '11 warning left-out a1.sinks.k2',
      '16 warning no-type a1.sinkgroups.g1.processor.type',
      '16 warning left-out a1.sinkgroups.g1',
    ],
    runs: 'r1>c1 k3<c1',
  },
  {
    name: 'an unknown processor takes its sinks with it when lenient (C-23)',
    group: 'g1.sinks = k1 k2 k3\ng1.processor.type = fallover',
    input: lenient,
    finds: [
      '8 warning never-drained a1.channels.c1',
      '9 warning left-out a1.sinks.k1',
      '11 warning left-out a1.sinks.k2',
      '13 warning left-out a1.sinks.k3',
      '16 warning left-out a1.sinkgroups.g1',
      '17 warning unknown-type a1.sinkgroups.g1.processor.type',
    ],
    says: /did you mean "failover"/,
    runs: 'r1>c1',
  },
  {
    name: 'load_balance with one sink is an error',
    group: 'g1.sinks = k1\ng1.processor.type = load_balance',
    finds: ['16 error sink-count a1.sinkgroups.g1.sinks'],
    says: /processor load_balance takes 2 or more \(add sinks/,
    runs: undefined,
  },
  {
    name: 'the default processor with several sinks is an error that names the others',
    group: 'g1.sinks = k1 k2\ng1.processor.type = default',
    finds: ['16 error sink-count a1.sinkgroups.g1.sinks'],
    says: /takes one only \(for several sinks there are failover, load_balance\)/,
    runs: undefined,
  },
  {
    name: 'load_balance with one sink takes it along when lenient',
    group: 'g1.sinks = k1\ng1.processor.type = load_balance',
    input: lenient,
    finds: [
      '9 warning left-out a1.sinks.k1',
      '16 warning sink-count a1.sinkgroups.g1.sinks',
      '16 warning left-out a1.sinkgroups.g1',
    ],
    runs: 'r1>c1 k2<c1 k3<c1',
  },
  {
    name: 'a sink of a group that has an error is said once (C-22)',
    lines: { 9: 'a1.sinks.k1.type = hdfs' },
    group: 'g1.sinks = k1 k2\ng1.processor.type = load_balance',
    finds: ['9 error missing a1.sinks.k1.hdfs.path'],
    runs: undefined,
  },
  {
    name: 'a sink of a group that has an error is left out of it when lenient, and the rest runs (C-22)',
    lines: { 9: 'a1.sinks.k1.type = hdfs' },
    group: 'g1.sinks = k1 k2\ng1.processor.type = failover',
    input: lenient,
    finds: [
      '9 warning missing a1.sinks.k1.hdfs.path',
      '9 warning left-out a1.sinks.k1',
      '16 warning undeclared-sink a1.sinkgroups.g1.sinks',
    ],
    runs: 'r1>c1 k2<c1 k3<c1 g1=failover(k2)',
  },
  {
    name: "a priority of a sink that is not in the group, a processor's unknown key, a group's unknown key",
    group:
      'g1.sinks = k1 k2\ng1.processor.type = failover\ng1.processor.priority.k3 = 1\ng1.processor.maxPenalty = 1\ng1.color = red\ng1.processor.x =',
    finds: [
      '18 warning processor-sink a1.sinkgroups.g1.processor.priority.k3',
      '19 warning misspelt-key a1.sinkgroups.g1.processor.maxPenalty',
      '20 warning unknown-key a1.sinkgroups.g1.color',
      '21 warning empty-value a1.sinkgroups.g1.processor.x',
    ],
    says: /"k3" is not among the group's sinks; the line has no effect \(did you mean/,
    runs: `${sinks} g1=failover(k1 k2)`,
  },
  {
    name: 'a group that is not listed is switched off',
    lines: { 15: '' },
    group: 'g1.sinks = k1 k2\ng1.processor.type = failover',
    finds: ['16 note not-listed a1.sinkgroups.g1'],
    runs: sinks,
  },
  {
    name: 'a listed group without keys is left out (C-11)',
    group: '',
    finds: ['15 warning not-configured a1.sinkgroups'],
    runs: sinks,
  },
]

describe('sink groups', () => {
  for (const { name, group: lines, lines: replaced = {}, input, finds = [], says, runs } of cases) {
    it(name, async () => {
      const agent = three.trimEnd().split('\n')
      for (const [number, line] of Object.entries(replaced)) agent[Number(number) - 1] = line
      const loaded = await loadText(`${agent.join('\n')}\n${group(lines)}\n`, input)
      assert.deepEqual(brief(loaded), finds)
      if (says) assert.match(loaded.findings.map(formatFinding).join('\n'), says)
      assert.equal(shape(loaded.model), runs)
    })
  }

  it('the model has the options and a fingerprint that changes with a key of the group', async () => {
    const text = (priority: number): string =>
      three + group(`g1.sinks = k1 k2\ng1.processor.type = failover\ng1.processor.priority.k1 = ${priority}\n`)
    const [one, same, other] = await Promise.all([loadText(text(1)), loadText(text(1)), loadText(text(2))])
    const [made] = one.model?.groups ?? []
    assert.deepEqual(made?.options, { 'priority.': { k1: '1' }, maxpenalty: 30000 })
    assert.equal(made?.fingerprint, same.model?.groups[0]?.fingerprint)
    assert.notEqual(made?.fingerprint, other.model?.groups[0]?.fingerprint)
  })
})
