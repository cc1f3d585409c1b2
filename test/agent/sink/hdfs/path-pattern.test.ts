import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PathPattern, type PatternSettings } from '../../../../src/agent/sink/hdfs/path-pattern.ts'
import { TimeZone } from '../../../../src/codec/time-zone.ts'
import { EventBatch } from '../../../../src/core/event-batch.ts'
import { textsOf } from '../../../support/batches.ts'
import { fc } from '../../../support/properties.ts'

const settings: PatternSettings = {
  zone: TimeZone.utc,
  round: undefined,
  useLocalTimeStamp: false,
  slashesInHeaders: true,
  colonsInHeaders: true,
}
const nowMs = 1_700_000_000_123
const machine = { localhost: 'box', ip: '10.0.0.1', fqdn: 'box.example.org' }

function expand(pattern: string, headers: Record<string, string> = {}, more: Partial<PatternSettings> = {}): string {
  const batch = EventBatch.of([{ body: 'x', headers }])
  const [share] = new PathPattern(pattern, 'p', { ...settings, ...more }, machine).partition(batch, nowMs)
  return share?.directory ?? ''
}

describe('a path pattern', () => {
  const timestamp = String(nowMs)
  const cases: [what: string, pattern: string, headers: Record<string, string>, expected: string][] = [
    ['text', '/flume/test', {}, '/flume/test'],
    ['letters', '/%Y-%m-%d/%H', { timestamp }, '/2023-11-14/22'],
    ['a header (H-16)', '/%{host}/x', { host: 'web1' }, '/web1/x'],
    ['a missing header as nothing (H-16)', '/%{host}/x', {}, '//x'],
    ['a header whose name has dots and dashes (H-16)', '/%{a.b-c}', { 'a.b-c': 'v' }, '/v'],
    ['what is no header name as it stands (H-16)', '/%{a b}', { 'a b': 'v' }, '/%{a b}'],
    ['a header with a slash as directories (H-16)', '/%{h}', { h: 'a/b' }, '/a/b'],
    ['names of this machine in any case (H-17)', '/%[localhost]/%[IP]/%[Fqdn]', {}, '/box/10.0.0.1/box.example.org'],
    ['%t as the header’s text (H-18)', '/%t', { timestamp: '+0017' }, '/+0017'],
    ['an unknown letter as nothing (H-19)', '/a%qb', { timestamp }, '/ab'],
    ['two percent signs as one (H-15)', '/100%%', { timestamp }, '/100%'],
    ['a percent sign before anything else as it is', '/a%-b%', {}, '/a%-b%'],
    ['values without expanding them again (H-19)', '/%{h}', { h: '%Y%{x}' }, '/%Y%{x}'],
    ['dots that would lead upwards as underscores', '/a/%{h}/b', { h: '../..' }, '/a/__/__/b'],
    ['dots that come together as underscores', '/a/.%{h}/b', { h: '.' }, '/a/__/b'],
    ['halves of characters as underscores', '/%{h}', { h: 'a\ud800b' }, '/a_b'],
    ['control characters as underscores', '/%{h}', { h: 'a\0b\nc' }, '/a_b_c'],
  ]
  for (const [what, pattern, headers, expected] of cases) {
    it(`writes ${what}`, () => assert.equal(expand(pattern, headers), expected))
  }

  it('turns slashes in headers into underscores when told to, and colons for HDFS', () => {
    assert.equal(expand('/%{h}', { h: 'a/../b:1' }, { slashesInHeaders: false }), '/a_.._b:1')
    assert.equal(expand('/%{h}', { h: 'web:80' }, { colonsInHeaders: false }), '/web_80')
  })

  it('cuts names to 255 bytes between characters, and values to 1000 characters', () => {
    assert.equal(expand('/a/%{h}/b', { h: 'x'.repeat(500) }), `/a/${'x'.repeat(255)}/b`)
    assert.equal(expand('/%{h}', { h: 'ü'.repeat(200) }), `/${'ü'.repeat(127)}`)
    assert.equal(expand('/%{h}', { h: 'x/'.repeat(5000) }), `/${'x/'.repeat(500)}`)
    const batch = EventBatch.of([{ body: 'x', headers: { h: 'p'.repeat(300) } }])
    assert.equal(new PathPattern('/', '%{h}', settings).partition(batch, nowMs)[0]?.prefix.length, 190)
  })

  it('uses the clock’s time instead of the header when told to (H-20)', () => {
    assert.equal(expand('/%H%M/%t', { timestamp: '0' }, { useLocalTimeStamp: true }), `/2213/${nowMs}`)
  })

  it('rounds the letters, not %t (H-18, H-21)', () => {
    const round = { value: 10, unit: 'minute' } as const
    assert.equal(expand('/%H%M%S/%s/%t', { timestamp }, { round }), `/221000/1699999800/${timestamp}`)
  })

  for (const pattern of ['/%Y', '/a%%', '/%q', '/%t']) {
    it(`rejects an event without timestamp for ${pattern}, naming it and the way out (H-15)`, () => {
      const batch = EventBatch.of([{ body: 'a', headers: { timestamp: '1' } }, { body: 'b' }])
      assert.throws(() => new PathPattern(pattern, 'p', settings).partition(batch, nowMs), {
        code: 'INVALID_DATA',
        retry: false,
        message: /event 2 of the batch has no timestamp header/,
        hint: /hdfs\.useLocalTimeStamp/,
        events: [1],
      })
    })
  }

  it('names every event whose time cannot be used, so that the others can be written', () => {
    const stamps = ['1', undefined, '2', 'soon', undefined]
    const batch = EventBatch.of(
      stamps.map((timestamp) => ({ body: 'x', ...(timestamp && { headers: { timestamp } }) })),
    )
    assert.throws(() => new PathPattern('/%Y', 'p', settings).partition(batch, nowMs), { events: [1, 3, 4] })
    const same = EventBatch.of([{ body: 'a' }, { body: 'b' }]).withHeader('timestamp', 'soon')
    assert.throws(() => new PathPattern('/%Y', 'p', settings).partition(same, nowMs), { events: [0, 1] })
  })

  for (const timestamp of ['yesterday', '', '1.5', '99999999999999999999', '9999999999999999']) {
    it(`rejects the timestamp ${JSON.stringify(timestamp)} (H-15)`, () => {
      assert.throws(() => expand('/%Y', { timestamp }), { code: 'INVALID_DATA', message: /timestamp header "/ })
    })
  }

  it('needs no timestamp without a time escape', () => assert.equal(expand('/%{x}'), '/'))

  it('hands the batch on as it is when all events agree', () => {
    const pattern = new PathPattern('/%{host}/%Y', 'p', settings)
    const batch = EventBatch.of([
      { body: 'a', headers: { host: 'x', timestamp } },
      { body: 'b', headers: { host: 'x', timestamp } },
    ])
    const shares = pattern.partition(batch, nowMs)
    assert.equal(shares.length, 1)
    assert.equal(shares[0]?.batch, batch)
  })

  it('puts every event where it would go alone, in order (H-01)', () => {
    const header = fc.record(
      {
        timestamp: fc.integer({ min: 1, max: 4e12 }).map(String),
        host: fc.constantFrom('a', 'b', '..', 'c/d', ''),
        kind: fc.constantFrom('x', 'y'),
      },
      { requiredKeys: ['timestamp'] },
    )
    const patterns = ['/%Y/%m/%d/%H%M%S/%{host}', '/%H/%{kind}', '/%{host}/%{kind}', '/fixed', '/%t', '/%d', '/%M']
    const rounds = [
      undefined,
      { value: 10, unit: 'second' },
      { value: 15, unit: 'minute' },
      { value: 6, unit: 'hour' },
    ] as const
    fc.assert(
      fc.property(
        fc.array(header, { maxLength: 30 }),
        fc.constantFrom(...patterns),
        fc.constantFrom(...rounds),
        fc.constantFrom('UTC', 'America/New_York', 'Asia/Kolkata', 'Africa/Monrovia'),
        (headers, path, round, zone) => {
          const pattern = new PathPattern(path, '%{kind}', {
            ...settings,
            round,
            zone: TimeZone.find(zone) as TimeZone,
          })
          const events = headers.map((each, i) => ({ body: String(i), headers: each as Record<string, string> }))
          const expected = new Map<string, string[]>()
          for (const event of events) {
            const [share] = pattern.partition(EventBatch.of([event]), nowMs)
            const key = `${share?.directory}|${share?.prefix}`
            expected.set(key, [...(expected.get(key) ?? []), event.body])
          }
          const shares = pattern.partition(EventBatch.of(events), nowMs)
          const found = new Map(shares.map((share) => [`${share.directory}|${share.prefix}`, textsOf(share.batch)]))
          assert.equal(shares.length, found.size)
          assert.deepEqual(found, expected)
        },
      ),
      { numRuns: 300 },
    )
  })
})
