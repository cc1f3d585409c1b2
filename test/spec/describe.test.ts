import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spooldir } from '../../src/agent/source/spooldir/index.ts'
import { describeAsPage } from '../../src/spec/describe.ts'

test('a default that is a pattern or a charset is shown as a user would write it', () => {
  const page = describeAsPage(spooldir)
  for (const [name, shown] of [
    ['includePattern', '^.*$'],
    ['inputCharset', 'UTF-8'],
    ['decodeErrorPolicy', 'FAIL'],
    ['pollDelay', '500'],
    ['deserializer', 'line'],
  ] as const) {
    const row = page.split('\n').find((line) => line.includes(`\`${name}\``) || line.startsWith(`| ${name} `))
    assert.ok(row?.includes(shown), `${name}: ${row}`)
  }
})
