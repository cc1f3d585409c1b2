import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EventBatch } from '../../../src/agent/contract.ts'
import { multiplexing } from '../../../src/agent/selector/multiplexing.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { textsOf } from '../../support/batches.ts'
import { channelContext } from '../../support/channel-context.ts'

interface Options {
  readonly mapping?: Readonly<Record<string, string>>
  readonly optional?: Readonly<Record<string, string>>
  readonly default?: readonly string[]
}

async function make({ mapping = {}, optional = {}, default: otherwise = [] }: Options) {
  const counted = { dropped: 0 }
  const selector = await multiplexing.create(
    { header: 'h', 'mapping.': mapping, 'optional.': optional, default: otherwise },
    {
      ...channelContext(new ManualClock()),
      channels: ['c1', 'c2', 'c3'],
      dropped: (count) => {
        counted.dropped += count
      },
    },
  )
  return { selector, counted }
}

async function waysOf(options: Options, value: string | undefined): Promise<string> {
  const { selector } = await make(options)
  const batch = EventBatch.of([{ body: 'x', ...(value === undefined ? {} : { headers: { h: value } }) }])
  return selector
    .route(batch)
    .map((route) => `${route.channel}${route.required ? '' : '?'}`)
    .join(' ')
}

const full: Options = {
  mapping: { foo: 'c1 c2', bar: 'c2  c3', xyz: 'c1\tc2 c3', 'a.b': 'c1' },
  optional: { foo: 'c2 c3', xyz: 'c1 c3', zebra: 'c1 c2' },
  default: ['c1', 'c3'],
}

describe('multiplexing selector', () => {
  for (const [what, options, value, expected] of [
    ['a mapped value', full, 'foo', 'c1 c2 c3?'],
    ['names separated by more than one blank', full, 'bar', 'c2 c3'],
    ['optional channels that are required anyway (P-10)', full, 'xyz', 'c1 c2 c3'],
    ['a value with dots', full, 'a.b', 'c1'],
    ['no header', full, undefined, 'c1 c3'],
    ['a blank value', full, ' ', 'c1 c3'],
    ['a value in another case (P-09)', full, 'FOO', 'c1 c3'],
    ['an optional value without a mapping', full, 'zebra', 'c1 c3 c2?'],
    ['a value named as a property of every object', full, 'constructor', 'c1 c3'],
    ['no default', { mapping: { foo: 'c1' } }, 'bar', ''],
    ['only a default', { default: ['c2'] }, 'foo', 'c2'],
    ['only optional channels', { optional: { foo: 'c2' } }, 'foo', 'c2?'],
  ] as const) {
    it(`${what} → ${expected || 'nowhere'}`, async () => assert.equal(await waysOf(options, value), expected))
  }

  it('splits a batch in order, each channel once, required ones first (P-01)', async () => {
    const { selector, counted } = await make({ mapping: { a: 'c1', b: 'c2 c1' }, optional: { a: 'c3' } })
    const values = ['b', 'a', undefined, 'a', 'b']
    const batch = EventBatch.of(
      values.map((h, i) => ({ body: `${i}`, ...(h === undefined ? {} : { headers: { h } }) })),
    )
    const routes = selector.route(batch)
    assert.deepEqual(
      routes.map((route) => [route.channel, route.required, textsOf(route.batch).join('')]),
      [
        ['c2', true, '04'],
        ['c1', true, '0134'],
        ['c3', false, '13'],
      ],
    )
    assert.ok(
      routes.every((route) => route.batch.body === batch.body),
      'no body is copied',
    )
    assert.equal(counted.dropped, 1, 'what goes nowhere is counted')
  })

  it('hands on the very batch when all events share the value', async () => {
    const { selector } = await make(full)
    const batch = EventBatch.of([{ body: '1' }, { body: '2' }]).withHeader('h', 'foo')
    assert.ok(selector.route(batch).every((route) => route.batch === batch))
  })

  it('names every channel it may use, for the configuration to check', () => {
    const named = multiplexing.channelsNamed?.({
      header: 'h',
      'mapping.': { foo: 'c1  x' },
      'optional.': { bar: 'y' },
      default: ['z'],
    } as never)
    assert.deepEqual(
      named?.map(({ option, channel }) => `${option}=${channel}`),
      ['default=z', 'mapping.foo=c1', 'mapping.foo=x', 'optional.bar=y'],
    )
  })
})
