import { Node } from '../graph/node.ts'
import type { RDD } from '../rdd/rdd.ts'
import { StorageLevel } from '../storage-level.ts'
import { IllegalArgumentError } from '../time.ts'

/** Throws unless window and slide are multiples of the parent's slide (B11). */
export function checkWindow(parent: Node<unknown>, windowMs: number, slideMs: number): void {
  const refuse = (what: string, ms: number): void => {
    if (ms > 0 && ms % parent.slideMs === 0) return
    throw new IllegalArgumentError(
      `requirement failed: The ${what} duration of windowed DStream (${ms} ms) must be a multiple of the slide duration of parent DStream (${parent.slideMs} ms)`,
    )
  }
  refuse('window', windowMs)
  refuse('slide', slideMs)
}

/** At each slide the parent's data sets of the last `windowMs`, side by side (B12–B16). */
export class WindowNode<T> extends Node<T> {
  readonly kind = 'window'
  readonly dependencies: readonly Node<unknown>[]
  readonly slideMs: number
  readonly #parent: Node<T>
  readonly #windowMs: number

  constructor(parent: Node<T>, windowMs: number, slideMs: number) {
    checkWindow(parent as Node<unknown>, windowMs, slideMs)
    super(parent.graph)
    this.slideMs = slideMs
    this.#windowMs = windowMs
    this.#parent = parent
    this.dependencies = [parent as Node<unknown>]
    // A record is read in every window it belongs to: what produced it should not run each time.
    if (!parent.storageLevel.isKept) parent.persist(StorageLevel.MEMORY_ONLY_SER)
  }

  /** B16: the level belongs to the parent, whose data the window shows. */
  override persist(level: StorageLevel): void {
    this.#parent.persist(level)
  }

  protected override get parentRememberMs(): number {
    return this.rememberMs + this.#windowMs
  }

  protected async compute(timeMs: number): Promise<RDD<T>> {
    const rdds: RDD<T>[] = []
    for (let ms = timeMs - this.#windowMs + this.#parent.slideMs; ms <= timeMs; ms += this.#parent.slideMs) {
      const rdd = await this.#parent.rddAt(ms)
      if (rdd) rdds.push(rdd)
    }
    return this.graph.sparkContext.union(rdds)
  }
}
