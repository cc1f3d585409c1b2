/**
 * The order of all rotations of `data[0 .. length)`, for the Burrows-Wheeler transform: the place in the data where each
 * begins. Rotations that are equal all through stand in any order.
 *
 * Groups of rotations that agree in their first h bytes are split by the group of what stands h further on, with h
 * doubling: however repetitive the data is, it takes O(n log² n).
 */
export function sortRotations(data: Uint8Array, length: number): Int32Array {
  const order = new Int32Array(length)
  if (length === 0) return order
  /** Of each rotation: the first place of its group in the order. */
  const group = new Int32Array(length)
  /** At the first place of a run: its length when it is sorted, less than 0 for a group that is not. */
  const runs = new Int32Array(length)
  sortByPair(data, length, order, group, runs)
  for (let depth = 2; depth < length; depth *= 2) {
    let sortedFrom = -1
    let isDone = true
    for (let at = 0; at < length; ) {
      const run = runs[at] as number
      if (run > 0) {
        if (sortedFrom < 0) sortedFrom = at
        at += run
        continue
      }
      // Runs that lie side by side become one, so that sorted places are passed over at once.
      if (sortedFrom >= 0) runs[sortedFrom] = at - sortedFrom
      sortedFrom = -1
      isDone = false
      splitGroup(order, group, runs, at, at - run, depth)
      at -= run
    }
    if (sortedFrom >= 0) runs[sortedFrom] = length - sortedFrom
    if (isDone) break
  }
  return order
}

function sortByPair(data: Uint8Array, length: number, order: Int32Array, group: Int32Array, runs: Int32Array): void {
  const starts = new Int32Array(65_537)
  const pairAt = (i: number): number =>
    ((data[i] as number) << 8) | (data[i + 1 < length ? i + 1 : i + 1 - length] as number)
  for (let i = 0; i < length; i++) {
    const next = pairAt(i) + 1
    starts[next] = (starts[next] as number) + 1
  }
  for (let pair = 0; pair < 65_536; pair++) {
    const start = starts[pair] as number
    const count = starts[pair + 1] as number
    starts[pair + 1] = start + count
    if (count > 0) runs[start] = count === 1 ? 1 : -count
  }
  const fill = starts.slice()
  for (let i = 0; i < length; i++) {
    const pair = pairAt(i)
    group[i] = starts[pair] as number
    const place = fill[pair] as number
    fill[pair] = place + 1
    order[place] = i
  }
}

/** Sorts the places [from, to) of the order, which are one group, by the groups `depth` further on, and makes groups of them. */
function splitGroup(
  order: Int32Array,
  group: Int32Array,
  runs: Int32Array,
  from: number,
  to: number,
  depth: number,
): void {
  const { length } = order
  const shift = depth % length
  sortPlaces(order, group, from, to, shift, length)
  const keyAt = (place: number): number => {
    const i = (order[place] as number) + shift
    return group[i < length ? i : i - length] as number
  }
  // All borders are found before a group is renamed: what lies further on may be of this very group.
  let runStart = from
  let key = keyAt(from)
  for (let place = from + 1; place <= to; place++) {
    const next = place < to ? keyAt(place) : -1
    if (next === key) continue
    runs[runStart] = place - runStart === 1 ? 1 : runStart - place
    runStart = place
    key = next
  }
  for (let start = from; start < to; ) {
    const size = Math.abs(runs[start] as number)
    for (let place = start; place < start + size; place++) group[order[place] as number] = start
    start += size
  }
}

const insertionMax = 12

/** Quicksort in three parts by key, the smaller parts by recursion, the largest by going on. */
function sortPlaces(
  order: Int32Array,
  group: Int32Array,
  first: number,
  end: number,
  shift: number,
  length: number,
): void {
  let from = first
  let to = end
  const keyOf = (rotation: number): number => {
    const i = rotation + shift
    return group[i < length ? i : i - length] as number
  }
  while (to - from > insertionMax) {
    const a = keyOf(order[from] as number)
    const b = keyOf(order[(from + to) >>> 1] as number)
    const c = keyOf(order[to - 1] as number)
    const pivot = a < b ? (b < c ? b : Math.max(a, c)) : a < c ? a : Math.max(b, c)
    let low = from
    let high = to
    for (let at = from; at < high; ) {
      const rotation = order[at] as number
      const key = keyOf(rotation)
      if (key < pivot) {
        order[at++] = order[low] as number
        order[low++] = rotation
      } else if (key > pivot) {
        order[at] = order[--high] as number
        order[high] = rotation
      } else at++
    }
    if (low - from < to - high) {
      sortPlaces(order, group, from, low, shift, length)
      from = high
    } else {
      sortPlaces(order, group, high, to, shift, length)
      to = low
    }
  }
  for (let i = from + 1; i < to; i++) {
    const rotation = order[i] as number
    const key = keyOf(rotation)
    let j = i - 1
    for (; j >= from && keyOf(order[j] as number) > key; j--) order[j + 1] = order[j] as number
    order[j + 1] = rotation
  }
}
