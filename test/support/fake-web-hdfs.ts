import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'

/** What goes wrong with the next call of an operation. */
export type Fault =
  /** Answered at once, changing nothing. */
  | { readonly kind: 'status'; readonly status: number; readonly exception?: string; readonly message?: string }
  /** `{"boolean":false}`. */
  | { readonly kind: 'false' }
  /** The data node takes so many bytes into the file, then the connection breaks. */
  | { readonly kind: 'torn'; readonly bytes: number }
  /** As `torn`, and the dead writer's lease stays: the name node neither counts the bytes nor lets go until `recover`. */
  | { readonly kind: 'crash'; readonly bytes: number }
  /** Done, but the connection breaks before the answer. */
  | { readonly kind: 'lost' }
  /** Never answered. */
  | { readonly kind: 'hang' }

/** PEM texts. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

type Where = 'name' | 'data'

interface Entry {
  bytes: Buffer
  directory: boolean
  /** Bytes that a dead writer left, counted when its lease is recovered. */
  hidden: Buffer | undefined
}

interface Planned {
  readonly op: string
  readonly where: Where
  readonly fault: Fault
}

/** A WebHDFS of one name node and one data node in memory, which fails on demand in the ways HDFS was seen to fail. */
export class FakeWebHdfs {
  readonly #name: Server
  readonly #data: Server
  readonly #files = new Map<string, Entry>([['/', { bytes: Buffer.alloc(0), directory: true, hidden: undefined }]])
  readonly #sockets = new Set<Socket>()
  readonly #hanging: (() => void)[] = []
  readonly #planned: Planned[] = []
  #isUp = true
  /** Every request as `METHOD OP path where`. */
  readonly calls: string[] = []
  /** Query strings of the calls. */
  readonly queries: string[] = []
  /** Content types of requests that carried bytes. */
  readonly contentTypes: (string | undefined)[] = []
  /** True: data is taken where it is asked for, without a redirect (HttpFS behind a gateway). */
  withoutRedirect = false
  /** Answers `{"Location": …}` with status 200 instead of a redirect. */
  locationInBody = false
  /** The data node sends `100 Continue` without being asked, as the real one does. */
  continues = true
  /** Asked before a planned fault; lets a test fail calls by chance. */
  chance: ((op: string, where: Where) => Fault | undefined) | undefined
  /** Asked before all else; true when it has answered by itself. */
  guard: ((request: IncomingMessage, response: ServerResponse, url: URL, where: Where) => boolean) | undefined
  /** What RENEWDELEGATIONTOKEN answers. */
  renewedUntilMs = 0
  /** Called when a call hangs. */
  onHang: () => void = () => undefined

  readonly #protocol: 'http' | 'https'

  private constructor(tls: Certificate | undefined) {
    const serve = (where: Where): Server => {
      const listener = (request: IncomingMessage, response: ServerResponse) =>
        void this.#serve(where, request, response)
      return tls ? createTlsServer(tls, listener) : createServer(listener)
    }
    this.#protocol = tls ? 'https' : 'http'
    this.#name = serve('name')
    this.#data = serve('data')
  }

  static async start(tls?: Certificate): Promise<FakeWebHdfs> {
    const fake = new FakeWebHdfs(tls)
    for (const server of [fake.#name, fake.#data]) {
      server.on('connection', (socket) => {
        fake.#sockets.add(socket)
        socket.on('close', () => fake.#sockets.delete(socket))
        if (!fake.#isUp) socket.destroy()
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    }
    return fake
  }

  /** `http://127.0.0.1:PORT` of the name node. */
  get url(): string {
    return `${this.#protocol}://127.0.0.1:${(this.#name.address() as AddressInfo).port}`
  }

  /** Paths of the files, sorted. */
  get paths(): string[] {
    return [...this.#files].flatMap(([path, { directory }]) => (directory ? [] : [path])).sort()
  }

  /** What a reader would see. */
  contentOf(path: string): string | undefined {
    return this.#files.get(path)?.bytes.toString()
  }

  bytesOf(path: string): Buffer | undefined {
    return this.#files.get(path)?.bytes
  }

  put(path: string, content: string | Buffer): void {
    this.#makeParents(path)
    this.#files.set(path, { bytes: Buffer.from(content as string), directory: false, hidden: undefined })
  }

  /** As if someone else had deleted it. */
  remove(path: string): void {
    this.#files.delete(path)
  }

  /** The next call of `op` at the name or data node fails so. */
  fail(op: string, where: Where, fault: Fault): void {
    this.#planned.push({ op, where, fault })
  }

  /** The lease of a crashed writer runs out: what it left becomes part of the file. */
  recover(path: string): void {
    const entry = this.#files.get(path)
    if (!entry?.hidden) return
    entry.bytes = Buffer.concat([entry.bytes, entry.hidden])
    entry.hidden = undefined
  }

  recoverAll(): void {
    for (const path of this.#files.keys()) this.recover(path)
  }

  /** Breaks every connection, those to come included. */
  down(): void {
    this.#isUp = false
    for (const socket of this.#sockets) socket.destroy()
  }

  up(): void {
    this.#isUp = true
  }

  async stop(): Promise<void> {
    for (const wake of this.#hanging.splice(0)) wake()
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all([this.#name, this.#data].map((server) => new Promise((resolve) => server.close(resolve))))
  }

  async #serve(where: Where, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    const op = url.searchParams.get('op') ?? ''
    const path = decodeURIComponent(url.pathname.replace(/^\/webhdfs\/v1/, '')) || '/'
    request.on('error', () => undefined)
    this.calls.push(`${request.method} ${op} ${path} ${where}`)
    this.queries.push(url.search)
    if (this.guard?.(request, response, url, where)) return void request.resume()
    const fault = this.#faultFor(op, where)
    if (fault?.kind === 'status') {
      request.resume()
      return refuse(response, fault.status, fault.exception, fault.message)
    }
    if (fault?.kind === 'false') return answer(response, 200, { boolean: false })
    if (fault?.kind === 'hang') {
      this.onHang()
      return new Promise((resolve) => this.#hanging.push(resolve))
    }
    const takesData = op === 'CREATE' || op === 'APPEND'
    const target = `${this.#protocol}://127.0.0.1:${(this.#data.address() as AddressInfo).port}${request.url}`
    const isRedirected = where === 'name' && (takesData || op === 'OPEN') && !this.withoutRedirect
    const problem = isRedirected && takesData ? this.#refusal(op, path, url) : undefined
    if (problem) return refuse(response, 403, problem)
    if (isRedirected) {
      if (this.locationInBody) return answer(response, 200, { Location: target })
      response.writeHead(307, { Location: target, 'Content-Length': 0 })
      return void response.end()
    }
    if (where === 'data' && this.continues && takesData) response.writeContinue()
    const body = await readAll(request, fault?.kind === 'torn' || fault?.kind === 'crash' ? fault.bytes : undefined)
    if (takesData) this.contentTypes.push(request.headers['content-type'])
    const done = this.#act(op, path, url, body, fault)
    if (fault) return void request.socket.destroy()
    if (done.exception) return refuse(response, done.status, done.exception)
    if (where === 'data') response.setHeader('Connection', 'close')
    if (Buffer.isBuffer(done.body)) {
      response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': done.body.length })
      return void response.end(done.body)
    }
    answer(response, done.status, done.body)
  }

  #faultFor(op: string, where: Where): Fault | undefined {
    const at = this.#planned.findIndex((planned) => planned.op === op && planned.where === where)
    if (at >= 0) return this.#planned.splice(at, 1)[0]?.fault
    return this.chance?.(op, where)
  }

  #refusal(op: string, path: string, url: URL): string | undefined {
    const entry = this.#files.get(path)
    if (op === 'APPEND')
      return entry ? (entry.hidden ? 'AlreadyBeingCreatedException' : undefined) : 'FileNotFoundException'
    return entry && url.searchParams.get('overwrite') !== 'true' ? 'FileAlreadyExistsException' : undefined
  }

  #act(
    op: string,
    path: string,
    url: URL,
    body: Buffer,
    fault: Fault | undefined,
  ): { status: number; body?: object | Buffer; exception?: string } {
    const entry = this.#files.get(path)
    const parameter = (name: string): string => url.searchParams.get(name) ?? ''
    if (op === 'CREATE' || op === 'APPEND') {
      const exception = this.#refusal(op, path, url)
      if (exception) return { status: 403, exception }
      this.#makeParents(path)
      const before = op === 'APPEND' ? (entry as Entry).bytes : Buffer.alloc(0)
      const isCrash = fault?.kind === 'crash'
      this.#files.set(path, {
        bytes: isCrash ? before : Buffer.concat([before, body]),
        hidden: isCrash ? body : undefined,
        directory: false,
      })
      return { status: op === 'CREATE' ? 201 : 200 }
    }
    if (op === 'RENEWDELEGATIONTOKEN') return { status: 200, body: { long: this.renewedUntilMs } }
    if (op === 'MKDIRS') {
      this.#makeParents(`${path}/x`)
      return { status: 200, body: { boolean: true } }
    }
    if (op === 'RENAME') {
      const to = parameter('destination')
      const parent = this.#files.get(to.slice(0, Math.max(1, to.lastIndexOf('/'))))
      if (!entry || this.#files.has(to) || !parent?.directory) return { status: 200, body: { boolean: false } }
      for (const [name, moved] of [...this.#files]) {
        if (name !== path && !name.startsWith(`${path}/`)) continue
        this.#files.delete(name)
        this.#files.set(to + name.slice(path.length), moved)
      }
      return { status: 200, body: { boolean: true } }
    }
    if (op === 'DELETE') {
      const below = [...this.#files.keys()].filter((name) => name.startsWith(`${path}/`))
      if (below.length > 0 && parameter('recursive') !== 'true') {
        return { status: 403, exception: 'PathIsNotEmptyDirectoryException' }
      }
      for (const name of [path, ...below]) this.#files.delete(name)
      return { status: 200, body: { boolean: entry !== undefined } }
    }
    if (!entry) return { status: 404, exception: 'FileNotFoundException' }
    if (op === 'TRUNCATE') {
      if (entry.hidden) return { status: 403, exception: 'AlreadyBeingCreatedException' }
      const length = Number(parameter('newlength'))
      if (length > entry.bytes.length) return { status: 400, exception: 'HadoopIllegalArgumentException' }
      entry.bytes = entry.bytes.subarray(0, length)
      return { status: 200, body: { boolean: true } }
    }
    if (op === 'GETFILESTATUS') return { status: 200, body: { FileStatus: statusOf(entry, '') } }
    if (op === 'LISTSTATUS') {
      const names = [...this.#files].filter(([name]) => name !== '/' && parentOf(name) === path)
      const list = entry.directory
        ? names.map(([name, each]) => statusOf(each, name.slice(name.lastIndexOf('/') + 1)))
        : [statusOf(entry, '')]
      return { status: 200, body: { FileStatuses: { FileStatus: list } } }
    }
    if (op === 'OPEN') {
      const offset = Number(parameter('offset'))
      return { status: 200, body: entry.bytes.subarray(offset, offset + Number(parameter('length'))) }
    }
    return { status: 400, exception: 'UnsupportedOperationException' }
  }

  #makeParents(path: string): void {
    for (let parent = parentOf(path); !this.#files.has(parent); parent = parentOf(parent)) {
      this.#files.set(parent, { bytes: Buffer.alloc(0), directory: true, hidden: undefined })
    }
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

function statusOf({ bytes, directory }: Entry, pathSuffix: string): object {
  return {
    pathSuffix,
    type: directory ? 'DIRECTORY' : 'FILE',
    length: bytes.length,
    modificationTime: 1_700_000_000_000,
  }
}

async function readAll(request: IncomingMessage, max = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  if (max > 0) {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      chunks.push(chunk)
      length += chunk.length
      if (length >= max) break
    }
  }
  return Buffer.concat(chunks).subarray(0, Math.min(length, max))
}

/** Refuses a call as Hadoop does. */
export function refuse(
  response: ServerResponse,
  status: number,
  exception?: string,
  message = 'as the test wants it',
): void {
  if (!exception) {
    response.writeHead(status, { 'Content-Type': 'text/html' })
    return void response.end('<html>busy</html>')
  }
  answer(response, status, { RemoteException: { exception, javaClassName: `org.apache.hadoop.${exception}`, message } })
}

function answer(response: ServerResponse, status: number, body: object | undefined): void {
  if (body === undefined) {
    response.writeHead(status, { 'Content-Length': 0 })
    return void response.end()
  }
  const text = JSON.stringify(body)
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
  response.end(text)
}
