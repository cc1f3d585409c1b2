type Release = () => void | Promise<void>

/** Releases registered as things are acquired, run last in first out. Closing twice is safe; the first error is kept and thrown at the end. */
export class Scope {
  readonly #releases: Release[] = []
  #closing: Promise<void> | undefined

  /** Registers a release; on a scope that is already closed it is run at once. */
  add(release: Release): void {
    if (this.#closing) void this.#closing.finally(release).catch(() => undefined)
    else this.#releases.push(release)
  }

  /** Runs every release, newest first; rejects with the first error after all have run. */
  close(): Promise<void> {
    this.#closing ??= this.#run()
    return this.#closing
  }

  async #run(): Promise<void> {
    const errors: unknown[] = []
    for (let release = this.#releases.pop(); release; release = this.#releases.pop()) {
      try {
        await release()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}
