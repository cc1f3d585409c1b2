import assert from 'node:assert/strict'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { components } from '../../../src/agent/components.ts'
import type { ConfigFilter, ConfigFilterSpec } from '../../../src/agent/contract.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { readOptions } from '../../support/read-options.ts'
import { tempDir } from '../../support/temp-dir.ts'

const spec = components.find(({ kind, type }) => kind === 'config filter' && type === 'external') as ConfigFilterSpec

/** A filter whose program is this script of the shell; its arguments are "one two KEY". */
async function filter(
  test: TestContext,
  script: string,
  { charset, clock = new ManualClock() }: { charset?: string; clock?: ManualClock } = {},
): Promise<ConfigFilter> {
  const file = join(await tempDir(test), 'ask')
  await writeFile(file, `#!/bin/sh\n${script}\n`)
  await chmod(file, 0o755)
  const options = readOptions(spec, { command: `${file} one  two`, ...(charset ? { charset } : {}) })
  return spec.create(options as never, { name: 'f', env: { PATH: process.env['PATH'], WHO: 'me' }, clock })
}

it('the first line of the output is the value; the key is the last argument (C-26)', async (test) => {
  const secrets = await filter(test, 'echo "$# $1 $2 $3 $WHO"; echo more; echo noise >&2')
  assert.equal(await secrets.get('pass-word_1'), '3 one two pass-word_1 me')
})

it('nothing is a shell’s to read (C-26)', async (test) => {
  const secrets = await filter(test, 'echo "$3"')
  assert.equal(await secrets.get('$(id)'), '$(id)')
})

it('no output is an empty value; the charset may be another (C-26)', async (test) => {
  assert.equal(await (await filter(test, 'true')).get('k'), '')
  assert.equal(await (await filter(test, "printf 'gr\\374n\\r\\n'", { charset: 'ISO-8859-1' })).get('k'), 'grün')
})

it('a program that fails, is not there, or writes without end is refused (C-26)', async (test) => {
  await assert.rejects((await filter(test, 'echo s3cret; exit 3')).get('k'), /ask ended with 3$/)
  await assert.rejects((await filter(test, 'kill -9 $$')).get('k'), /ask ended with SIGKILL$/)
  await assert.rejects((await filter(test, 'yes')).get('k'), /writes more than 65536 bytes/)
  const options = readOptions(spec, { command: '/nowhere/ask' })
  const missing = spec.create(options as never, { name: 'f', env: {}, clock: new ManualClock() })
  await assert.rejects(missing.get('k'), /\/nowhere\/ask cannot be run: .*ENOENT/)
})

it('a program that does not end is stopped after half a minute', async (test) => {
  const clock = new ManualClock()
  const secrets = await filter(test, 'exec sleep 600', { clock })
  const asked = assert.rejects(secrets.get('k'), /has not ended within 30 s/)
  await clock.advance(29_999)
  assert.equal(clock.timerCount, 1)
  await clock.advance(1)
  await asked
})
