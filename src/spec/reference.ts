import { type Described, describeAsPage } from './describe.ts'

/** Every page of docs/reference by its file name: one for each component, and the list of them. */
export function referencePages(specs: readonly Described[]): ReadonlyMap<string, string> {
  const pages = new Map<string, string>()
  const kinds = [...new Set(specs.map(({ kind }) => kind))]
  const lines = ['# Components', '', 'Written from the specs by `node scripts/reference.mjs`; not to be edited.', '']
  for (const kind of kinds) {
    lines.push(`## ${kind}`, '')
    for (const spec of specs.filter((one) => one.kind === kind)) {
      const name = `${kind.replaceAll(' ', '-')}-${spec.type.replaceAll(/[^\w.-]/g, '_')}.md`
      pages.set(name, describeAsPage(spec))
      lines.push(`- [${spec.type}](${name}): ${spec.summary}`)
    }
    lines.push('')
  }
  pages.set('README.md', `${lines.join('\n').trimEnd()}\n`)
  return pages
}
