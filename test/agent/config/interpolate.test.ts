import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { interpolate } from '../../../src/agent/config/interpolate.ts'
import { TimeZone } from '../../../src/codec/time-zone.ts'

const env = { A: 'one', B: '${env:A}', WHICH: 'A', EMPTY: '' }
const systemProperties = new Map([['s.p', 'two']])
const keys = new Map([
  ['base.dir', '/data'],
  ['sub.dir', '${base.dir}/sub'],
  ['loop.a', '${loop.b}'],
  ['loop.b', '${loop.a}'],
])
const nowMs = Date.UTC(2026, 1, 3, 4, 5, 6, 7)
const zone = TimeZone.utc
const property = (key: string): string | undefined => keys.get(key)

// Each of these was also given to Flume 1.11's own resolver, which answers the same (but for java:, which it has).
describe('a variable in a value', () => {
  const cases: readonly [name: string, text: string, expected: string, reasons?: readonly string[]][] = [
    ['nothing to replace', 'a $b %{c} {d}', 'a $b %{c} {d}'],
    ['the environment (C-28)', '${env:A}-${env:A}', 'one-one'],
    ['the prefix in any case (C-28)', '${ENV:A}', 'one'],
    ['a system property (C-28)', 'x${sys:s.p}y', 'xtwoy'],
    ['another key, and what it names (C-28)', '${sub.dir}/x', '/data/sub/x'],
    ['a value that holds a variable (C-28)', '${env:B}', 'one'],
    ['a name made of a variable (C-28)', '${env:${env:WHICH}}', 'one'],
    ['a default that is not needed', '${env:A:-x}', 'one'],
    ['a default (C-28)', '${env:NONE:-x}', 'x'],
    ['an empty default', '${env:NONE:-}', ''],
    ['an empty value is a value', '[${env:EMPTY:-x}]', '[]'],
    ['a default that is a variable (C-28)', '${env:NONE:-${env:A}}', 'one'],
    ['a default of a plain name', '${none:-x}', 'x'],
    ['$$ escapes (C-28)', '$${env:A}', '${env:A}'],
    ['$$ escapes once, and a default is read twice', '${none:-$${env:A}}', 'one'],
    ['$$$ is a $ and an escape', '$$${env:A}', '$${env:A}'],
    ['a second :- belongs to the default', '${env:NONE:-a:-b}', 'a:-b'],
    ['an unknown prefix is a plain name', '${foo:bar:-z}', 'z'],
    ['blanks belong to the name', '${env:A }', '${env:A }', ['unset']],
    ['a backslash does not escape', '\\${env:A}', '\\one'],
    ['$$ at the end', 'x$$', 'x$$'],
    ['an unset one stays as it is (C-28)', '${env:NONE}', '${env:NONE}', ['unset']],
    ['a plain one stays as it is (C-28)', '${A}', '${A}', ['plain']],
    ['a config filter’s text stays for the filter (C-26)', "${f['k']}", "${f['k']}", ['plain']],
    [
      'the time, by a pattern of Java’s (C-28)',
      "${date:yyyy-MM-dd'T'HH:mm:ss.SSS}/${DATE:EEEE}",
      '2026-02-03T04:05:06.007/Tuesday',
    ],
    ['a pattern made of a variable (C-28)', '${date:${none:-yyyy}}', '2026'],
    ['a pattern that is none', '${date:yyyy-bb:-x}', '${date:yyyy-bb:-x}', ['bad-date']],
    ['the Java machine, which is not there', '${java:version:-8}', '${java:version:-8}', ['java']],
    ['an open brace is text', '${env:A', '${env:A'],
    ['a later one is found behind one that stays', '${x}${env:A}', '${x}one', ['plain']],
  ]
  for (const [name, text, expected, reasons = []] of cases) {
    it(name, () => {
      const { text: replaced, unreplaced } = interpolate(text, { env, systemProperties, nowMs, zone, property })
      assert.equal(replaced, expected)
      assert.deepEqual(
        unreplaced.map(({ reason }) => reason),
        reasons,
      )
    })
  }

  it('a circle ends', () => {
    const { unreplaced } = interpolate('${loop.a}', { env, systemProperties, nowMs, zone, property })
    assert.deepEqual(
      unreplaced.map(({ reason }) => reason),
      ['too-deep'],
    )
  })

  it('a value that doubles itself at every step stays bounded', () => {
    const grow = (key: string): string | undefined => (key === 'x' ? '${x}${x}'.repeat(64) : undefined)
    const { text, unreplaced } = interpolate('${x}', { env: {}, systemProperties: new Map(), nowMs, property: grow })
    assert.ok(text.length < 8 * 1024 * 1024)
    assert.deepEqual(unreplaced, [{ name: 'x', reason: 'too-deep' }])
  })
})

describe('with Flume 1.9’s resolver of environment variables (C-27)', () => {
  const resolver = new Map([['propertiesImplementation', 'org.apache.flume.node.EnvVarResolverProperties']])
  const cases: readonly [text: string, expected: string][] = [
    ['${A}/x', 'one/x'],
    ['[${NONE}]', '[]'],
    ['${base.dir}', '/data'],
  ]
  for (const [text, expected] of cases) {
    it(`${text} is ${expected}`, () => {
      assert.equal(interpolate(text, { env, systemProperties: resolver, nowMs, property }).text, expected)
    })
  }
})
