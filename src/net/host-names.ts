import { lookupService } from 'node:dns/promises'

const cachedMax = 1000

/** Host names of addresses, looked up once each; an address without a name is its own, as in Java. */
export class HostNames {
  readonly #names = new Map<string, Promise<string>>()

  of(address: string): Promise<string> {
    const known = this.#names.get(address)
    if (known) return known
    // A stranger may send from any address: the memory of them is bounded.
    if (this.#names.size >= cachedMax) this.#names.clear()
    // The system's own look-up, which knows the hosts file; the port does not matter.
    const name = lookupService(address, 0).then(
      ({ hostname }) => hostname,
      () => address,
    )
    this.#names.set(address, name)
    return name
  }
}
