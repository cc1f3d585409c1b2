import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'
import { components } from '../../../src/agent/components.ts'
import type { ConfigFilter, ConfigFilterSpec } from '../../../src/agent/contract.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { tempDir } from '../../support/temp-dir.ts'

const spec = components.find(({ kind, type }) => kind === 'config filter' && type === 'file') as ConfigFilterSpec

function filter(directory: string | undefined, env: Record<string, string> = {}): ConfigFilter {
  return spec.create({ directory } as never, { name: 'f', env, clock: new ManualClock() })
}

it('a key is a file of the folder; the end of its only line is no part of the secret', async (test) => {
  const folder = await tempDir(test)
  await writeFile(join(folder, 'plain'), 'grün ')
  await writeFile(join(folder, 'echoed'), 's3cret\n')
  await writeFile(join(folder, 'windows'), 's3cret\r\n')
  await writeFile(join(folder, 'two'), 'a\n\n')
  await writeFile(join(folder, 'empty'), '')
  const secrets = filter(folder)
  assert.deepEqual(
    await Promise.all(['plain', 'echoed', 'windows', 'two', 'empty', 'none'].map((key) => secrets.get(key))),
    ['grün ', 's3cret', 's3cret', 'a\n', '', undefined],
  )
  assert.equal(secrets.fileOf?.('plain'), join(folder, 'plain'))
})

it('the folder is that of systemd’s credentials where there is one, else that of a container’s secrets', () => {
  assert.equal(filter(undefined, { CREDENTIALS_DIRECTORY: '/run/credentials/x' }).fileOf?.('k'), '/run/credentials/x/k')
  assert.equal(filter(undefined).fileOf?.('k'), '/run/secrets/k')
  assert.equal(filter('/etc/keys', { CREDENTIALS_DIRECTORY: '/x' }).fileOf?.('k'), '/etc/keys/k')
})

it('a folder, a pipe and a long file are refused at once', async (test) => {
  const folder = await tempDir(test)
  await mkdir(join(folder, 'folder'))
  assert.equal(spawnSync('mkfifo', [join(folder, 'pipe')]).status, 0)
  await writeFile(join(folder, 'long'), 'x'.repeat(65_537))
  await writeFile(join(folder, 'full'), 'x'.repeat(65_536))
  const secrets = filter(folder)
  await assert.rejects(secrets.get('folder'), /is no file|EISDIR/)
  await assert.rejects(secrets.get('pipe'), /is no file/)
  await assert.rejects(secrets.get('long'), /longer than 65536 bytes/)
  assert.equal((await secrets.get('full'))?.length, 65_536)
})
