// Compiles src and test to plain JavaScript under dist/, type errors included in the exit code.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiler = join(root, 'node_modules/typescript-native/bin/tsc')
if (!existsSync(compiler)) {
  // Installed as a dependency: the package brings its dist/ along and has nothing to compile.
  process.exit(existsSync(join(root, 'dist')) ? 0 : 1)
}
removeOrphans(join(root, 'dist'))
const { status } = spawnSync(
  process.execPath,
  [compiler, '-p', join(root, 'tsconfig.json'), ...process.argv.slice(2)],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)

/** A file whose source is gone would still be run as a test. */
function removeOrphans(folder) {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue
    const output = join(entry.parentPath ?? entry.path, entry.name)
    const source = join(root, output.slice(folder.length + 1).replace(/\.js$/, '.ts'))
    if (existsSync(source)) continue
    for (const ending of ['.js', '.js.map', '.d.ts']) rmSync(output.replace(/\.js$/, ending), { force: true })
  }
}
