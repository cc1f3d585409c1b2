#!/usr/bin/env node
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`stream-ts needs Node 20.19 or newer, and this is ${process.versions.node}\n`)
  process.exit(2)
}
const { main } = await import('../dist/src/cli/stream-ts.js')
await main(process.argv.slice(2))
