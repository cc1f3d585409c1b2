// Runs the built tests of one kind with Node's own runner. Usage: test.mjs [test|peer|sim|parity] [OPTION…] [PART-OF-PATH…]
// --coverage: with c8. --again, or TESTS_AGAIN=1: up to three files that fail are tried once more, alone, and named at the end.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const kinds = {
  // For a whole file: minutes on a slow disk, where it takes seconds elsewhere.
  test: { timeoutMs: 300_000 },
  // A hundred thousand seeds; SIM_SEEDS asks for fewer.
  sim: { timeoutMs: 3_600_000 },
  // These start whole systems, so one after the other.
  peer: { timeoutMs: 900_000, oneByOne: true },
  parity: { timeoutMs: 900_000, oneByOne: true },
}

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const coverage = process.argv.includes('--coverage')
const kind = words[0] in kinds ? words.shift() : 'test'
const folder = join(root, 'dist', 'test')
const files = (existsSync(folder) ? readdirSync(folder, { recursive: true }) : [])
  .map((name) => String(name))
  .filter((name) => name.endsWith(`.${kind}.js`) && (words.length === 0 || words.some((word) => name.includes(word))))
  .sort()
  .map((name) => join(folder, name))
if (files.length === 0) {
  console.error(
    `no .${kind}.ts file${words.length > 0 ? ` with ${words.join(' or ')} in its path` : ''} has been built`,
  )
  process.exit(1)
}

/** Files that are tried again; more than these are no accident. */
const againMax = 3
const { timeoutMs, oneByOne } = kinds[kind]
const failedList = join(mkdtempSync(join(tmpdir(), 'flume-ts-tests-')), 'failed')
const flags = [
  ...['--enable-source-maps', '--test', `--test-timeout=${timeoutMs}`],
  // Node leaves one processor free; much of a test file's time is starting and waiting.
  `--test-concurrency=${oneByOne ? 1 : Math.max(2, availableParallelism())}`,
  `--test-reporter=${relative(process.cwd(), join(root, 'scripts', 'reporter.mjs')).replace(/^(?!\.)/, './')}`,
  '--test-reporter-destination=stdout',
]
const collected = join(root, 'coverage', 'tmp')
if (coverage) rmSync(join(root, 'coverage'), { recursive: true, force: true })
let status = run(files)
let late = []
if (status !== 0 && (process.argv.includes('--again') || process.env.TESTS_AGAIN === '1')) {
  const names = existsSync(failedList) ? readFileSync(failedList, 'utf8').split('\n').filter(Boolean) : []
  // A suite that several files run is known by its own name.
  const runsSuite = (file, name) => readFileSync(file, 'utf8').includes(`/contract/${name}.`)
  const filesOf = (name) =>
    files.filter((file) => basename(file).includes(name) || file.includes(`${name}.`) || runsSuite(file, name))
  if (names.length > 0 && names.length <= againMax && names.every((name) => filesOf(name).length > 0)) {
    console.log(`── once more, alone: ${names.join(', ')}`)
    status = run([...new Set(names.flatMap(filesOf))])
    if (status === 0) late = names
  }
}
rmSync(dirname(failedList), { recursive: true })
if (coverage) report()
if (late.length > 0) console.log(`ℹ passed at the second try only: ${late.join(', ')}`)
process.exit(status)

function run(some) {
  const { status } = spawnSync(process.execPath, [...flags, ...some], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, FAILED_LIST: failedList, ...(coverage && { NODE_V8_COVERAGE: collected }) },
  })
  return status ?? 1
}

/** Prints the coverage of src and leaves it as lcov in coverage/. */
function report() {
  for (const name of readdirSync(collected)) {
    const path = join(collected, name)
    const { 'source-map-cache': maps = {}, ...rest } = JSON.parse(readFileSync(path, 'utf8'))
    // Users' modules are loaded from data: addresses, which c8 takes for broken files.
    const files = Object.fromEntries(Object.entries(maps).filter(([url]) => url.startsWith('file:')))
    writeFileSync(path, JSON.stringify({ ...rest, 'source-map-cache': files }))
  }
  const c8 = [join(root, 'node_modules', 'c8', 'bin', 'c8.js'), 'report', `--temp-directory=${collected}`]
  spawnSync(
    process.execPath,
    [...c8, '--include=src/**', '--exclude-after-remap', '--reporter=text', '--reporter=lcov'],
    {
      cwd: root,
      stdio: 'inherit',
    },
  )
}
