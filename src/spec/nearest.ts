/** Words longer than this are nobody's typing mistake; they are not compared. */
const wordLengthMax = 100

/**
 * Edits that turn one word into the other: characters added, taken away, replaced, or two neighbours exchanged.
 * Infinity where it would take more than `max`.
 */
export function editDistance(from: string, to: string, max = Number.POSITIVE_INFINITY): number {
  if (Math.abs(from.length - to.length) > max || from.length > wordLengthMax || to.length > wordLengthMax) {
    return from === to ? 0 : Number.POSITIVE_INFINITY
  }
  let before: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const isSame = from[i - 1] === to[j - 1]
      let edits = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (isSame ? 0 : 1))
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        edits = Math.min(edits, at(before, j - 2) + 1)
      }
      row.push(edits)
    }
    before = last
    last = row
  }
  const edits = at(last, to.length)
  return edits <= max ? edits : Number.POSITIVE_INFINITY
}

function at(row: readonly number[], index: number): number {
  return row[index] as number
}

/** The candidates a writer may have meant, nearest first: case does not count, and one edit in three characters is the limit. */
export function nearest(word: string, candidates: Iterable<string>, most = 3): readonly string[] {
  const wanted = word.toLowerCase()
  const max = Math.max(1, Math.floor(wanted.length / 3))
  const found: { readonly candidate: string; readonly edits: number }[] = []
  for (const candidate of new Set(candidates)) {
    const edits = editDistance(wanted, candidate.toLowerCase(), max)
    if (edits <= max) found.push({ candidate, edits })
  }
  // The sort is stable, so that equally near ones stay in the order they were given.
  return found
    .sort((one, other) => one.edits - other.edits)
    .slice(0, most)
    .map(({ candidate }) => candidate)
}

/** `did you mean "a", "b" or "c"?`, or undefined when nothing is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const near = nearest(word, candidates).map((candidate) => `"${candidate}"`)
  if (near.length === 0) return undefined
  return `did you mean ${near.length === 1 ? near[0] : `${near.slice(0, -1).join(', ')} or ${near.at(-1)}`}?`
}
