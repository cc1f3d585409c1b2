import http from 'node:http'
import https from 'node:https'
import type { Clock } from '../../core/clock.ts'
import { FlumeError } from '../../core/error.ts'
import type { ClientTls } from '../tls/client.ts'
import { AppendingFile } from './appending-file.ts'
import type { SentToken, TokenSource } from './delegation-token.ts'
import {
  byteLength,
  type FileStatus,
  type FileSystem,
  FileSystemError,
  type FileSystemReason,
  normalizePath,
  type OpenFile,
  reasonOf,
} from './file-system.ts'
import { HadoopAuth } from './hadoop-auth.ts'
import type { Negotiator } from './spnego.ts'

export interface WebHdfsOptions {
  /** Base addresses such as `http://namenode:9870`, in the order they are tried. */
  readonly nameNodes: readonly string[]
  /** Sent as `user.name`. */
  readonly user: string
  /** Whose rights are used, when not the user's own. */
  readonly doAs?: string | undefined
  /** Longest time for one HTTP exchange, in milliseconds; 0 waits for ever. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** What people should do when nothing answers. */
  readonly hint?: string | undefined
  /** Whom to trust over HTTPS, and what to show; what Node trusts when left out. */
  readonly tls?: ClientTls | undefined
  /** Sent with every call in the place of a user's name. */
  readonly token?: TokenSource | undefined
  /** Shows a ticket to servers that ask for one. */
  readonly negotiator?: Negotiator | undefined
}

/** Longest wait for a TCP connection, so that a name node that is switched off does not cost a whole call time-out. */
const connectTimeoutMs = 5000
/** Idle connections are let go before the name node does it (its default is 10 s), so that none is found dead. */
const idleMs = 4000
const metadataMaxBytes = 64 * 1024 * 1024
const errorMaxBytes = 64 * 1024
/** A token is renewed when this part of its time is over; a failed try is repeated after a minute. */
const renewAtShare = 0.75
const renewPauseMs = 60_000
/** What a server answers that has no TRUNCATE (before Hadoop 2.7), or has none for this file (erasure-coded). */
const cannotCut: readonly string[] = ['IllegalArgumentException', 'UnsupportedOperationException']

type Parameters = Readonly<Record<string, string | number | boolean>>

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  /** False when the answer came before the whole body was sent. */
  readonly sent: boolean
}

interface Exchange {
  readonly method: string
  readonly url: URL
  readonly parts?: readonly Uint8Array[]
  readonly agent: http.Agent | https.Agent
  readonly maxBytes: number
  readonly headers?: Readonly<Record<string, string>>
}

/** One operation, wherever it is asked. */
interface Call {
  readonly method: string
  readonly path: string
  readonly op: string
  readonly parameters: Parameters
  readonly parts?: readonly Uint8Array[]
  /** True for what a token does not give the right to: to have itself renewed. */
  readonly withoutToken?: boolean
}

/**
 * HDFS through its REST interface. Metadata calls go to the name node over kept-alive connections; `CREATE` and `APPEND`
 * are sent empty first, and with their bytes to the data node that the 307 names. Written with node:http, since data
 * nodes send `100 Continue` unasked, which fetch takes for a broken server.
 */
export class WebHdfs implements FileSystem {
  readonly address: string
  readonly hasLeases = false
  readonly #options: WebHdfsOptions
  readonly #agents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent }
  /** Data nodes answer `Connection: close`. */
  readonly #dataAgents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent }
  /** Which of the name nodes answered last. */
  #current = 0
  /** True once the server took data without a redirect (an HttpFS or a gateway). */
  #direct = false
  readonly #auth: HadoopAuth
  /** The token that is renewed, and when that is due. */
  #renewal = { text: '', dueMs: 0 }

  constructor(options: WebHdfsOptions) {
    this.#options = options
    const kept = { keepAlive: true, timeout: idleMs }
    const tls = options.tls?.options ?? {}
    this.#agents = { 'http:': new http.Agent(kept), 'https:': new https.Agent({ ...kept, ...tls }) }
    this.#dataAgents = { 'http:': new http.Agent(), 'https:': new https.Agent(tls) }
    this.#auth = new HadoopAuth(options.negotiator)
    this.address = options.nameNodes.join(', ')
  }

  async mkdirs(path: string): Promise<void> {
    await this.#yes('PUT', path, 'MKDIRS', {}, 'made')
  }

  async create(path: string, bytes: readonly Uint8Array[], { overwrite = false } = {}): Promise<void> {
    await this.#send('PUT', path, 'CREATE', { overwrite }, bytes)
  }

  async append(path: string, bytes: readonly Uint8Array[], _lengthBytes: number): Promise<void> {
    await this.#send('POST', path, 'APPEND', {}, bytes)
  }

  async begin(
    path: string,
    bytes: readonly Uint8Array[],
    options?: { readonly overwrite?: boolean },
  ): Promise<OpenFile> {
    await this.create(path, bytes, options)
    return new AppendingFile(this, path, byteLength(bytes))
  }

  async resume(path: string, bytes: readonly Uint8Array[], lengthBytes: number): Promise<OpenFile> {
    await this.append(path, bytes, lengthBytes)
    return new AppendingFile(this, path, lengthBytes + byteLength(bytes))
  }

  /**
   * WebHDFS has no call for it, `force` or not. To cut a file needs its lease, and begins to take it from a dead writer: it is
   * asked for in a way that cuts nothing, to a length that no file has. Other than an append, which might get stuck at a
   * data node itself, that leaves no trace.
   */
  async recover(path: string): Promise<boolean> {
    const answer = await this.#nameNode('POST', path, 'TRUNCATE', { newlength: Number.MAX_SAFE_INTEGER })
    const { exception, message } = remoteException(answer)
    if (exception === 'HadoopIllegalArgumentException' || /Cannot truncate to a larger/.test(message ?? '')) return true
    const failure = this.#failure(answer, `closing ${path}`)
    if (failure.reason === 'leased') return false
    if (exception === undefined || !cannotCut.includes(exception)) throw failure
    try {
      await this.#send('POST', path, 'APPEND', {}, [])
      return true
    } catch (error) {
      if (reasonOf(error) === 'leased') return false
      throw error
    }
  }

  async truncate(path: string, lengthBytes: number): Promise<boolean> {
    const answer = await this.#metadata('POST', path, 'TRUNCATE', { newlength: lengthBytes })
    return flagIn(answer)
  }

  async rename(from: string, to: string, { overwrite = false } = {}): Promise<void> {
    const problem = await this.#rename(from, to)
    if (!problem) return
    if (!overwrite || problem.reason !== 'exists') throw problem
    // Only now, when the source is known to be there.
    await this.delete(to)
    const still = await this.#rename(from, to)
    if (still) throw still
  }

  /** Why it could not be renamed; undefined when it was. */
  async #rename(from: string, to: string): Promise<FileSystemError | undefined> {
    const destination = normalizePath(to)
    const answer = await this.#metadata('PUT', from, 'RENAME', { destination })
    if (flagIn(answer)) return undefined
    // The name node only says no; find out why, since callers act on it.
    if (!(await this.status(from))) return new FileSystemError('missing', `${from} does not exist`, { untouched: true })
    if (await this.status(to)) return new FileSystemError('exists', `${to} exists already`, { untouched: true })
    return new FileSystemError('other', `HDFS did not rename ${from} to ${to}`, {
      untouched: true,
      hint: 'does the target directory exist?',
    })
  }

  async status(path: string): Promise<FileStatus | undefined> {
    try {
      const answer = await this.#metadata('GET', path, 'GETFILESTATUS', {})
      return readStatus(objectIn(answer, 'FileStatus'), normalizePath(path))
    } catch (error) {
      if (error instanceof FileSystemError && error.reason === 'missing') return undefined
      throw error
    }
  }

  async list(path: string): Promise<readonly FileStatus[]> {
    const answer = await this.#metadata('GET', path, 'LISTSTATUS', {})
    const entries = objectIn(answer, 'FileStatuses').FileStatus
    if (!Array.isArray(entries)) throw unreadable(answer)
    const folder = normalizePath(path)
    const statuses = entries.map((entry: Record<string, unknown>) => {
      const name = String(entry.pathSuffix ?? '')
      return readStatus(entry, name === '' ? folder : folder === '/' ? `/${name}` : `${folder}/${name}`)
    })
    return statuses.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  }

  async read(path: string, offset: number, lengthBytes: number): Promise<Uint8Array> {
    const status = await this.status(path)
    if (!status) throw new FileSystemError('missing', `${path} does not exist`, { untouched: true })
    // OPEN refuses offsets behind the end.
    const length = Math.min(lengthBytes, status.sizeBytes - offset)
    if (length <= 0) return new Uint8Array(0)
    const first = await this.#nameNode('GET', path, 'OPEN', { offset, length })
    const location = this.#location(first)
    const answer = location
      ? await this.#exchange({ method: 'GET', url: location, agent: this.#dataAgent(location), maxBytes: length })
      : first
    if (answer.status !== 200) throw this.#failure(answer, `reading ${path}`)
    return answer.body
  }

  async delete(path: string, { recursive = false } = {}): Promise<boolean> {
    return flagIn(await this.#metadata('DELETE', path, 'DELETE', { recursive }))
  }

  async close(): Promise<void> {
    for (const agents of [this.#agents, this.#dataAgents]) {
      agents['http:'].destroy()
      agents['https:'].destroy()
    }
  }

  async #yes(method: string, path: string, op: string, parameters: Parameters, done: string): Promise<void> {
    const answer = await this.#metadata(method, path, op, parameters)
    if (!flagIn(answer)) throw new FileSystemError('other', `${path} was not ${done}`, { untouched: true })
  }

  async #metadata(method: string, path: string, op: string, parameters: Parameters): Promise<Answer> {
    const answer = await this.#nameNode(method, path, op, parameters)
    if (answer.status === 200 || answer.status === 201) return answer
    throw this.#failure(answer, `${op} ${path}`)
  }

  /** CREATE or APPEND: resolves only when the last answer says 200 or 201 to all of the bytes. */
  async #send(
    method: string,
    path: string,
    op: string,
    parameters: Parameters,
    parts: readonly Uint8Array[],
  ): Promise<void> {
    const what = `${op} ${path}`
    if (!this.#direct) {
      const first = await this.#nameNode(method, path, op, parameters).catch((error: unknown) => {
        throw untouched(error)
      })
      const location = this.#location(first)
      if (location) return this.#confirm(await this.#data(method, location, parts), what)
      if (first.status !== 200 && first.status !== 201) throw untouched(this.#failure(first, what))
      // No redirect: this server has done the call with an empty body, and takes the data where it is.
      this.#direct = true
      if (op === 'CREATE') return this.#sendDirectly(method, path, op, { ...parameters, overwrite: true }, parts)
    }
    return this.#sendDirectly(method, path, op, parameters, parts)
  }

  async #sendDirectly(
    method: string,
    path: string,
    op: string,
    parameters: Parameters,
    parts: readonly Uint8Array[],
  ): Promise<void> {
    const call = { method, path, op, parameters: { ...parameters, data: true }, parts }
    const answer = await this.#ask(this.#options.nameNodes[this.#current] as string, call)
    const location = this.#location(answer)
    this.#confirm(location ? await this.#data(method, location, parts) : answer, `${op} ${path}`)
  }

  #data(method: string, url: URL, parts: readonly Uint8Array[]): Promise<Answer> {
    return this.#exchange({ method, url, parts, agent: this.#dataAgent(url), maxBytes: errorMaxBytes })
  }

  #confirm(answer: Answer, what: string): void {
    if (answer.status !== 200 && answer.status !== 201) throw this.#failure(answer, what)
    if (!answer.sent) throw new FileSystemError('other', `${what}: HDFS answered before it had all of the bytes`)
  }

  #nameNode(method: string, path: string, op: string, parameters: Parameters): Promise<Answer> {
    return this.#inTurn({ method, path, op, parameters })
  }

  /** Asks the name nodes in turn, beginning with the one that answered last, until one is in service. */
  async #inTurn(call: Call): Promise<Answer> {
    const { nameNodes } = this.#options
    const problems: FileSystemError[] = []
    const first = this.#current
    for (let tried = 0; tried < nameNodes.length; tried++) {
      const index = (first + tried) % nameNodes.length
      const base = nameNodes[index] as string
      try {
        const answer = await this.#ask(base, call)
        if (!isOutOfService(answer)) {
          this.#current = index
          return answer
        }
        problems.push(this.#failure(answer, new URL(base).host))
      } catch (error) {
        if (!(error instanceof FileSystemError)) throw error
        if (error.reason === 'timeout') this.#turnAway(index)
        if (error.reason !== 'unreachable') throw error
        problems.push(error)
      }
      this.#turnAway(index)
    }
    throw new FileSystemError(
      'unreachable',
      `HDFS does not answer: ${problems.map((problem) => problem.message).join('; ')}`,
      {
        cause: problems[0]?.cause,
        untouched: problems.every((problem) => problem.untouched),
        hint: this.#options.hint,
      },
    )
  }

  /** The next call begins behind this name node, unless another call has found a better one already. */
  #turnAway(index: number): void {
    if (this.#current === index) this.#current = (index + 1) % this.#options.nameNodes.length
  }

  /** One call of one server, with a ticket when it asks for that. */
  async #ask(base: string, call: Call): Promise<Answer> {
    const token = call.withoutToken ? undefined : await beforehand(this.#token())
    if (token) this.#renew(token)
    const { method, parts } = call
    const url = this.#url(base, call, token)
    const exchange = parts
      ? { method, parts, agent: this.#dataAgent(url), maxBytes: errorMaxBytes }
      : { method, agent: this.#agents[url.protocol as 'http:'], maxBytes: metadataMaxBytes }
    let answer = await this.#exchange({ ...exchange, url, headers: this.#auth.headers(url) })
    if (!token && this.#auth.isAsked(answer.status, answer.headers)) {
      const { headers, negotiation } = await beforehand(this.#auth.begin(url))
      // The name is in the ticket now.
      answer = await this.#exchange({ ...exchange, url: this.#url(base, call, token), headers })
      if (answer.status < 400) await this.#auth.finish(answer.headers, negotiation, url.host)
    }
    this.#auth.keep(url, answer.headers)
    return answer
  }

  /** The token to send. Rejects USAGE for one that gives other rights than were asked for. */
  async #token(): Promise<SentToken | undefined> {
    const { token: source, doAs } = this.#options
    const token = await source?.current()
    const owner = token?.identity && shortName(token.identity.owner)
    if (owner !== undefined && doAs !== undefined && owner !== doAs) {
      throw new FlumeError('USAGE', `${source?.name} is ${owner}'s, and cannot act for ${doAs}`, {
        retry: true,
        hint: `fetch one with doas=${doAs}, or leave hdfs.proxyUser out`,
      })
    }
    return token
  }

  /**
   * Has the token renewed, in the background and well before it is due. Only its renewer may, with a ticket; where that is
   * someone else the refusal ends it: whoever renews the token then need not tell us.
   */
  #renew({ text }: SentToken): void {
    const { clock } = this.#options
    if (text !== this.#renewal.text) this.#renewal = { text, dueMs: 0 }
    const renewal = this.#renewal
    const nowMs = clock.now()
    if (nowMs < renewal.dueMs) return
    renewal.dueMs = Number.POSITIVE_INFINITY
    const call = {
      method: 'PUT',
      path: '/',
      op: 'RENEWDELEGATIONTOKEN',
      parameters: { token: text },
      withoutToken: true,
    }
    this.#inTurn(call).then(
      (answer) => {
        const untilMs = answer.status === 200 ? Number(parseObject(answer.body)?.long) : 0
        if (untilMs > nowMs) renewal.dueMs = nowMs + (untilMs - nowMs) * renewAtShare
      },
      (error: unknown) => {
        if (error instanceof FileSystemError) renewal.dueMs = nowMs + renewPauseMs
      },
    )
  }

  #url(nameNode: string, { path, op, parameters }: Call, token: SentToken | undefined): URL {
    const { user, doAs } = this.#options
    const base = nameNode.replace(/\/+$/, '')
    const root = base.endsWith('/webhdfs/v1') ? base : `${base}/webhdfs/v1`
    const encoded = normalizePath(path).split('/').map(encodeURIComponent).join('/')
    const query = [`op=${op}`]
    const add = (name: string, value: string | number | boolean): void => {
      query.push(`${name}=${encodeURIComponent(value)}`)
    }
    if (token) {
      // Clusters without security look at the name, those with it at the token, and refuse another's name beside it.
      if (token.identity) add('user.name', shortName(token.identity.owner))
      add('delegation', token.text)
    } else {
      if (!this.#auth.wasAsked) add('user.name', user)
      if (doAs !== undefined && (doAs !== user || this.#auth.wasAsked)) add('doas', doAs)
    }
    for (const [name, value] of Object.entries(parameters)) add(name, value)
    return new URL(`${root}${encoded}?${query.join('&')}`)
  }

  /** Where an answer sends us: the Location of a redirect, or of the body (`noredirect`). */
  #location(answer: Answer): URL | undefined {
    let location: unknown
    if (answer.status >= 300 && answer.status < 400) location = answer.headers.location
    else if (answer.status === 200 && answer.headers['content-type']?.startsWith('application/json')) {
      location = parseObject(answer.body)?.Location
    }
    if (typeof location !== 'string') return undefined
    if (/^https?:/.test(location) && URL.canParse(location)) return new URL(location)
    throw new FlumeError('PROTOCOL', `the name node sends us to ${JSON.stringify(location.split('?', 1)[0])}`, {
      retry: true,
    })
  }

  #dataAgent(url: URL): http.Agent | https.Agent {
    return this.#dataAgents[url.protocol as 'http:']
  }

  #exchange({ method, url, parts = [], agent, maxBytes, headers = {} }: Exchange): Promise<Answer> {
    const { clock, timeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      let connected = false
      let settled = false
      const request = (url.protocol === 'https:' ? https : http).request(url, {
        method,
        agent,
        headers: {
          Accept: '*/*',
          ...(method === 'GET' || method === 'DELETE' ? {} : { 'Content-Length': byteLength(parts) }),
          ...(parts.length > 0 ? { 'Content-Type': 'application/octet-stream' } : {}),
          ...headers,
        },
      })
      const settle = (act: () => void): void => {
        if (settled) return
        settled = true
        callTimer?.cancel()
        connectTimer.cancel()
        act()
      }
      const fail = (error: unknown): void => {
        settle(() => reject(this.#broken(error, url, connected)))
        request.destroy()
      }
      const connectTimer = clock.after(connectTimeoutMs, () => {
        if (!connected) fail(new Error(`no connection within ${connectTimeoutMs} ms`))
      })
      const callTimer =
        timeoutMs > 0
          ? clock.after(timeoutMs, () => {
              fail(new FileSystemError('timeout', `${url.host} did not answer within ${timeoutMs} ms`))
            })
          : undefined
      const onConnect = (): void => {
        connected = true
        connectTimer.cancel()
      }
      request.on('socket', (socket) => {
        if (request.reusedSocket) onConnect()
        else socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', onConnect)
      })
      request.on('error', fail)
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        let length = 0
        const sent = request.writableFinished
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > maxBytes) fail(new FlumeError('LIMIT', `${url.host} answered more than ${maxBytes} bytes`))
          else chunks.push(chunk)
        })
        response.on('error', fail)
        response.on('aborted', () => fail(new Error('the connection broke within the answer')))
        response.on('end', () => {
          const { statusCode: status = 0, headers } = response
          settle(() => resolve({ status, headers, body: Buffer.concat(chunks), sent }))
        })
      })
      request.cork()
      for (const part of parts) request.write(part)
      request.end()
      request.uncork()
    })
  }

  #broken(error: unknown, url: URL, connected: boolean): FlumeError {
    if (error instanceof FlumeError) return error
    const { message, code } = error as NodeJS.ErrnoException
    return new FileSystemError('unreachable', `${url.host}: ${message || code}`, {
      cause: error,
      untouched: !connected,
      hint: this.#options.hint,
    })
  }

  #failure(answer: Answer, what: string): FileSystemError {
    const { exception, message } = remoteException(answer)
    const text = message?.split('\n', 1)[0]
    const said = exception ? `${exception}: ${text ?? ''}` : `HTTP status ${answer.status}`
    const reason = reasonFor(answer.status, exception, text)
    // Both are found out before anything is done, wherever they come from.
    const untouched = reason === 'exists' || reason === 'missing'
    const { token } = this.#options
    if (token && reason === 'denied' && (answer.status === 401 || said.includes('InvalidToken'))) {
      return new FileSystemError('denied', `${what}: ${token.name} is not taken: ${said}`, {
        untouched,
        retry: true,
        hint: 'it has expired, or was cancelled: put a new one there',
      })
    }
    return new FileSystemError(reason, `${what}: ${said}`, { untouched, hint: hintFor(answer.status, reason) })
  }
}

const exceptions: Readonly<Record<string, FileSystemReason>> = {
  FileNotFoundException: 'missing',
  FileAlreadyExistsException: 'exists',
  AlreadyBeingCreatedException: 'leased',
  RecoveryInProgressException: 'leased',
  LeaseExpiredException: 'leased',
  StandbyException: 'unreachable',
  RetriableException: 'unreachable',
  SafeModeException: 'unreachable',
  AccessControlException: 'denied',
  SecurityException: 'denied',
  AuthorizationException: 'denied',
  AuthenticationException: 'denied',
  InvalidToken: 'denied',
}

function reasonFor(status: number, exception: string | undefined, text = ''): FileSystemReason {
  // A standby knows no new tokens, and wraps what it would say into a SecurityException.
  if (text.includes('StandbyException')) return 'unreachable'
  const known = exception && exceptions[exception]
  if (known) return known
  // Data nodes wrap what the name node threw; its class stands in the message.
  for (const [name, reason] of Object.entries(exceptions)) if (text.includes(name)) return reason
  if (exception) return 'other'
  if (status === 401 || status === 403) return 'denied'
  if (status === 404) return 'missing'
  return status === 429 || status === 502 || status === 503 || status === 504 ? 'unreachable' : 'other'
}

function hintFor(status: number, reason: FileSystemReason): string | undefined {
  if (status === 401) return 'this cluster does not take the Kerberos ticket, or asks for another proof of who you are'
  return reason === 'denied' ? 'give the user the right, or set HADOOP_USER_NAME or hdfs.proxyUser' : undefined
}

/** A name node that answers but cannot serve now; another one may. */
function isOutOfService(answer: Answer): boolean {
  if (answer.status < 400) return false
  const { exception, message } = remoteException(answer)
  return reasonFor(answer.status, exception, message) === 'unreachable'
}

/** What fails while we look for a proof of who we are has changed nothing. */
async function beforehand<T>(proof: Promise<T>): Promise<T> {
  try {
    return await proof
  } catch (error) {
    if (!(error instanceof FlumeError)) throw error
    const { retry, hint, cause } = error
    throw new FileSystemError('denied', error.message, { retry, hint, cause, untouched: true })
  }
}

/** The same error, with the word that nothing was changed: it came before any byte was sent. */
function untouched(error: unknown): unknown {
  if (!(error instanceof FileSystemError)) return error
  return new FileSystemError(error.reason, error.message, {
    retry: error.retry,
    cause: error.cause,
    untouched: true,
    hint: error.hint,
  })
}

/** The name without its host and realm, as Hadoop's usual rules have it. */
function shortName(principal: string): string {
  return principal.replace(/[/@].*$/s, '')
}

function remoteException(answer: Answer): { readonly exception?: string; readonly message?: string } {
  const { exception, message } = (parseObject(answer.body)?.RemoteException ?? {}) as Record<string, unknown>
  return {
    ...(typeof exception === 'string' ? { exception } : {}),
    ...(typeof message === 'string' ? { message } : {}),
  }
}

function parseObject(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function flagIn(answer: Answer): boolean {
  const { boolean } = parseObject(answer.body) ?? {}
  if (typeof boolean !== 'boolean') throw unreadable(answer)
  return boolean
}

function objectIn(answer: Answer, name: string): Record<string, unknown> {
  const value = parseObject(answer.body)?.[name]
  if (typeof value !== 'object' || value === null) throw unreadable(answer)
  return value as Record<string, unknown>
}

function unreadable(answer: Answer): FlumeError {
  return new FlumeError('PROTOCOL', `what answered with status ${answer.status} does not speak WebHDFS`, {
    retry: true,
    hint: 'is this the name node’s HTTP address?',
  })
}

function readStatus(entry: Record<string, unknown>, path: string): FileStatus {
  return {
    path,
    kind: entry.type === 'DIRECTORY' ? 'directory' : 'file',
    sizeBytes: Number(entry.length),
    modifiedMs: Number(entry.modificationTime),
  }
}
