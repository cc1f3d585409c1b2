import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type BuildFailure, build, type Message, type Plugin } from 'esbuild'
import { FlumeError } from '../core/error.ts'
import { didYouMean } from '../spec/nearest.ts'

/** A job module, bundled into one file that can be imported here, and later by workers. */
export interface Bundle {
  readonly file: string
  /** Deletes the file. */
  remove(): Promise<void>
}

const packageFolder = fileURLToPath(new URL('../../../', import.meta.url))

/**
 * Bundles a job and the files it imports; packages stay outside, and 'flume-ts/…' is this very package, wherever the
 * job lies. Rejects USAGE when there is no such file, INVALID_DATA with file, line and column when it cannot be read.
 * `noteFile` is told each file of the job's own, also when something is wrong with it.
 */
export async function bundleJob(job: string, noteFile: (path: string) => void = () => undefined): Promise<Bundle> {
  const entry = resolve(job)
  const found = await stat(entry).catch(() => undefined)
  if (!found?.isFile()) {
    throw new FlumeError('USAGE', `no such job file: ${job}`, { hint: 'give the path of a .ts or .js module' })
  }
  const folder = await mkdtemp(join(tmpdir(), 'stream-ts-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  const file = join(folder, `${basename(entry).replace(/\.[^.]+$/, '')}.mjs`)
  try {
    await build({
      entryPoints: [entry],
      outfile: file,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: 'inline',
      sourcesContent: false,
      keepNames: true,
      logLevel: 'silent',
      // Bundled CommonJS files may still call require.
      banner: {
        js: `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(${JSON.stringify(pathToFileURL(entry).href)});`,
      },
      // The job's own place, not that of the temporary file.
      define: {
        'import.meta.url': JSON.stringify(pathToFileURL(entry).href),
        'import.meta.filename': JSON.stringify(entry),
        'import.meta.dirname': JSON.stringify(dirname(entry)),
      },
      plugins: [ownPackage, outsidePackages, noting(noteFile)],
    })
  } catch (error) {
    await remove()
    throw describeFailure(error)
  }
  return { file, remove }
}

type Target = string | { readonly default: string }

function ownExports(): Readonly<Record<string, Target>> {
  const { exports } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as {
    exports: Record<string, Target>
  }
  return exports
}

function fileOf(target: Target): string {
  return join(packageFolder, typeof target === 'string' ? target : target.default)
}

/** `flume-ts/stream` and the other entrances lead to the running package, so that job and runner share one engine. */
const ownPackage: Plugin = {
  name: 'own-package',
  setup({ onResolve }) {
    onResolve({ filter: /^flume-ts(\/|$)/ }, ({ path, kind }) => {
      const exports = ownExports()
      const target = exports[`.${path.slice('flume-ts'.length)}`]
      if (target === undefined) {
        const entrances = Object.keys(exports).filter((name) => !name.endsWith('.json'))
        return {
          errors: [
            {
              text: `${path} is not there; flume-ts has ${entrances.map((name) => `flume-ts${name.slice(1)}`).join(', ')}`,
            },
          ],
        }
      }
      const file = fileOf(target)
      return { path: kind === 'require-call' ? file : pathToFileURL(file).href, external: true }
    })
  },
}

/** Packages are loaded from where they are installed beside the job, not copied into the bundle. */
const outsidePackages: Plugin = {
  name: 'outside-packages',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path, kind, resolveDir, importer, pluginData }) => {
      if (pluginData === 'looked-up' || kind === 'entry-point' || /^(node|file|data):/.test(path)) return undefined
      const found = await build.resolve(path, { kind, resolveDir, importer, pluginData: 'looked-up' })
      if (found.errors.length > 0 || found.external || !found.path.includes('/node_modules/')) return found
      return { path: kind === 'require-call' ? found.path : pathToFileURL(found.path).href, external: true }
    })
  },
}

function noting(noteFile: (path: string) => void): Plugin {
  return {
    name: 'noting',
    setup(build) {
      build.onLoad({ filter: /^/, namespace: 'file' }, ({ path }) => {
        noteFile(path)
        return undefined
      })
    },
  }
}

function describeFailure(error: unknown): Error {
  const [first, ...others] = (error as Partial<BuildFailure>).errors ?? []
  if (!first) return error as Error
  const more = others.length > 0 ? ` (and ${others.length} more)` : ''
  const hint = missingPackageHint(/^Could not resolve "([^"]+)"/.exec(first.text)?.[1])
  return new FlumeError('INVALID_DATA', `${place(first)}${first.text}${more}`, hint === undefined ? {} : { hint })
}

/** The line to type for an import of a package that is not installed; undefined for files and for Node's own modules. */
export function missingPackageHint(specifier: string | undefined): string | undefined {
  const [name] = /^(@[^/]+\/)?[^./:@#][^/:]*/.exec(specifier ?? '') ?? []
  return name === undefined || specifier?.startsWith('node:') ? undefined : `type: npm install ${name}`
}

/**
 * What is wrong when a job imports a name that its module does not have: where, and the nearest names. Node says the file
 * it looked into only. Undefined for other errors.
 */
export async function explainMissingExport(thrown: unknown, files: Iterable<string>): Promise<FlumeError | undefined> {
  const message = thrown instanceof SyntaxError ? thrown.message : ''
  const [, module, name] = /^The requested module '(.+)' does not provide an export named '(.+)'$/.exec(message) ?? []
  if (module === undefined || name === undefined) return undefined
  const names = Object.keys(await import(module))
  const entrance = Object.entries(ownExports()).find(([, target]) => pathToFileURL(fileOf(target)).href === module)?.[0]
  const hint = didYouMean(name, names)
  return new FlumeError(
    'INVALID_DATA',
    `${await placeOf(name, files)}${entrance === undefined ? module : `flume-ts${entrance.slice(1)}`} has no export ${name}`,
    hint === undefined ? {} : { hint },
  )
}

/** The first line of the files that has the word, as `file:line:column: `. */
async function placeOf(name: string, files: Iterable<string>): Promise<string> {
  const word = new RegExp(`(?<![\\w$])${name.replaceAll('$', '\\$')}(?![\\w$])`)
  for (const file of files) {
    const lines = (await readFile(file, 'utf8')).split('\n')
    const line = lines.findIndex((text) => word.test(text))
    if (line >= 0) return `${relative(process.cwd(), file)}:${line + 1}:${(lines[line] as string).search(word) + 1}: `
  }
  return ''
}

function place({ location }: Message): string {
  return location ? `${location.file}:${location.line}:${location.column + 1}: ` : ''
}
