// Runs test/peers against the real Flume, Spark and Hadoop; says aloud when this machine cannot.
import { spawnSync } from 'node:child_process'
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
const { status } = spawnSync(process.execPath, [join(root, 'scripts/test.mjs'), 'peer', ...process.argv.slice(2)], {
  stdio: 'inherit',
})
process.exit(status ?? 1)
