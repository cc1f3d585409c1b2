/** What is typed on the terminal, for one reader after the other: one that leaves neither ends it nor takes a line along. */
export class SharedConsole {
  readonly #lines: AsyncIterator<Uint8Array>
  /** A read that the last reader asked for and did not wait for. */
  #pending: Promise<IteratorResult<Uint8Array>> | undefined

  constructor(console: AsyncIterable<Uint8Array>) {
    this.#lines = console[Symbol.asyncIterator]()
  }

  /** The chunks from now on. */
  open(): AsyncIterable<Uint8Array> {
    return {
      [Symbol.asyncIterator]: () => {
        let isOpen = true
        return {
          next: async () => {
            this.#pending ??= this.#lines.next()
            const result = await this.#pending
            if (!isOpen) return { done: true, value: undefined }
            this.#pending = undefined
            return result
          },
          return: async () => {
            isOpen = false
            return { done: true, value: undefined }
          },
        }
      },
    }
  }

  /** Ends it for everyone. */
  close(): void {
    // Not awaited: it would wait for a key.
    void this.#lines.return?.()
  }
}
