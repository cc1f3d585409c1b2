import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'
import { formatJavaDate } from '../../src/codec/java-date-pattern.ts'
import { TimeZone } from '../../src/codec/time-zone.ts'

interface Row {
  readonly pattern: string
  readonly timeMs: number
  readonly zone: string
  readonly text?: string
}

it('every pattern comes out as Java’s FastDateFormat writes or refuses it', () => {
  const rows = JSON.parse(
    readFileSync(new URL('../../../test/fixture/java-dates/patterns.json', import.meta.url), 'utf8'),
  ) as readonly Row[]
  assert.ok(rows.length > 40)
  for (const { pattern, timeMs, zone, text } of rows) {
    const made = formatJavaDate(pattern, timeMs, TimeZone.find(zone) as TimeZone)
    assert.equal(made, text, `${pattern} at ${timeMs} in ${zone}`)
  }
})

it('letters that depend on the place are refused', () => {
  for (const pattern of ['w', 'W', 'YYYY', 'z', 'zzzz', 'b', 'XXXX', 'yyyy constructor']) {
    assert.equal(formatJavaDate(pattern, 0, TimeZone.utc), undefined, pattern)
  }
})
