import { type Clock, systemClock } from '../../core/clock.ts'
import { explain, FlumeError } from '../../core/error.ts'

/** Flume waits so long for an answer, and so long for its text (C-32). */
const timeoutMsDefault = 60_000
/** No configuration is longer; what is, is something else. */
const bodyBytesMax = 16 * 1024 * 1024

export interface Credentials {
  readonly user: string
  readonly password: string
}

export interface HttpTextOptions {
  /** For Basic authentication; what the address itself carries is used otherwise. */
  readonly credentials?: Credentials | undefined
  readonly clock?: Clock
  readonly timeoutMs?: number
}

/** True for an address that is read over HTTP. */
export function isHttpAddress(file: string): boolean {
  return /^https?:\/\//i.test(file)
}

/** An address may carry a password, which is nobody's to read. */
export function withoutUser(address: string): string {
  return address.replace(/\/\/[^/@]*@/, '//')
}

/** A text behind an HTTP address, asked for again only when it changed (C-32). */
export class HttpText {
  readonly #url: URL
  readonly #headers: Readonly<Record<string, string>>
  readonly #clock: Clock
  readonly #timeoutMs: number
  #last: { readonly content: Uint8Array; readonly marks: Readonly<Record<string, string>> } | undefined

  constructor(address: string, { credentials, clock = systemClock, timeoutMs = timeoutMsDefault }: HttpTextOptions) {
    const url = new URL(address)
    const user = credentials?.user ?? decodeURIComponent(url.username)
    const password = credentials?.password ?? decodeURIComponent(url.password)
    url.username = ''
    url.password = ''
    this.#url = url
    const basic = Buffer.from(`${user}:${password}`).toString('base64')
    this.#headers = user === '' && password === '' ? {} : { authorization: `Basic ${basic}` }
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /**
   * The text's bytes; those read before where the server says that nothing changed. Rejects where it answers anything
   * but 200 and 304, is not reached or is silent for too long, and where the text is too long.
   */
  async read(): Promise<Uint8Array> {
    const abort = new AbortController()
    const silence = new FlumeError('TIMEOUT', `no answer within ${this.#timeoutMs / 1000} s`)
    let timer = this.#clock.after(this.#timeoutMs, () => abort.abort(silence))
    try {
      const headers = { ...this.#headers, ...this.#last?.marks }
      const response = await fetch(this.#url, { headers, signal: abort.signal })
      timer.cancel()
      timer = this.#clock.after(this.#timeoutMs, () => abort.abort(silence))
      return await this.#contentOf(response)
    } catch (thrown) {
      if (abort.signal.aborted) throw silence
      if (thrown instanceof FlumeError) throw thrown
      // The innermost cause says it: fetch itself only says that it failed.
      throw new FlumeError('CONNECTION', explain((thrown as Error).cause ?? thrown), { retry: true, cause: thrown })
    } finally {
      timer.cancel()
    }
  }

  async #contentOf(response: Response): Promise<Uint8Array> {
    if (response.status === 304 && this.#last) {
      await response.body?.cancel()
      return this.#last.content
    }
    if (response.status !== 200) {
      await response.body?.cancel()
      throw refusal(response.status)
    }
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of response.body ?? []) {
      length += chunk.length
      if (length > bodyBytesMax) throw new FlumeError('LIMIT', `is longer than ${bodyBytesMax} bytes`)
      chunks.push(chunk)
    }
    const content = Buffer.concat(chunks)
    const modified = response.headers.get('last-modified')
    const tag = response.headers.get('etag')
    this.#last = {
      content,
      marks: {
        ...(modified === null ? {} : { 'if-modified-since': modified }),
        ...(tag === null ? {} : { 'if-none-match': tag }),
      },
    }
    return content
  }
}

function refusal(status: number): FlumeError {
  switch (status) {
    case 401:
      return new FlumeError('REFUSED', 'the server wants other credentials (401)', {
        hint: 'give them with --conf-user and --conf-password',
      })
    case 403:
      return new FlumeError('REFUSED', 'the server refuses it (403)')
    case 404:
      return new FlumeError('REFUSED', 'there is no such page (404)')
    default:
      return new FlumeError('REFUSED', `the server answers ${status}`, { retry: status >= 500 })
  }
}
