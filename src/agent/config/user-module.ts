import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { FlumeError } from '../../core/error.ts'
import type { ComponentKind, ComponentSpec } from '../contract.ts'

export interface LoadedModule {
  readonly exports: Readonly<Record<string, unknown>>
  /** Another code, another digest. */
  readonly digest: string
  /** The file, and those beside it that it was made of as far as they are known. */
  readonly files: readonly string[]
}

/** Loads a module by its absolute path. Rejects with what the file or its code did wrong. */
export type ModuleLoader = (file: string) => Promise<LoadedModule>

const ownContract = new URL('../contract.js', import.meta.url).href

/**
 * Loads a user's module: TypeScript through esbuild, JavaScript as it is. `flume-ts/agent` means this installation's own
 * contract wherever the file lies; other packages are looked up from the file. A changed file is loaded anew.
 */
export const loadUserModule: ModuleLoader = async (file) => {
  if (/\.(mts|ts)$/.test(file)) {
    const { code, files } = await bundle(file)
    const address = `data:text/javascript;base64,${Buffer.from(code).toString('base64')}`
    return { exports: await import(address), digest: digestOf(code), files }
  }
  const { mtimeMs } = await stat(file)
  const exports = await import(`${pathToFileURL(file).href}?changed=${mtimeMs}`)
  return { exports, digest: digestOf(await readFile(file)), files: [file] }
}

/** A package's name, which may have a path behind it. */
export function isPackageName(type: string): boolean {
  return /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*(\/[\w./~-]+)?$/.test(type)
}

/** Where a package that is looked up from a folder has its module; undefined when there is no such package. */
export async function findPackage(name: string, folder: string): Promise<string | undefined> {
  const { build } = await import('esbuild')
  let found: string | undefined
  // The packer's own look-up: it knows `exports` with all their conditions.
  await build({
    stdin: { contents: `export * from ${JSON.stringify(name)}`, resolveDir: folder },
    bundle: true,
    write: false,
    platform: 'node',
    logLevel: 'silent',
    plugins: [
      {
        name: 'where-is-it',
        setup(context) {
          context.onResolve({ filter: /.*/ }, async ({ path, kind, resolveDir, pluginData }) => {
            if (pluginData === 'seen' || path !== name) return undefined
            const answer = await context.resolve(path, { kind, resolveDir, pluginData: 'seen' })
            if (answer.errors.length === 0 && !answer.external) found = answer.path
            return { path, external: true }
          })
        },
      },
    ],
  })
  return found
}

function digestOf(code: Uint8Array): string {
  return createHash('sha256').update(code).digest('hex')
}

/** The module and what it imports from beside it, as one text. */
async function bundle(file: string): Promise<{ readonly code: Uint8Array; readonly files: readonly string[] }> {
  const { build } = await import('esbuild')
  const { outputFiles, metafile } = await build({
    metafile: true,
    entryPoints: [file],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    mainFields: ['main'],
    sourcemap: 'inline',
    logLevel: 'silent',
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(file).href) },
    plugins: [
      {
        name: 'packages-stay-outside',
        setup(context) {
          context.onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, kind, resolveDir }) => {
            if (kind === 'entry-point' || pluginData === 'seen') return undefined
            if (path === 'flume-ts/agent') return { path: ownContract, external: true }
            if (path.startsWith('node:')) return { path, external: true }
            const found = await context.resolve(path, { kind, resolveDir, pluginData: 'seen' })
            if (found.errors.length > 0 || found.external) return found
            return { path: pathToFileURL(found.path).href, external: true }
          })
        },
      },
    ],
    absWorkingDir: dirname(file),
  })
  const [output] = outputFiles
  if (!output) throw new FlumeError('INVALID_STATE', `${fileURLToPath(pathToFileURL(file))} came out empty`)
  return { code: output.contents, files: Object.keys(metafile.inputs).map((name) => resolve(dirname(file), name)) }
}

/** The one component of the given kind among a module's exports. Throws USAGE when there is none, or more than one. */
export function pickSpec(exports: Readonly<Record<string, unknown>>, kind: ComponentKind): ComponentSpec {
  const specs = new Set(Object.values(exports).filter(isSpec))
  const found = [...specs].filter((spec) => spec.kind === kind)
  const [spec] = found
  // A module written in JavaScript may leave out what it has no use for.
  if (spec && found.length === 1)
    return spec.aliases ? spec : ({ ...(spec as ComponentSpec), aliases: [] } as ComponentSpec)
  if (found.length > 1) {
    throw new FlumeError('USAGE', `exports ${found.length} components of kind ${kind}`, {
      hint: 'one file, one component',
    })
  }
  const others = [...specs].map((spec) => spec.kind)
  const hint = `export what ${definerOf(kind)} of flume-ts/agent returns`
  throw new FlumeError('USAGE', `exports no ${kind}${others.length > 0 ? `, but a ${others.join(', a ')}` : ''}`, {
    hint,
  })
}

function isSpec(value: unknown): value is ComponentSpec {
  if (typeof value !== 'object' || value === null) return false
  const { kind, type, options, create } = value as Partial<ComponentSpec>
  return (
    typeof kind === 'string' &&
    typeof type === 'string' &&
    typeof options === 'object' &&
    options !== null &&
    typeof create === 'function'
  )
}

/** What a module of one's own calls: `sink processor` → `defineSinkProcessor`. */
export function definerOf(kind: ComponentKind): string {
  return `define${kind.replaceAll(/(?:^| )./g, (start) => start.trim().toUpperCase())}`
}
