import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { readJodaPattern } from '../../src/codec/joda-date.ts'
import { TimeZone } from '../../src/codec/time-zone.ts'
import { jodaTimes } from '../support/joda-times.ts'

const recorded = JSON.parse(
  readFileSync(new URL('../../../test/fixture/joda-dates/times.json', import.meta.url), 'utf8'),
) as Record<string, readonly (number | null)[]>
const zone = TimeZone.find('America/New_York') as TimeZone

describe('times as Joda reads them', () => {
  for (const [pattern, texts] of Object.entries(jodaTimes)) {
    for (const [index, text] of texts.entries()) {
      it(`"${text}" by ${pattern}`, () => {
        const reading = readJodaPattern(pattern)
        assert.ok('value' in reading, 'problem' in reading ? reading.problem : '')
        assert.equal(reading.value.parse(text, zone) ?? null, recorded[pattern]?.[index])
      })
    }
  }

  for (const [pattern, problem] of [
    ['qq', /letter q/],
    ["yyyy'", /quote without its end/],
    ['xxxx', /letter x/],
    ['ZZZ', /ZZZ/],
    ['', /empty/],
  ] as const) {
    it(`refuses the pattern ${pattern || '(nothing)'}`, () => {
      const reading = readJodaPattern(pattern)
      assert.ok('problem' in reading)
      assert.match(reading.problem, problem)
    })
  }
})
