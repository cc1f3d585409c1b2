import { propertiesReader, type Reader } from 'properties-reader'
import type { Place } from '../../spec/finding.ts'
import type { RawValue } from '../../spec/option.ts'

/** A key's value with the key. */
export interface ConfigEntry extends RawValue {
  readonly key: string
}

/**
 * The keys of all files of one agent configuration: for each key the value that counts, and where it stands. The texts
 * are kept by properties-reader, which is used as a store only: what it parses itself differs from Java's format.
 */
export class PropertyStore {
  readonly #reader: Reader = propertiesReader()
  readonly #places = new Map<string, Place & Pick<RawValue, 'valueAt'>>()

  /** Sets a key, taking the place of an earlier value of the same key. */
  set({ key, text, ...place }: ConfigEntry): void {
    this.#reader.set(key, text)
    this.#places.set(key, place)
  }

  /** The value as it stands, untouched by type guesses. */
  getText(key: string): string | undefined {
    return this.#reader.getRaw(key) ?? undefined
  }

  get(key: string): ConfigEntry | undefined {
    const text = this.getText(key)
    const place = this.#places.get(key)
    return text === undefined || place === undefined ? undefined : { key, text, ...place }
  }

  *entries(): IterableIterator<ConfigEntry> {
    for (const [key, text] of this.#reader.entries()) {
      const place = this.#places.get(key)
      if (place) yield { key, text, ...place }
    }
  }
}
