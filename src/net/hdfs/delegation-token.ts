import { Buffer } from 'node:buffer'
import { open, stat } from 'node:fs/promises'
import {
  readTokenFile,
  readTokenIdentity,
  readUrlToken,
  type Token,
  type TokenIdentity,
  urlToken,
} from '../../codec/hdfs/tokens.ts'
import { explain, FlumeError } from '../../core/error.ts'

/** A delegation token as it is sent. */
export interface SentToken {
  /** What `delegation=` takes. Whoever has it has the owner's rights: it must not be shown. */
  readonly text: string
  /** Undefined where the token does not say. */
  readonly identity: TokenIdentity | undefined
}

/** Where a client finds its delegation token. */
export interface TokenSource {
  /** In words for people, without the token: `the delegation token in /run/token`. */
  readonly name: string
  /** The token as it is now; rejects USAGE where there is none. */
  current(): Promise<SentToken>
}

/** A token from a configuration. Throws USAGE for a text that is none. */
export function givenToken(text: string): TokenSource {
  const name = 'the delegation token of the configuration'
  let token: Token
  try {
    token = readUrlToken(text)
  } catch (error) {
    // Without the cause, which would tell of the text.
    throw new FlumeError('USAGE', `${name} cannot be read: ${explain(error)}`, { hint: tokenHint })
  }
  const sent = { text: urlToken(token), identity: readTokenIdentity(token) }
  return { name, current: async () => sent }
}

const tokenHint =
  'use what the operation GETDELEGATIONTOKEN of WebHDFS answers, or a file that hdfs fetchdt has written'
/** Kinds of tokens that open HDFS. */
const kinds: readonly string[] = ['HDFS_DELEGATION_TOKEN', 'WEBHDFS delegation', 'SWEBHDFS delegation']
const fileBytesMax = 16 * 1024 * 1024

/**
 * A file of tokens, as `hdfs fetchdt` writes it and HADOOP_TOKEN_FILE_LOCATION names it. It is looked at before every use, and
 * read when it has changed: whoever puts a new token there has renewed ours.
 */
export class TokenFile implements TokenSource {
  readonly name: string
  readonly #path: string
  readonly #services: readonly string[]
  #sent: SentToken | undefined
  #version = ''

  /** `services` are names of the servers that the token should be for, such as `namenode:8020` and `ha-hdfs:prod`. */
  constructor(path: string, services: readonly string[]) {
    this.name = `the delegation token in ${path}`
    this.#path = path
    this.#services = services
  }

  async current(): Promise<SentToken> {
    try {
      const { mtimeMs, size, ino } = await stat(this.#path)
      const version = `${mtimeMs} ${size} ${ino}`
      if (this.#sent && version === this.#version) return this.#sent
      const token = this.#choose(readTokenFile(await this.#read()))
      this.#sent = { text: urlToken(token), identity: readTokenIdentity(token) }
      this.#version = version
    } catch (error) {
      // One that is being written, or taken away, while we have one: the server decides whether that still counts.
      if (this.#sent) return this.#sent
      const message = error instanceof FlumeError ? `${this.#path}: ${error.message}` : explain(error)
      throw new FlumeError('USAGE', `no delegation token: ${message}`, {
        retry: true,
        hint: error instanceof FlumeError && error.hint ? error.hint : 'write the file with hdfs fetchdt',
      })
    }
    return this.#sent
  }

  async #read(): Promise<Buffer> {
    const handle = await open(this.#path, 'r')
    try {
      const { size } = await handle.stat()
      if (size > fileBytesMax) throw new FlumeError('LIMIT', `it is larger than ${fileBytesMax} bytes`)
      const bytes = Buffer.alloc(size)
      const { bytesRead } = await handle.read(bytes, 0, size, 0)
      return bytes.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  }

  /** The only one for HDFS, or the one for our server; the same token may stand there under several names. */
  #choose(tokens: readonly Token[]): Token {
    const forHdfs = tokens.filter(({ kind }) => kinds.includes(kind))
    const [first] = forHdfs
    if (!first) throw new FlumeError('USAGE', `it holds no token for HDFS among its ${tokens.length}`)
    const ours = forHdfs.find(({ service }) => this.#services.includes(service))
    if (ours) return ours
    if (forHdfs.every(({ identifier }) => identifier.equals(first.identifier))) return first
    const names = [...new Set(forHdfs.map(({ service }) => service))].join(', ')
    throw new FlumeError('USAGE', `it holds tokens for ${names}, and none for ${this.#services.join(', ')}`, {
      hint: 'name the server as the token does, or give one token in hdfs.delegationToken',
    })
  }
}
