import type { Clock } from '../core/clock.ts'
import { FlumeError } from '../core/error.ts'
import type { Wire } from './wire.ts'

export interface FrameChunksOptions {
  readonly clock: Clock
  /** Time a frame may take from its first byte to its last, in milliseconds. */
  readonly frameMsMax?: number
}

const frameMsMaxDefault = 120_000

/** The chunks of a wire that carries frames: a frame that has begun must be whole in time. */
export class FrameChunks {
  readonly #wire: Wire
  readonly #options: FrameChunksOptions
  #dueMs: number | undefined

  constructor(wire: Wire, options: FrameChunksOptions) {
    this.#wire = wire
    this.#options = options
  }

  /** A frame is whole: the next one has its own time. */
  completed(): void {
    this.#dueMs = undefined
  }

  /** The next chunk, undefined at the end; `midFrame` says that a frame has begun. Rejects TIMEOUT when it takes too long. */
  async read(midFrame: boolean): Promise<Buffer | undefined> {
    if (!midFrame) return this.#wire.read()
    const { clock, frameMsMax = frameMsMaxDefault } = this.#options
    this.#dueMs ??= clock.monotonic() + frameMsMax
    let late = false
    const timer = clock.after(this.#dueMs - clock.monotonic(), () => {
      late = true
      this.#wire.stopReading()
    })
    const chunk = await this.#wire.read()
    timer.cancel()
    if (late) throw new FlumeError('TIMEOUT', `a frame was not complete after ${frameMsMax} ms`)
    return chunk
  }
}
