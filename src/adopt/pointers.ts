/** Where a put begins: the number of a log, and a place in it. */
export interface FlumePointers {
  readonly count: number
  fileAt(index: number): number
  offsetAt(index: number): number
}

/** A list of pointers at eight bytes each: a directory may hold tens of millions. */
export class PointerList implements FlumePointers {
  #files: Int32Array<ArrayBuffer>
  #offsets: Int32Array<ArrayBuffer>
  #count = 0

  constructor(countHint = 1024) {
    this.#files = new Int32Array(countHint)
    this.#offsets = new Int32Array(countHint)
  }

  get count(): number {
    return this.#count
  }

  fileAt(index: number): number {
    return this.#files[index] as number
  }

  offsetAt(index: number): number {
    return this.#offsets[index] as number
  }

  push(file: number, offset: number): void {
    if (this.#count === this.#files.length) {
      this.#files = grown(this.#files)
      this.#offsets = grown(this.#offsets)
    }
    this.#files[this.#count] = file
    this.#offsets[this.#count++] = offset
  }

  pushAll(from: FlumePointers): void {
    for (let i = 0; i < from.count; i++) this.push(from.fileAt(i), from.offsetAt(i))
  }

  /**
   * Leaves out what `taken` names, and leaves in `taken` what was not found. Both keep their order. Exact, since the
   * place of a take has no checksum: a broken one must not hit another event.
   */
  subtract(taken: PointerList): void {
    if (taken.count === 0) return
    const byFile = new Map<number, { readonly offsets: Int32Array; readonly found: Uint8Array }>()
    for (const [file, offsets] of taken.#byFile()) {
      byFile.set(file, { offsets: offsets.sort(), found: new Uint8Array(offsets.length) })
    }
    this.keep((file, offset) => {
      const one = byFile.get(file)
      const at = one ? indexOf(one.offsets, offset) : -1
      if (!one || at < 0) return true
      one.found[at] = 1
      return false
    })
    taken.keep((file, offset) => {
      const { offsets, found } = byFile.get(file) as { readonly offsets: Int32Array; readonly found: Uint8Array }
      return found[indexOf(offsets, offset)] === 0
    })
  }

  #byFile(): Map<number, Int32Array> {
    const counts = new Map<number, number>()
    for (let i = 0; i < this.#count; i++) counts.set(this.fileAt(i), (counts.get(this.fileAt(i)) ?? 0) + 1)
    const offsets = new Map<number, Int32Array>()
    for (const [file, count] of counts) offsets.set(file, new Int32Array(count))
    for (let i = this.#count - 1; i >= 0; i--) {
      const file = this.fileAt(i)
      const left = (counts.get(file) as number) - 1
      counts.set(file, left)
      ;(offsets.get(file) as Int32Array)[left] = this.offsetAt(i)
    }
    return offsets
  }

  /** Leaves out, in place, all others. */
  keep(isKept: (file: number, offset: number) => boolean): void {
    let kept = 0
    for (let i = 0; i < this.#count; i++) {
      const file = this.fileAt(i)
      const offset = this.offsetAt(i)
      if (!isKept(file, offset)) continue
      this.#files[kept] = file
      this.#offsets[kept++] = offset
    }
    this.#count = kept
  }
}

/** Where `offset` first stands in the sorted column; -1 when it does not. */
function indexOf(sorted: Int32Array, offset: number): number {
  let low = 0
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as number) < offset) low = middle + 1
    else high = middle
  }
  return sorted[low] === offset ? low : -1
}

function grown(column: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const more = new Int32Array(2 * column.length)
  more.set(column)
  return more
}
