import { lookup, lookupService } from 'node:dns/promises'
import { accessSync, constants } from 'node:fs'
import { hostname } from 'node:os'
import { explain, FlumeError } from '../../core/error.ts'

/** One conversation of SPNEGO with a server. */
export interface Negotiation {
  /** The client's first words, in base64. */
  readonly token: string
  /** Takes the server's last words; rejects when they do not prove that it is who it should be. */
  finish(answer: string): Promise<void>
}

/** Proves to HTTP servers who we are. */
export interface Negotiator {
  /** Begins a conversation with `HTTP@host`. Rejects REFUSED without a ticket, UNSUPPORTED without the library. */
  begin(host: string): Promise<Negotiation>
}

export interface KerberosIdentity {
  /** Such as `flume/_HOST@EXAMPLE.COM`; whoever the ticket cache is of when left out. */
  readonly principal: string | undefined
  /** A file with the principal's key; tickets come from the user's cache when left out. */
  readonly keytab: string | undefined
}

/** As much of the `kerberos` package as is used. */
export interface KerberosLibrary {
  readonly GSS_MECH_OID_SPNEGO: number
  initializeClient(service: string, options: Readonly<Record<string, unknown>>): Promise<KerberosClient>
}

interface KerberosClient {
  readonly contextComplete: boolean
  step(challenge: string): Promise<string | null>
}

const packageName = 'kerberos'
const install = `npm install ${packageName}@7.0.0`

/** Loads the optional package. */
async function loadLibrary(): Promise<KerberosLibrary> {
  const module = (await import(packageName)) as { readonly default?: KerberosLibrary } & KerberosLibrary
  return module.default ?? module
}

/** The environment of this process, in which the system's Kerberos library finds its files. */
type Environment = Record<string, string | undefined>

/** SPNEGO with the system's Kerberos library, by the optional package `kerberos`. */
export class KerberosNegotiator implements Negotiator {
  readonly #identity: KerberosIdentity
  readonly #load: () => Promise<KerberosLibrary>
  readonly #env: Environment
  #library: Promise<KerberosLibrary> | undefined
  #principal: Promise<string | undefined> | undefined

  constructor(identity: KerberosIdentity, load = loadLibrary, env: Environment = process.env) {
    this.#identity = identity
    this.#load = load
    this.#env = env
  }

  async begin(host: string): Promise<Negotiation> {
    const library = await this.#loaded()
    this.#principal ??= this.#wholePrincipal()
    const principal = await this.#principal
    this.#checkKeytab()
    try {
      const [client, token] = await this.#inTurn(async () => {
        const made = await library.initializeClient(`HTTP@${host}`, {
          mechOID: library.GSS_MECH_OID_SPNEGO,
          ...(principal === undefined ? {} : { principal }),
        })
        return [made, await made.step('')] as const
      })
      if (!token) throw new Error('the Kerberos library gave no token')
      return {
        token,
        finish: async (answer) => {
          if (client.contextComplete || answer === '') return
          await client.step(answer)
        },
      }
    } catch (error) {
      throw new FlumeError('REFUSED', `no Kerberos ticket for HTTP@${host}: ${explain(error)}`, {
        retry: true,
        hint: this.#identity.keytab
          ? 'do hdfs.kerberosPrincipal and hdfs.kerberosKeytab belong together, and does /etc/krb5.conf know the realm?'
          : 'run kinit, or set hdfs.kerberosPrincipal and hdfs.kerberosKeytab',
      })
    }
  }

  #loaded(): Promise<KerberosLibrary> {
    this.#library ??= this.#load().catch((cause: unknown) => {
      this.#library = undefined
      throw new FlumeError(
        'UNSUPPORTED',
        `this cluster asks for Kerberos, and the package ${packageName} is not installed`,
        {
          cause,
          hint: `${install}, which needs a compiler and the headers of Kerberos, or give a delegation token`,
        },
      )
    })
    return this.#library
  }

  #checkKeytab(): void {
    const { keytab } = this.#identity
    if (keytab === undefined) return
    try {
      accessSync(keytab, constants.R_OK)
    } catch (cause) {
      throw new FlumeError('REFUSED', `hdfs.kerberosKeytab ${keytab} cannot be read: ${explain(cause)}`, {
        retry: true,
        cause,
      })
    }
  }

  /** With this machine's name for `_HOST`, as Hadoop puts it in. */
  async #wholePrincipal(): Promise<string | undefined> {
    const { principal } = this.#identity
    if (!principal?.includes('/_HOST')) return principal
    const name = await lookup(hostname())
      .then(({ address }) => lookupService(address, 0))
      .then(
        (found) => found.hostname,
        () => hostname(),
      )
    return principal.replace('/_HOST', `/${name.toLowerCase()}`)
  }

  /**
   * The library takes keytab and cache from the environment of the whole process: one conversation begins at a time, with a
   * cache in memory for each keytab. The library itself fetches tickets by the keytab, and new ones when they are over.
   */
  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const { keytab, principal } = this.#identity
    const turn = lastTurn.then(async () => {
      if (keytab === undefined) return act()
      const before = new Map(environmentKeys.map((key) => [key, this.#env[key]]))
      this.#env.KRB5_CLIENT_KTNAME = `FILE:${keytab}`
      this.#env.KRB5CCNAME = `MEMORY:flume-ts ${principal}`
      try {
        return await act()
      } finally {
        for (const [key, value] of before) {
          if (value === undefined) delete this.#env[key]
          else this.#env[key] = value
        }
      }
    })
    lastTurn = turn.catch(() => undefined)
    return turn
  }
}

const environmentKeys = ['KRB5_CLIENT_KTNAME', 'KRB5CCNAME'] as const
let lastTurn: Promise<unknown> = Promise.resolve()
