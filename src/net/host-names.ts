import { lookupService } from 'node:dns/promises'
import type { Clock } from '../core/clock.ts'

/** The name of an address; rejects when it has none. */
export type LookUp = (address: string) => Promise<string>

/** The system's own look-up, which knows the hosts file; the port does not matter. */
const systemLookUp: LookUp = async (address) => (await lookupService(address, 0)).hostname

// A stranger may send from any address, or say so: what is kept of them, asked for and waited for is bounded.
const cachedMax = 1000
/** The system's look-ups block threads that files are read and written with, too: some of the four are left to those. */
const askedMax = 2
const waitingMax = 1000
/** Whose name is not there by then goes without it for now. */
const answerMs = 2000

interface Question {
  readonly address: string
  readonly answer: (name: string) => void
  isLate: boolean
}

/** Host names of addresses, looked up once each; an address without a name is its own, as in Java. */
export class HostNames {
  readonly #clock: Clock
  readonly #lookUp: LookUp
  readonly #names = new Map<string, Promise<string>>()
  #waiting: Question[] = []
  #asked = 0

  constructor(clock: Clock, lookUp = systemLookUp) {
    this.#clock = clock
    this.#lookUp = lookUp
  }

  /** The name, or the address itself where there is none, none in time, or too many are asked for. Never rejects. */
  of(address: string): Promise<string> {
    const known = this.#names.get(address)
    if (known) return known
    if (this.#waiting.length >= waitingMax) return Promise.resolve(address)
    if (this.#names.size >= cachedMax) this.#names.clear()
    const name = new Promise<string>((resolve) => {
      const question = {
        address,
        answer: (name: string) => {
          timer.cancel()
          resolve(name)
        },
        isLate: false,
      }
      const timer = this.#clock.after(answerMs, () => {
        question.isLate = true
        this.#names.delete(address)
        this.#waiting = this.#waiting.filter((other) => other !== question)
        resolve(address)
      })
      this.#waiting.push(question)
    })
    this.#names.set(address, name)
    this.#ask()
    return name
  }

  #ask(): void {
    while (this.#asked < askedMax) {
      const question = this.#waiting.shift()
      if (!question) return
      const { address, answer } = question
      this.#asked++
      void this.#lookUp(address)
        .catch(() => address)
        .then((name) => {
          this.#asked--
          if (!question.isLate) answer(name)
          this.#ask()
        })
    }
  }
}
