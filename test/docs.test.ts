import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const pages = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...readdirSync(join(root, 'docs'), { recursive: true })
    .map((name) => join('docs', String(name)))
    .filter((name) => name.endsWith('.md')),
]

test("the README's example is conf/agent.properties and conf/job.ts, word for word", () => {
  const readme = read('README.md')
  assert.ok(readme.includes(`\`\`\`properties\n${read('conf/agent.properties')}\`\`\``))
  assert.ok(readme.includes(`\`\`\`ts\n${read('conf/job.ts')}\`\`\``))
})

test('every link between pages leads somewhere', () => {
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)]
      .map(([, target]) => join(dirname(join(root, page)), target as string))
      .filter((target) => !existsSync(target))
      .map((target) => `${page} → ${relative(root, target)}`),
  )
  assert.deepEqual(broken, [])
})

test('every dependency has a page that says why', () => {
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
  const decisions = readdirSync(join(root, 'docs/decisions')).map((name) => read(join('docs/decisions', name)))
  const silent = Object.keys(dependencies).filter((name) => !decisions.some((page) => page.includes(`\`${name}\``)))
  assert.deepEqual(silent, [])
})

test('every npm script that the pages name exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = pages.flatMap((page) =>
    [...read(page).matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name as string),
  )
  assert.ok(named.length > 0)
  assert.deepEqual(
    named.filter((name) => !(name in scripts)),
    [],
  )
})

test('every changelog fragment has a kind that a release knows', () => {
  const fragments = readdirSync(join(root, 'docs/changes')).filter((name) => name !== 'README.md')
  const strange = fragments.filter((name) => !/^[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md$/.test(name))
  assert.deepEqual(strange, [])
})
