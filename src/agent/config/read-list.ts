import type { ConfigEntry } from './property-store.ts'
import type { Report } from './report.ts'

/** The names of a component list, each once, in order; they are separated by blanks (C-07). */
export function readNames(entry: ConfigEntry | undefined, path: string, report: Report): readonly string[] {
  if (!entry) return []
  const at = { ...entry, ...entry.valueAt }
  const words = entry.text.split(/\s+/).filter((word) => word !== '')
  const comment = words.findIndex((word) => word.startsWith('#') || word.startsWith('//'))
  if (comment >= 0) {
    report.warning(at, {
      code: 'inline-comment',
      path,
      message: `"${words[comment]}" and what follows it are taken for names`,
      hint: 'comments are only allowed on a line of their own',
    })
  }
  if (words.some((word) => word.includes(','))) {
    report.warning(at, {
      code: 'comma-in-list',
      path,
      message: `"${words.find((word) => word.includes(','))}" is taken for one name, the comma included`,
      hint: `names are separated by blanks: ${entry.text
        .split(/[\s,]+/)
        .filter(Boolean)
        .join(' ')}`,
    })
  }
  return [...new Set(words)]
}
