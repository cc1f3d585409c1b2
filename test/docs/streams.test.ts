import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RunningProcess } from '../support/running-process.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

test('the job of docs/streams.md compiles, and so does its test, which passes', async () => {
  const page = readFileSync(join(root, 'docs/streams.md'), 'utf8')
  const files = [...page.matchAll(/```ts\n\/\/ (\S+)\n([\s\S]*?)```/g)]
  assert.deepEqual(
    files.map(([, name]) => name),
    ['counts.ts', 'counts.test.ts'],
  )
  // Below the package, so that its name resolves.
  const folder = await mkdtemp(join(root, 'dist', 'streams-example-'))
  try {
    for (const [, name = '', text = ''] of files) await writeFile(join(folder, name), text)
    const options = { extends: join(root, 'tsconfig.json'), compilerOptions: { rootDir: '.', outDir: 'out' } }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ ...options, include: ['*.ts'] }))
    const compiler = join(root, 'node_modules/typescript-native/bin/tsc')
    const compile = new RunningProcess('tsc', process.execPath, [compiler, '-p', folder])
    assert.equal(await compile.exited, 0, compile.stdout)
    // A test in a test would report to the one it runs in.
    const env = { NODE_TEST_CONTEXT: undefined }
    const run = new RunningProcess('the test', process.execPath, ['--test', join(folder, 'out/counts.test.js')], {
      env,
    })
    assert.equal(await run.exited, 0, run.stdout + run.stderr)
    assert.match(run.stdout, /pass 1/)
  } finally {
    await rm(folder, { recursive: true })
  }
})
