import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AgentModel } from '../../../src/agent/config/model.ts'
import { failover } from '../../../src/agent/processor/failover.ts'
import { loadBalance } from '../../../src/agent/processor/load-balance.ts'
import { namesOf, planReload } from '../../../src/agent/runtime/plan.ts'
import {
  agentModel,
  groupModel,
  HandSource,
  memoryModel,
  RecordingSink,
  sinkModel,
  sourceModel,
} from '../../support/components.ts'

const hand = new HandSource().spec
const batching = { ...hand, batchSizeOption: 'batchSize' }
const sink = new RecordingSink().spec
const otherSink = new RecordingSink().spec
const durable = { ...memoryModel('x').spec, capabilities: { durable: true, ordered: true, overlappingTakes: true } }

const withDirectories = { ...memoryModel('x').spec, fixedOptions: ['dir'] }

const base = agentModel({
  channels: [memoryModel('c1'), memoryModel('c2')],
  sources: [sourceModel('r1', hand, ['c1']), sourceModel('r2', batching, ['c1', 'c2'])],
  sinks: [sinkModel('k1', sink, 'c1'), sinkModel('k2', sink, 'c1'), sinkModel('k3', sink, 'c2')],
  groups: [groupModel('g1', failover, ['k1', 'k2'])],
})

/** The base with parts replaced by name. */
function change(
  parts: {
    [K in 'channels' | 'sources' | 'sinks' | 'groups']?: Readonly<Record<string, object | undefined>>
  },
): AgentModel {
  const replace = <M extends { readonly name: string }>(
    models: readonly M[],
    by: Readonly<Record<string, object | undefined>> = {},
  ): M[] =>
    models.flatMap((model) => (model.name in by ? (by[model.name] ? [{ ...model, ...by[model.name] }] : []) : [model]))
  return {
    ...base,
    channels: replace(base.channels, parts.channels),
    sources: replace(base.sources, parts.sources),
    sinks: replace(base.sinks, parts.sinks),
    groups: replace(base.groups, parts.groups),
  }
}

const said = (wanted: AgentModel, running = base): string[] =>
  planReload(running, wanted)
    .changes.filter(({ change }) => change !== 'keep')
    .map(({ kind, name, change, why }) => `${kind} ${name}: ${change}, ${why}`)

describe('plan of a reload', () => {
  const smaller = { fingerprint: 'smaller', options: { ...memoryModel('c1').options, transactionCapacity: 50 } }
  const cases: readonly [name: string, wanted: AgentModel, expected: readonly string[]][] = [
    ['equal agents: nothing', change({}), []],
    [
      'a source with other keys',
      change({ sources: { r1: { fingerprint: 'new' } } }),
      ['source r1: restart, its keys changed'],
    ],
    [
      'a sink with other keys takes its group along, its neighbour stays',
      change({ sinks: { k1: { fingerprint: 'new' } } }),
      ['sink k1: restart, its keys changed', 'group g1: restart, sink k1: restart'],
    ],
    [
      'a sink of another type',
      change({ sinks: { k3: { spec: { ...otherSink, type: 'other' } } } }),
      ['sink k3: restart, type recording → other'],
    ],
    [
      'a sink whose module was changed',
      change({ sinks: { k3: { spec: otherSink } } }),
      ['sink k3: restart, the code of its type changed'],
    ],
    ['a sink on another channel', change({ sinks: { k3: { channel: 'c1' } } }), ['sink k3: restart, channel c2 → c1']],
    [
      'new limits of a memory channel leave it and its sinks alone (R-05, MC-11)',
      change({ channels: { c2: { fingerprint: 'larger', options: { ...memoryModel('c2').options, capacity: 500 } } } }),
      ['channel c2: adjust, its keys changed'],
    ],
    [
      'an adjustable channel whose directories change is made anew',
      change({
        channels: {
          c2: { spec: withDirectories, fingerprint: 'moved', options: { ...memoryModel('c2').options, dir: 'b' } },
        },
      }),
      [
        'source r2: restart, channel c2 restarts',
        'channel c2: restart, dir changed',
        'sink k3: restart, channel c2 restarts',
      ],
    ],
    [
      'a new transactionCapacity makes sources that cut batches anew, others not',
      change({ channels: { c1: smaller } }),
      ['source r2: restart, transactionCapacity of channel c1', 'channel c1: adjust, its keys changed'],
    ],
    [
      'a channel of another type takes its sources and sinks along',
      change({ channels: { c2: { spec: { ...durable, type: 'file' } } } }),
      [
        'source r2: restart, channel c2 restarts',
        'channel c2: restart, type memory → file',
        'sink k3: restart, channel c2 restarts',
      ],
    ],
    [
      'a source on other channels',
      change({ sources: { r2: { channels: ['c2'] } } }),
      ['source r2: restart, channels c1 c2 → c2'],
    ],
    [
      'a source whose selector was changed',
      change({
        sources: {
          r1: { selector: { spec: { ...base.sources[0]?.selector.spec, create: () => undefined }, options: {} } },
        },
      }),
      ['source r1: restart, its interceptors or its selector changed'],
    ],
    [
      'what is gone and what is new',
      {
        ...change({ sinks: { k3: undefined } }),
        sinks: [...change({ sinks: { k3: undefined } }).sinks, sinkModel('k9', sink, 'c2')],
      },
      ['sink k9: start, new', 'sink k3: stop, removed'],
    ],
    ['a group that goes leaves its sinks running', change({ groups: { g1: undefined } }), ['group g1: stop, removed']],
    [
      'a group of another type leaves its sinks running',
      change({ groups: { g1: { spec: loadBalance } } }),
      ['group g1: restart, type failover → load_balance'],
    ],
    [
      'a group with its sinks in another order',
      change({ groups: { g1: { sinks: ['k2', 'k1'] } } }),
      ['group g1: restart, sinks k1 k2 → k2 k1'],
    ],
  ]
  for (const [name, wanted, expected] of cases) {
    it(name, () => {
      assert.deepEqual(said(wanted), expected)
      assert.equal(planReload(base, wanted).isEmpty, expected.length === 0)
    })
  }

  it('names every part of either agent once, kept ones included', () => {
    const plan = planReload(base, change({ sinks: { k3: undefined } }))
    assert.deepEqual(
      plan.changes.map(({ name }) => name),
      ['r1', 'r2', 'c1', 'c2', 'k1', 'k2', 'k3', 'g1'],
    )
    assert.deepEqual(namesOf(plan, 'sink', 'keep'), ['k1', 'k2'])
  })
})
