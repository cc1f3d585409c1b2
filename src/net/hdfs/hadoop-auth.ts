import type { IncomingHttpHeaders } from 'node:http'
import { FlumeError } from '../../core/error.ts'
import type { Negotiation, Negotiator } from './spnego.ts'

type Headers = Readonly<Record<string, string>>

const cookieName = 'hadoop.auth'

/**
 * Hadoop's way of HTTP authentication: a server that wants a ticket answers 401 with `WWW-Authenticate: Negotiate`, and gives
 * to whoever has shown one a signed cookie that stands for it, for ten hours or as the server says.
 */
export class HadoopAuth {
  readonly #negotiator: Negotiator | undefined
  /** By origin. */
  readonly #cookies = new Map<string, string>()
  #wasAsked = false

  constructor(negotiator: Negotiator | undefined) {
    this.#negotiator = negotiator
  }

  /** True once a server has asked for a ticket: it then knows the user by that, and refuses another name beside it. */
  get wasAsked(): boolean {
    return this.#wasAsked
  }

  /** What to send with a call. */
  headers(url: URL): Headers {
    const cookie = this.#cookies.get(url.origin)
    return cookie === undefined ? {} : { Cookie: `${cookieName}=${cookie}` }
  }

  /** True when an answer asks for a ticket and one may be shown. */
  isAsked(status: number, headers: IncomingHttpHeaders): boolean {
    return status === 401 && this.#negotiator !== undefined && negotiateWords(headers) !== undefined
  }

  /** Begins to show a ticket: what to send with the same call again, in the place of the cookie. */
  async begin(url: URL): Promise<{ readonly headers: Headers; readonly negotiation: Negotiation }> {
    this.#cookies.delete(url.origin)
    this.#wasAsked = true
    const negotiation = await (this.#negotiator as Negotiator).begin(url.hostname.replace(/^\[(.*)\]$/, '$1'))
    return { headers: { Authorization: `Negotiate ${negotiation.token}` }, negotiation }
  }

  /** Takes what came of it. Rejects REFUSED when the server could not prove that it is the one it says. */
  async finish(headers: IncomingHttpHeaders, negotiation: Negotiation, host: string): Promise<void> {
    const words = negotiateWords(headers)
    if (!words) return
    try {
      await negotiation.finish(words)
    } catch (cause) {
      throw new FlumeError('REFUSED', `${host} does not prove by its Kerberos ticket that it is this server`, {
        retry: true,
        cause,
      })
    }
  }

  /** Keeps the cookie of an answer for the next call. */
  keep(url: URL, headers: IncomingHttpHeaders): void {
    for (const line of headers['set-cookie'] ?? []) {
      const value = new RegExp(`^${cookieName.replace('.', '\\.')}=([^;]*)`).exec(line)?.[1]
      if (value === undefined) continue
      if (value === '' || value === '""') this.#cookies.delete(url.origin)
      else this.#cookies.set(url.origin, value)
    }
  }
}

/** What stands behind `Negotiate`; undefined where the header does not offer it. */
function negotiateWords(headers: IncomingHttpHeaders): string | undefined {
  const found = /(?:^|,)\s*Negotiate(?:\s+([A-Za-z0-9+/]+=*))?\s*(?:,|$)/i.exec(headers['www-authenticate'] ?? '')
  return found ? (found[1] ?? '') : undefined
}
