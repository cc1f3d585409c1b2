// Writes docs/reference from the components' specs: node scripts/build.mjs && node scripts/reference.mjs
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { components } from '../dist/src/agent/components.js'
import { referencePages } from '../dist/src/spec/reference.js'

const folder = new URL('../docs/reference/', import.meta.url)
mkdirSync(folder, { recursive: true })
const pages = referencePages(components)
for (const name of readdirSync(folder)) if (!pages.has(name)) rmSync(new URL(name, folder))
for (const [name, text] of pages) writeFileSync(new URL(name, folder), text)
