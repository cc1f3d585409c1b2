import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FlumeError } from '../core/error.ts'

const packageFolder = fileURLToPath(new URL('../../../', import.meta.url))

type Settings = Readonly<Record<string, unknown>>

/** What jobs are checked with that have no tsconfig.json: what the runner takes. */
const defaults: Settings = {
  target: 'es2022',
  lib: ['es2023'],
  module: 'esnext',
  moduleResolution: 'bundler',
  strict: true,
  allowImportingTsExtensions: true,
}

/**
 * Checks the types of a job and of what it imports, by the tsconfig.json that is nearest to it, with the TypeScript that
 * is installed beside it. Rejects USAGE with the line to type when there is none, INVALID_DATA when a type is wrong;
 * `tell` has got the compiler's words then.
 */
export async function checkTypes(job: string, tell: (text: string) => void): Promise<void> {
  const entry = resolve(job)
  const compiler = await compilerFor(entry)
  const config = nearestConfig(dirname(entry))
  const folder = await mkdtemp(join(tmpdir(), 'stream-ts-check-'))
  try {
    const project = join(folder, 'tsconfig.json')
    await writeFile(project, JSON.stringify(await projectFor(entry, config, compiler)))
    const { code, output } = await run(compiler, ['--project', project, '--pretty', 'false'])
    if (code === 0) return
    tell(output)
    const count = output.match(/\): error TS\d+/g)?.length ?? 0
    throw new FlumeError('INVALID_DATA', `${job} is not run: ${count === 1 ? 'a type is' : `${count} types are`} wrong`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function compilerFor(entry: string): Promise<string> {
  let manifest: string
  try {
    manifest = createRequire(entry).resolve('typescript/package.json')
  } catch {
    throw new FlumeError('USAGE', '--check needs TypeScript, and there is none beside the job', {
      hint: 'type: npm install --save-dev typescript',
    })
  }
  const { bin } = JSON.parse(await readFile(manifest, 'utf8')) as { bin: { tsc: string } }
  return join(dirname(manifest), bin.tsc)
}

function nearestConfig(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const config = join(folder, 'tsconfig.json')
    if (existsSync(config)) return config
    if (folder === dirname(folder)) return undefined
  }
}

/** The job alone, with the settings of its project; 'flume-ts/…' is the package that runs it, as it is when it runs. */
async function projectFor(entry: string, config: string | undefined, compiler: string): Promise<Settings> {
  const own = config === undefined ? {} : await settingsOf(config, compiler)
  const base = config === undefined ? dirname(entry) : dirname(config)
  const isScript = /\.[cm]?js$/.test(entry)
  return {
    ...(config !== undefined && { extends: config }),
    files: [entry],
    include: [],
    references: [],
    compilerOptions: {
      ...(config === undefined && defaults),
      ...(own['typeRoots'] === undefined && { typeRoots: typeRootsAbove(dirname(entry)) }),
      ...(isScript && { allowJs: true, checkJs: true }),
      noEmit: true,
      // Declarations of packages are not the job's business.
      skipLibCheck: true,
      composite: false,
      incremental: false,
      paths: { ...absolutePaths(own, base), ...(await ownPaths()) },
    },
  }
}

/** The settings of a project, those it extends included, as the compiler itself sees them. */
async function settingsOf(config: string, compiler: string): Promise<Settings> {
  const { code, output } = await run(compiler, ['--showConfig', '--project', config])
  // A project without input files of its own is none of our business; what else is wrong the check itself will say.
  if (code !== 0) return {}
  return (JSON.parse(output) as { compilerOptions?: Settings }).compilerOptions ?? {}
}

function absolutePaths(own: Settings, folder: string): Record<string, string[]> {
  const base = resolve(folder, String(own['baseUrl'] ?? '.'))
  const paths = Object.entries((own['paths'] ?? {}) as Record<string, string[]>)
  return Object.fromEntries(paths.map(([name, places]) => [name, places.map((place) => resolve(base, place))]))
}

async function ownPaths(): Promise<Record<string, string[]>> {
  const { exports } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types: string }>
  }
  const paths: Record<string, string[]> = {}
  for (const [name, target] of Object.entries(exports)) {
    if (typeof target !== 'string') paths[`flume-ts${name.slice(1)}`] = [join(packageFolder, target.types)]
  }
  return paths
}

function typeRootsAbove(from: string): string[] {
  const roots: string[] = []
  for (let folder = from; ; folder = dirname(folder)) {
    const root = join(folder, 'node_modules', '@types')
    if (existsSync(root)) roots.push(root)
    if (folder === dirname(folder)) return roots
  }
}

function run(script: string, args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.on('error', fail)
    child.on('close', (code) => done({ code: code ?? 1, output }))
  })
}
