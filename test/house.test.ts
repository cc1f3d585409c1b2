import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'flume-ts-house-'))
after(() => rmSync(folder, { recursive: true, force: true }))
for (const name of ['biome.json', 'lint', 'package.json', 'tsconfig.json', '.dependency-cruiser.cjs']) {
  cpSync(join(root, name), join(folder, name), { recursive: true })
}
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))

function write(files: Readonly<Record<string, string>>): void {
  rmSync(join(folder, 'src'), { recursive: true, force: true })
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

function run(tool: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(process.execPath, [join(root, 'node_modules', tool), ...args], {
    cwd: folder,
    encoding: 'utf8',
  })
  return stdout + stderr
}

const lint = (): string =>
  run('@biomejs/biome/bin/biome', 'lint', '--vcs-enabled=false', '--reporter=github', '--max-diagnostics=100', 'src')

test('the lint keeps time, randomness and the process where they belong', () => {
  const offences = [
    'Date.now()',
    'new Date()',
    'Math.random()',
    'performance.now()',
    'setTimeout(run, 5)',
    'setTimeout(run, 5, 1)',
    'setInterval(run, 5)',
    "process.on('SIGTERM', run)",
    "process.once('SIGTERM', run)",
    'process.exit(1)',
  ]
  const code = `import { setTimeout as sleep } from 'node:timers/promises'\nvoid sleep\nconst run = (): void => undefined\n${offences.map((offence, i) => `export const o${i} = ${offence}\n`).join('')}`
  const linesOf = (report: string, path: string): number[] => [
    ...new Set(
      report
        .split('\n')
        .filter((line) => line.startsWith('::error') && line.includes(path))
        .map((line) => Number(/,line=(\d+)/.exec(line)?.[1])),
    ),
  ]
  write({ 'src/core/a.ts': code, 'src/cli/a.ts': code, 'src/agent/a.ts': code })
  const report = lint()
  const numbered = [1, ...offences.map((_, index) => index + 4)]
  assert.deepEqual(linesOf(report, 'src/agent/a.ts'), numbered)
  assert.deepEqual(linesOf(report, 'src/core/a.ts'), numbered.slice(8))
  assert.deepEqual(linesOf(report, 'src/cli/a.ts'), numbered.slice(0, 8))
})

const hall = {
  'src/core/batch.ts': 'export const batch = 1\n',
  'src/spec/option.ts': 'export interface Option { readonly doc: string }\n',
  'src/codec/avro.ts': 'export const avro = 1\n',
  'src/monitor/counters.ts': 'export const counters = 1\n',
  'src/agent/contract.ts': 'export const contract = 1\n',
  'src/agent/source/netcat.ts': 'export const netcat = 1\n',
  'src/stream/api.ts': 'export const api = 1\n',
  'src/client/api.ts': 'export const door = 1\n',
  'src/cli/agent.ts': 'export const agent = 1\n',
}

const breaches = [
  {
    wall: 'core-is-ground',
    path: 'src/core/x1.ts',
    code: "import type { Option } from '../spec/option.ts'\nexport type X = Option\n",
  },
  { wall: 'middle-looks-down', path: 'src/spec/x2.ts', code: "export { counters } from '../monitor/counters.ts'\n" },
  { wall: 'codec-looks-down', path: 'src/codec/x3.ts', code: "export { counters } from '../monitor/counters.ts'\n" },
  { wall: 'codec-is-pure', path: 'src/codec/x4.ts', code: "export { readFileSync } from 'node:fs'\n" },
  { wall: 'net-uses-codec', path: 'src/net/x5.ts', code: "export { contract } from '../agent/contract.ts'\n" },
  { wall: 'agent-knows-no-stream', path: 'src/agent/x6.ts', code: "export { api } from '../stream/api.ts'\n" },
  {
    wall: 'stream-knows-no-agent',
    path: 'src/stream/x7.ts',
    code: "export { contract } from '../agent/contract.ts'\n",
  },
  {
    wall: 'client-is-a-thin-door',
    path: 'src/client/x14.ts',
    code: "export { contract } from '../agent/contract.ts'\n",
  },
  {
    wall: 'adopt-reads-and-keeps',
    path: 'src/adopt/x16.ts',
    code: "export { contract } from '../agent/contract.ts'\n",
  },
  { wall: 'nobody-needs-the-client', path: 'src/net/x15.ts', code: "export { door } from '../client/api.ts'\n" },
  {
    wall: 'component-stays-in-its-room',
    path: 'src/agent/source/x8.ts',
    code: "export { netcat } from './netcat.ts'\n",
  },
  {
    wall: 'only-the-list-names-components',
    path: 'src/agent/x9.ts',
    code: "export { netcat } from './source/netcat.ts'\n",
  },
  {
    wall: 'product-needs-no-development-package',
    path: 'src/agent/x10.ts',
    code: "export { default as fc } from 'fast-check'\n",
  },
  { wall: 'no-unresolvable', path: 'src/agent/x11.ts', code: "export { y } from './y.ts'\n" },
  {
    wall: 'no-circular',
    path: 'src/core/x12.ts',
    code: "export { y } from './y.ts'\n",
    more: { 'src/core/y.ts': "export { x } from './x12.ts'\n" },
  },
  { wall: 'no-orphans', path: 'src/agent/x13.ts', code: 'export const x = 1\n' },
]

test('every wall stops the import that it is there for', () => {
  write(Object.assign({ ...hall }, ...breaches.map(({ path, code, more }) => ({ ...more, [path]: code }))))
  const report = run('dependency-cruiser/bin/dependency-cruise.mjs', '--config', '.dependency-cruiser.cjs', 'src')
  for (const { wall, path } of breaches) {
    assert.ok(report.includes(`error ${wall}: ${path}`), `${wall} let ${path} pass:\n${report}`)
  }
})
