import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { avroAgent } from '../support/avro-agent.ts'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

test('the example of docs/client.md sends its events, also when its first host is away', async () => {
  const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs/client.md'), 'utf8')) ?? []
  const agent = await avroAgent()
  const text = example
    .replace('localhost:41414', `127.0.0.1:${await freePort()}`)
    .replace('localhost:41415', agent.place)
  assert.ok(!text.includes('localhost'), text)
  // Below the package, so that its name resolves; the example is plain JavaScript too.
  const folder = await mkdtemp(join(root, 'dist', 'client-example-'))
  try {
    await writeFile(join(folder, 'example.mjs'), text)
    const program = new RunningProcess('the example', process.execPath, [join(folder, 'example.mjs')])
    assert.equal(await program.exited, 0, program.stderr)
  } finally {
    await rm(folder, { recursive: true })
  }
  assert.deepEqual(agent.events, [
    { headers: { host: 'web-1' }, body: 'one event' },
    { headers: {}, body: 'many' },
    { headers: {}, body: 'events' },
  ])
  await agent.listener.close()
})
