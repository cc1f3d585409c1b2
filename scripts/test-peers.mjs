// Runs test/peers against the real Flume, Spark and Hadoop; says aloud when this machine cannot.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { missingTools, peersHome } = await import(pathToFileURL(join(root, 'dist/test/peers/install.js')).href)
const missing = missingTools()
if (missing) {
  console.log(`SKIPPED: the tests against the real Flume, Spark and Hadoop need a JDK and Maven; not found: ${missing}`)
  process.exit(0)
}
console.log(`Peers are kept in ${peersHome}; the first run downloads some 600 MB of them through Maven.`)
// Peers talk to ours; parity gives both the same input. A word picks files of either.
const words = process.argv.slice(2)
const built = readdirSync(join(root, 'dist/test'), { recursive: true }).map(String)
const kinds = ['peer', 'parity'].filter((kind) =>
  built.some(
    (name) => name.endsWith(`.${kind}.js`) && (words.length === 0 || words.some((word) => name.includes(word))),
  ),
)
if (kinds.length === 0) {
  console.error(`no test with ${words.join(' or ')} in its path`)
  process.exit(1)
}
let failed = false
for (const kind of kinds) {
  // A real system that was slow to start or to stop is no fault of ours; what is one fails again.
  const args = [join(root, 'scripts/test.mjs'), kind, '--again', ...words]
  if (spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0) failed = true
}
process.exit(failed ? 1 : 0)
