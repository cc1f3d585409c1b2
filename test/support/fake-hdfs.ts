import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { crc32c } from '../../src/codec/hdfs/crc32c.ts'
import { delimited, ProtoWriter } from '../../src/codec/hdfs/protobuf.ts'
import { systemClock } from '../../src/core/clock.ts'

/** Where something may go wrong: a call to the name node, the set-up of a pipeline, a packet of data, a block's last one. */
export type FaultPlace = 'call' | 'set-up' | 'packet' | 'last'
/**
 * Cut: the connection ends, before or after the thing was done (a packet: by all nodes). Refuse: a node of the pipeline, by
 * its index, says no; those before it have done it.
 */
export type HdfsFault =
  | { readonly kind: 'cut before' }
  | { readonly kind: 'cut after' }
  | { readonly kind: 'refuse'; readonly node: number }
  /** Nothing comes back, now and later on this connection. */
  | { readonly kind: 'hang' }

interface Replica {
  stamp: bigint
  data: Buffer
  length: number
}

interface FakeBlock {
  readonly id: bigint
  stamp: bigint
  length: number
  nodes: FakeDataNode[]
  isComplete: boolean
}

interface FakeFile {
  readonly id: bigint
  readonly replication: number
  readonly blockSize: number
  blocks: FakeBlock[]
  openBy: string | undefined
}

interface FakeDataNode {
  readonly uuid: string
  port: number
  readonly replicas: Map<bigint, Replica>
  /** False: it takes connections and never answers. */
  isAnswering: boolean
}

type Fields = ReadonlyMap<number, readonly (bigint | Buffer)[]>

class Refusal extends Error {
  readonly exception: string

  constructor(exception: string, message: string) {
    super(message)
    this.exception = exception
  }
}

const refuse = {
  missing: (path: string) => new Refusal('java.io.FileNotFoundException', `File does not exist: ${path}`),
  exists: (path: string) => new Refusal('org.apache.hadoop.fs.FileAlreadyExistsException', `${path} already exists`),
  leased: (path: string, client: string, owner: string) =>
    new Refusal(
      'org.apache.hadoop.hdfs.protocol.AlreadyBeingCreatedException',
      `Failed to APPEND_FILE ${path} for ${client} on 127.0.0.1 because this file lease is currently owned by ${owner} on 127.0.0.1`,
    ),
  broken: (message: string) => new Refusal('java.io.IOException', message),
}

/**
 * A name node and data nodes in this process, strict about what the protocol demands: checksums, no gaps, resent bytes equal
 * to those stored, one lease per file, the right stamps. What it finds wrong ends in `complaints` too.
 */
export class FakeHdfs {
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #files = new Map<string, FakeFile>()
  readonly #folders = new Set<string>(['/'])
  readonly #nodes: FakeDataNode[] = []
  /** Answers that a retry gets again. */
  readonly #answers = new Map<string, Buffer>()
  #port = 0
  // Old clusters have negative ones.
  #nextBlock = -4_611_686_018_427_387_904n
  #nextStamp = 1001n
  #nextFile = 16_386n
  readonly complaints: string[] = []
  /** Calls so far, by method. */
  readonly calls = new Map<string, number>()
  chance: ((place: FaultPlace) => HdfsFault | undefined) | undefined
  /** The next so many calls of a method are answered by this exception. */
  readonly exceptions = new Map<string, { exception: string; message?: string; times: number }>()
  /** Packets without bytes that data nodes have got, which keep a pipeline from being hung up. */
  heartbeats = 0
  /** How often `complete` says "not yet". */
  notYet = 0
  encryptDataTransfer = false
  blockSize = 134_217_728

  static async start(dataNodes = 3): Promise<FakeHdfs> {
    const fake = new FakeHdfs()
    fake.#port = await fake.#listen((socket) => new RpcSide(socket, (...call) => fake.#answer(socket, ...call)))
    for (let i = 0; i < dataNodes; i++) {
      const node: FakeDataNode = { uuid: `node-${i}`, port: 0, replicas: new Map(), isAnswering: true }
      node.port = await fake.#listen((socket) => new DataSide(socket, node, fake))
      fake.#nodes.push(node)
    }
    return fake
  }

  get nameNode(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: this.#port }
  }

  get paths(): string[] {
    return [...this.#files.keys()].sort()
  }

  get dataNodes(): readonly FakeDataNode[] {
    return this.#nodes
  }

  isOpen(path: string): boolean {
    return this.#files.get(path)?.openBy !== undefined
  }

  /** What readers of a file see; undefined when there is none. Throws when its copies differ. */
  contentOf(path: string): string | undefined {
    const file = this.#files.get(path)
    if (!file) return undefined
    return file.blocks
      .map((block) => {
        const length = block.isComplete ? block.length : visible(block)
        const copies = block.nodes.map(({ replicas }) =>
          replicas.get(block.id)?.data.subarray(0, length).toString('latin1'),
        )
        if (new Set(copies).size > 1) throw new Error(`copies of a block of ${path} differ`)
        return copies[0] ?? ''
      })
      .join('')
  }

  fileOf(path: string): { readonly replication: number; readonly copies: readonly number[] } | undefined {
    const file = this.#files.get(path)
    return file && { replication: file.replication, copies: file.blocks.map(({ nodes }) => nodes.length) }
  }

  nodeAt(port: number): FakeDataNode | undefined {
    return this.#nodes.find((node) => node.port === port)
  }

  /** Makes another the writer of an open file. */
  giveTo(path: string, writer: string): void {
    this.#file(path).openBy = writer
  }

  /** Takes every file from its writer, as the name node does when a lease has run out. */
  expireLeases(): void {
    for (const file of this.#files.values()) if (file.openBy !== undefined) file.openBy = 'nobody'
  }

  /** Puts bytes behind the open block of a file, as if a packet had arrived whose writer died. */
  append(path: string, bytes: string | Uint8Array): void {
    this.#change(path, (data) => Buffer.concat([data, Buffer.from(bytes as Uint8Array)]))
  }

  /** Puts other bytes into the open block of a file. */
  setBytes(path: string, bytes: Uint8Array): void {
    this.#change(path, () => Buffer.from(bytes))
  }

  #change(path: string, change: (data: Buffer) => Buffer): void {
    const block = this.#files.get(path)?.blocks.at(-1)
    for (const { replicas } of block?.nodes ?? []) {
      const replica = replicas.get((block as FakeBlock).id) as Replica
      replica.data = change(replica.data.subarray(0, replica.length))
      replica.length = replica.data.length
    }
  }

  complain(message: string): void {
    this.complaints.push(message)
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }

  #listen(accept: (socket: Socket) => unknown): Promise<number> {
    const server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
      accept(socket)
    })
    this.#servers.push(server)
    return new Promise((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
    )
  }

  #answer(socket: Socket, method: string, fields: Fields, callId: number, clientId: string): void {
    const fault = this.chance?.('call')
    if (fault?.kind === 'cut before') {
      socket.destroy()
      return
    }
    const key = `${clientId} ${callId}`
    let answer = this.#answers.get(key)
    if (!answer) {
      this.calls.set(method, (this.calls.get(method) ?? 0) + 1)
      const { bytes, isDone } = this.#call(method, fields, callId)
      answer = bytes
      // Real name nodes keep only what was done, too.
      if (isDone) this.#answers.set(key, answer)
    }
    if (fault?.kind === 'cut after') socket.destroy()
    else socket.write(answer)
  }

  #call(method: string, fields: Fields, callId: number): { readonly bytes: Buffer; readonly isDone: boolean } {
    const header = new ProtoWriter().uint(1, callId)
    const special = this.exceptions.get(method)
    try {
      if (special && special.times-- > 0) throw new Refusal(special.exception, special.message ?? `no ${method} now`)
      const response = new ProtoWriter()
      this.#do(method, fields, response)
      return { bytes: framed(delimited(header.uint(2, 0).finish(), response.finish())), isDone: true }
    } catch (error) {
      const { exception = 'java.lang.RuntimeException', message } = error as Refusal
      if (!(error instanceof Refusal)) this.complain(`${method}: ${String(error)}`)
      const refusal = header.uint(2, 1).text(4, exception).text(5, `${message}\n\tat Fake.java`)
      return { bytes: framed(delimited(refusal.finish())), isDone: false }
    }
  }

  #do(method: string, f: Fields, out: ProtoWriter): void {
    const path = text(f, 1)
    switch (method) {
      case 'getServerDefaults':
        out.message(1, (m) =>
          m
            .uint(1, this.blockSize)
            .uint(2, 512)
            .uint(3, 65_536)
            .uint(4, 3)
            .uint(5, 4096)
            .bool(6, this.encryptDataTransfer)
            .uint(8, 2),
        )
        return
      case 'getFileInfo':
        if (this.#files.has(path) || this.#folders.has(path)) out.message(1, (m) => this.#status(m, path, ''))
        return
      case 'isFileClosed':
        out.bool(1, this.#file(path).openBy === undefined)
        return
      case 'mkdirs':
        this.#mkdirs(path)
        out.bool(1, true)
        return
      case 'create': {
        const isOverwrite = (number(f, 4) & 2) !== 0
        if (this.#folders.has(path)) throw refuse.exists(path)
        if (this.#files.has(path) && !isOverwrite) throw refuse.exists(path)
        if (f.has(8)) this.complain('create: crypto versions were offered')
        this.#mkdirs(parent(path))
        this.#files.set(path, {
          id: this.#nextFile++,
          replication: number(f, 6),
          blockSize: number(f, 7),
          blocks: [],
          openBy: text(f, 3),
        })
        out.message(1, (m) => this.#status(m, path, ''))
        return
      }
      case 'append': {
        const file = this.#file(path)
        if (file.openBy !== undefined && file.openBy !== 'nobody') throw refuse.leased(path, text(f, 2), file.openBy)
        if (file.openBy === 'nobody') this.#recover(file)
        file.openBy = text(f, 2)
        const last = file.blocks.at(-1)
        if (last && last.length < file.blockSize) {
          last.isComplete = false
          out.message(1, (m) => this.#located(m, file, last))
        }
        out.message(2, (m) => this.#status(m, path, ''))
        return
      }
      case 'addBlock': {
        const file = this.#owned(path, text(f, 2), number(f, 5))
        this.#commit(file, f.get(3)?.[0] as Buffer | undefined)
        const excluded = (f.get(4) ?? []).map((info) => uuidOf(info as Buffer))
        const usable = this.#nodes.filter(({ uuid }) => !excluded.includes(uuid))
        if (usable.length === 0) throw refuse.broken('File could only be written to 0 of the 1 minReplication nodes.')
        const first = Number(this.#nextStamp) % usable.length
        const nodes = [...usable.slice(first), ...usable.slice(0, first)].slice(0, file.replication)
        const block = { id: this.#nextBlock++, stamp: this.#nextStamp++, length: 0, nodes, isComplete: false }
        file.blocks.push(block)
        out.message(1, (m) => this.#located(m, file, block))
        return
      }
      case 'abandonBlock': {
        const file = this.#owned(text(f, 2), text(f, 3), number(f, 4))
        const { id } = blockOf(f.get(1)?.[0] as Buffer)
        if (file.blocks.at(-1)?.id === id) file.blocks.pop()
        return
      }
      case 'complete': {
        const file = this.#owned(path, text(f, 2), number(f, 4))
        this.#commit(file, f.get(3)?.[0] as Buffer | undefined)
        if (this.notYet > 0) {
          this.notYet--
          out.bool(1, false)
          return
        }
        file.openBy = undefined
        out.bool(1, true)
        return
      }
      case 'fsync':
        this.#owned(path, text(f, 2), number(f, 4))
        return
      case 'renewLease':
        return
      case 'recoverLease': {
        const file = this.#file(path)
        if (file.openBy !== undefined) this.#recover(file)
        out.bool(1, true)
        return
      }
      case 'rename2': {
        const to = text(f, 2)
        if (!this.#files.has(path) && !this.#folders.has(path)) throw refuse.missing(path)
        const isInTheWay = this.#files.has(to) && number(f, 3) === 0
        if (isInTheWay || this.#folders.has(to) || path === to) throw refuse.exists(to)
        if (!this.#folders.has(parent(to))) throw refuse.missing(parent(to))
        this.#files.delete(to)
        this.#move(path, to)
        return
      }
      case 'delete': {
        const below = [...this.#files.keys(), ...this.#folders].filter((name) => name.startsWith(`${path}/`))
        if (below.length > 0 && number(f, 2) === 0) {
          throw new Refusal('org.apache.hadoop.fs.PathIsNotEmptyDirectoryException', `${path} is non empty`)
        }
        const had = this.#files.delete(path) || this.#folders.delete(path)
        for (const name of below) this.#files.delete(name) || this.#folders.delete(name)
        out.bool(1, had)
        return
      }
      case 'truncate': {
        const file = this.#file(path)
        if (file.openBy !== undefined) throw refuse.leased(path, text(f, 3), file.openBy)
        this.#truncate(file, number(f, 2))
        out.bool(1, true)
        return
      }
      case 'getListing': {
        if (this.#files.has(path)) {
          out.message(1, (list) => list.message(1, (m) => this.#status(m, path, '')).uint(2, 0))
          return
        }
        if (!this.#folders.has(path)) return
        const after = text(f, 2)
        const names = [...this.#files.keys(), ...this.#folders]
          .filter((name) => name !== '/' && parent(name) === path)
          .map((name) => name.slice(name.lastIndexOf('/') + 1))
          .filter((name) => name > after)
          .sort()
        // Two at a time, so that listings go on.
        out.message(1, (list) => {
          for (const name of names.slice(0, 2))
            list.message(1, (m) => this.#status(m, path === '/' ? `/${name}` : `${path}/${name}`, name))
          list.uint(2, Math.max(0, names.length - 2))
        })
        return
      }
      case 'getBlockLocations': {
        const file = this.#file(path)
        out.message(1, (m) => {
          m.uint(1, lengthOf(file))
          for (const block of file.blocks) m.message(2, (each) => this.#located(each, file, block))
          m.bool(3, file.openBy !== undefined).bool(5, file.blocks.at(-1)?.isComplete ?? true)
        })
        return
      }
      case 'updateBlockForPipeline': {
        const { file, block } = this.#blockById(blockOf(f.get(1)?.[0] as Buffer).id, text(f, 2))
        out.message(1, (m) => this.#located(m, file, { ...block, stamp: this.#nextStamp++ }, -1n))
        return
      }
      case 'updatePipeline': {
        const before = blockOf(f.get(2)?.[0] as Buffer)
        const after = blockOf(f.get(3)?.[0] as Buffer)
        const { block } = this.#blockById(before.id, text(f, 1))
        if (before.stamp !== block.stamp) throw refuse.broken(`stale stamp ${before.stamp}, not ${block.stamp}`)
        block.stamp = after.stamp
        const uuids = (f.get(4) ?? []).map((id) => text(parse(id as Buffer), 3))
        block.nodes = uuids.map((uuid) => this.#nodes.find((node) => node.uuid === uuid) as FakeDataNode)
        return
      }
      case 'getAdditionalDatanode': {
        const { file, block } = this.#blockById(blockOf(f.get(2)?.[0] as Buffer).id, text(f, 6))
        const existing = (f.get(3) ?? []).map((info) => uuidOf(info as Buffer))
        const taken = [...existing, ...(f.get(4) ?? []).map((info) => uuidOf(info as Buffer))]
        const another = this.#nodes.find(({ uuid }) => !taken.includes(uuid))
        if (!another) throw refuse.broken('no further data node')
        const nodes = [
          ...existing.map((uuid) => this.#nodes.find((node) => node.uuid === uuid) as FakeDataNode),
          another,
        ]
        out.message(1, (m) => this.#located(m, file, { ...block, nodes }))
        return
      }
      case 'getReplicaVisibleLength': {
        const { id } = blockOf(f.get(1)?.[0] as Buffer)
        const block = [...this.#files.values()].flatMap(({ blocks }) => blocks).find((each) => each.id === id)
        if (!block) throw refuse.broken('no such replica')
        out.uint(1, visible(block))
        return
      }
      default:
        throw new Refusal('org.apache.hadoop.ipc.RpcNoSuchMethodException', method)
    }
  }

  #file(path: string): FakeFile {
    const file = this.#files.get(path)
    if (!file) throw refuse.missing(path)
    return file
  }

  #owned(path: string, client: string, id: number): FakeFile {
    const found = [...this.#files.values()].find((file) => Number(file.id) === id)
    if (found?.openBy === client) return found
    throw new Refusal('java.io.FileNotFoundException', `${path}: Holder ${client} does not have any open files.`)
  }

  #blockById(id: bigint, client: string): { file: FakeFile; block: FakeBlock } {
    for (const file of this.#files.values()) {
      const block = file.blocks.find((each) => each.id === id)
      if (block && file.openBy === client) return { file, block }
    }
    throw new Refusal('org.apache.hadoop.hdfs.server.namenode.LeaseExpiredException', 'not the lease owner')
  }

  /** The finished block that a call names: its stamp and its length must be those of every copy. */
  #commit(file: FakeFile, given: Buffer | undefined): void {
    const last = file.blocks.at(-1)
    if (!last) {
      if (given) throw refuse.broken('there is no block')
      return
    }
    if (!given) {
      if (!last.isComplete) throw refuse.broken('the last block was not named')
      return
    }
    const { id, stamp, length } = blockOf(given)
    if (id !== last.id || stamp !== last.stamp) {
      this.complain(`block ${id} with stamp ${stamp} instead of ${last.id} with ${last.stamp}`)
      throw refuse.broken('stale block')
    }
    for (const node of last.nodes) {
      const replica = node.replicas.get(id)
      if (replica?.length !== length || replica.stamp !== stamp) {
        this.complain(
          `${node.uuid} has ${replica?.length} bytes with stamp ${replica?.stamp}, not ${length} with ${stamp}`,
        )
      }
    }
    last.length = length
    last.isComplete = true
  }

  #recover(file: FakeFile): void {
    const last = file.blocks.at(-1)
    if (last && !last.isComplete) {
      last.length = visible(last)
      last.stamp = this.#nextStamp++
      last.isComplete = true
      for (const { replicas } of last.nodes) {
        const replica = replicas.get(last.id)
        if (!replica) continue
        replica.length = last.length
        replica.stamp = last.stamp
      }
      if (last.length === 0) file.blocks.pop()
    }
    file.openBy = undefined
  }

  #truncate(file: FakeFile, to: number): void {
    let left = to
    for (const block of file.blocks) {
      block.length = Math.min(block.length, left)
      left -= block.length
      for (const { replicas } of block.nodes) {
        const replica = replicas.get(block.id)
        if (replica) replica.length = block.length
      }
    }
    file.blocks = file.blocks.filter(({ length }) => length > 0)
  }

  #mkdirs(path: string): void {
    for (let each = path; each !== '/'; each = parent(each)) this.#folders.add(each)
  }

  #move(from: string, to: string): void {
    const renamed = (name: string): string =>
      name === from || name.startsWith(`${from}/`) ? to + name.slice(from.length) : name
    const files = [...this.#files]
    this.#files.clear()
    for (const [name, file] of files) this.#files.set(renamed(name), file)
    const folders = [...this.#folders]
    this.#folders.clear()
    for (const name of folders) this.#folders.add(renamed(name))
  }

  #status(out: ProtoWriter, path: string, name: string): void {
    const file = this.#files.get(path)
    out
      .uint(1, file ? 2 : 1)
      .text(2, name)
      .uint(3, file ? lengthOf(file) : 0)
      .message(4, (m) => m.uint(1, 0o644))
      .text(5, 'flume')
      .text(6, 'group')
      .uint(7, 1_700_000_000_000)
      .uint(8, 0)
    if (file) out.uint(10, file.replication).uint(11, file.blockSize).uint(13, file.id)
  }

  #located(out: ProtoWriter, file: FakeFile, block: FakeBlock, offset?: bigint): void {
    const at = file.blocks.findIndex(({ id }) => id === block.id)
    const before = file.blocks.slice(0, at).reduce((sum, { length }) => sum + length, 0)
    out
      .message(1, (m) => m.text(1, 'BP').uint(2, block.id).uint(3, block.stamp).uint(4, block.length))
      .uint(2, offset ?? before)
    for (const { uuid, port } of block.nodes) {
      out.message(3, (info) =>
        info.message(1, (id) =>
          id.text(1, '127.0.0.1').text(2, 'localhost').text(3, uuid).uint(4, port).uint(5, 0).uint(6, this.#port),
        ),
      )
    }
    out.bool(4, false).message(5, (token) => {
      token.bytes(1, Buffer.alloc(0)).bytes(2, Buffer.alloc(0)).text(3, '').text(4, '')
    })
    for (const _ of block.nodes) out.uint(7, 1)
    for (const { uuid } of block.nodes) out.text(8, `storage-of-${uuid}`)
  }
}

/** The server's side of an RPC connection. */
class RpcSide {
  #received: Buffer = Buffer.alloc(0)
  #isGreeted = false

  constructor(socket: Socket, answer: (method: string, fields: Fields, callId: number, clientId: string) => void) {
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      if (!this.#isGreeted) {
        if (this.#received.length < 7) return
        if (this.#received.subarray(0, 7).toString('latin1') !== 'hrpc\x09\0\0') socket.destroy()
        this.#received = this.#received.subarray(7)
        this.#isGreeted = true
      }
      while (this.#received.length >= 4 && this.#received.length >= 4 + this.#received.readInt32BE(0)) {
        const size = this.#received.readInt32BE(0)
        const [header, head, request] = pieces(this.#received.subarray(4, 4 + size))
        this.#received = this.#received.subarray(4 + size)
        const fields = parse(header as Buffer)
        const callId = unzigzag(fields.get(3)?.[0] as bigint)
        const clientId = (fields.get(4) as Buffer[])[0]?.toString('hex') ?? ''
        if (callId >= 0) answer(text(parse(head as Buffer), 1), parse(request ?? Buffer.alloc(0)), callId, clientId)
      }
    })
  }
}

interface Writing {
  readonly id: bigint
  readonly nodes: readonly FakeDataNode[]
  readonly blockSize: number
  /** The packet that is due. */
  next: number | undefined
}

/** The server's side of a connection to a data node. */
class DataSide {
  readonly #socket: Socket
  readonly #node: FakeDataNode
  readonly #fake: FakeHdfs
  #received: Buffer = Buffer.alloc(0)
  #write: Writing | undefined
  #isHung = false

  constructor(socket: Socket, node: FakeDataNode, fake: FakeHdfs) {
    this.#socket = socket
    this.#node = node
    this.#fake = fake
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      if (this.#isHung || !node.isAnswering) return
      while (this.#write ? this.#packet() : this.#request());
    })
  }

  #request(): boolean {
    if (this.#received.length < 5) return false
    const length = varint(this.#received, 3)
    if (!length || this.#received.length < length.end + Number(length.value)) return false
    const operation = this.#received[2]
    const end = length.end + Number(length.value)
    const fields = parse(this.#received.subarray(length.end, end))
    this.#received = this.#received.subarray(end)
    const header = parse(fields.get(1)?.[0] as Buffer)
    const block = blockOf(parse(header.get(1)?.[0] as Buffer).get(1)?.[0] as Buffer)
    if (operation === 80) return this.#open(block, fields)
    if (operation === 81) return this.#read(block, number(fields, 2), number(fields, 3))
    if (operation === 86) return this.#transfer(block, fields)
    this.#fake.complain(`operation ${operation}`)
    this.#socket.destroy()
    return false
  }

  #open({ id, stamp, length: blockSize }: Block, fields: Fields): boolean {
    const fault = this.#fake.chance?.('set-up')
    if (fault?.kind === 'hang') {
      this.#isHung = true
      return false
    }
    if (fault?.kind === 'cut before') return this.#cut()
    const targets = (fields.get(2) ?? []).map((info) =>
      this.#fake.dataNodes.find(({ uuid }) => uuid === uuidOf(info as Buffer)),
    )
    const nodes = [this.#node, ...(targets as FakeDataNode[])]
    const hung = nodes.findIndex(({ isAnswering }) => !isAnswering)
    if (hung >= 0) {
      this.#isHung = true
      return false
    }
    const bad = fault?.kind === 'refuse' ? fault.node % nodes.length : -1
    const stage = number(fields, 4)
    const [min, max] = [number(fields, 6), number(fields, 7)]
    const latest = BigInt.asIntN(64, (fields.get(8)?.[0] as bigint) ?? 0n)
    for (const node of bad >= 0 ? nodes.slice(0, bad) : nodes) {
      const replica = node.replicas.get(id)
      if (stage === 6) {
        if (replica) this.#fake.complain('a block was begun twice')
        node.replicas.set(id, { stamp, data: Buffer.alloc(0), length: 0 })
        continue
      }
      if (!replica) {
        this.#fake.complain(`${node.uuid} has no such block to go on with`)
        return this.#cut()
      }
      if (replica.length < min || replica.length > Math.max(max, replica.length))
        this.#fake.complain('acked bytes are missing')
      if (latest <= stamp) this.#fake.complain(`stamp ${latest} is not newer than ${stamp}`)
      if (stage === 5 && replica.length !== max) this.#fake.complain(`closing ${replica.length} of ${max} bytes`)
      if (stage < 2 && (replica.length !== min || min !== max)) this.#fake.complain('append behind another length')
      replica.stamp = latest
    }
    if (fault?.kind === 'cut after') return this.#cut()
    const badLink = bad > 0 ? `127.0.0.1:${nodes[bad]?.port}` : ''
    this.#socket.write(
      delimited(
        new ProtoWriter()
          .uint(1, bad >= 0 ? 1 : 0)
          .text(2, badLink)
          .finish(),
      ),
    )
    if (bad >= 0 || stage === 5) return this.#cut()
    this.#write = { id, nodes, blockSize, next: undefined }
    return true
  }

  #packet(): boolean {
    const write = this.#write as Writing
    if (this.#received.length < 6) return false
    const payload = this.#received.readInt32BE(0)
    const headerLength = this.#received.readInt16BE(4)
    const total = 2 + headerLength + payload
    if (this.#received.length < total) return false
    const bytes = this.#received.subarray(0, total)
    this.#received = this.#received.subarray(total)
    const offset = Number(bytes.readBigInt64LE(7))
    const sequence = Number(bytes.readBigInt64LE(16))
    const isLast = bytes[25] === 1
    const length = bytes.readInt32LE(27)
    const checksumsAt = 6 + headerLength
    const data = bytes.subarray(total - length)
    if (sequence === -1) {
      this.#fake.heartbeats++
      this.#ack(
        sequence,
        write.nodes.map(() => 0),
      )
      return true
    }
    if (write.next !== undefined && sequence !== write.next)
      this.#fake.complain(`packet ${sequence}, not ${write.next}`)
    write.next = sequence + 1
    for (let at = 0, i = checksumsAt; at < length; at += 512, i += 4) {
      if (bytes.readInt32BE(i) !== crc32c(data, at, Math.min(length, at + 512))) this.#fake.complain('a wrong checksum')
    }
    if (total !== checksumsAt + 4 * Math.ceil(length / 512) + length) this.#fake.complain('a packet of another size')
    if (offset % 512 !== 0 && length > 512 - (offset % 512))
      this.#fake.complain('a packet leaves the chunk it begins in')
    if (offset + length > write.blockSize) this.#fake.complain('a block beyond its size')

    const fault = this.#fake.chance?.(isLast ? 'last' : 'packet')
    if (fault?.kind === 'hang' || write.nodes.some(({ isAnswering }) => !isAnswering)) {
      this.#isHung = true
      return false
    }
    if (fault?.kind === 'cut before') return this.#cut()
    const bad = fault?.kind === 'refuse' ? fault.node % write.nodes.length : -1
    for (const node of bad >= 0 ? write.nodes.slice(0, bad) : write.nodes)
      this.#store(node, write.id, offset, data, isLast)
    if (fault?.kind === 'cut after') return this.#cut()
    this.#ack(
      sequence,
      write.nodes.map((_, index) => (bad >= 0 && index === bad ? 1 : 0)),
    )
    return bad >= 0 || isLast ? this.#cut() : true
  }

  #store({ uuid, replicas }: FakeDataNode, id: bigint, offset: number, data: Buffer, isLast: boolean): void {
    const replica = replicas.get(id)
    if (!replica) return this.#fake.complain(`${uuid} has no such block`)
    if (offset > replica.length) return this.#fake.complain(`a gap from ${replica.length} to ${offset}`)
    if (isLast && offset !== replica.length) this.#fake.complain(`the last packet at ${offset} of ${replica.length}`)
    const known = Math.min(data.length, replica.length - offset)
    if (data.compare(replica.data, offset, offset + known, 0, known) !== 0)
      this.#fake.complain('other bytes were sent again')
    const end = offset + data.length
    if (end <= replica.length) return
    if (end > replica.data.length) {
      const bigger = Buffer.alloc(Math.max(end, 2 * replica.data.length))
      replica.data.copy(bigger, 0, 0, replica.length)
      replica.data = bigger
    }
    data.copy(replica.data, offset)
    replica.length = end
  }

  #read({ id }: Block, offset: number, length: number): boolean {
    const replica = this.#node.replicas.get(id)
    const from = offset - (offset % 512)
    const to = Math.min(replica?.length ?? 0, offset + length)
    const info = new ProtoWriter()
      .message(1, (m) => m.uint(1, 2).uint(2, 512))
      .uint(2, from)
      .finish()
    this.#socket.write(
      delimited(
        new ProtoWriter()
          .uint(1, replica ? 0 : 1)
          .text(2, '')
          .bytes(4, info)
          .finish(),
      ),
    )
    if (!replica || length === 0) return this.#cut()
    let number = 0
    for (let at = from; at <= to; at += 4096) {
      const data = replica.data.subarray(at, Math.min(to, at + 4096))
      this.#socket.write(readPacketBytes(at, number++, data, false))
    }
    this.#socket.write(readPacketBytes(to, number, Buffer.alloc(0), true))
    return true
  }

  #transfer({ id, length }: Block, fields: Fields): boolean {
    const uuid = uuidOf(fields.get(2)?.[0] as Buffer)
    const replica = this.#node.replicas.get(id)
    const target = this.#fake.dataNodes.find((node) => node.uuid === uuid)
    if (!replica || !target || replica.length < length) this.#fake.complain('a transfer of what is not there')
    else target.replicas.set(id, { ...replica, data: Buffer.from(replica.data) })
    this.#socket.write(delimited(new ProtoWriter().uint(1, 0).finish()))
    return true
  }

  #ack(sequence: number, statuses: readonly number[]): void {
    const writer = new ProtoWriter().sint(1, sequence)
    for (const status of statuses) writer.uint(2, status)
    this.#socket.write(delimited(writer.finish()))
  }

  #cut(): false {
    this.#socket.end()
    systemClock.after(20, () => this.#socket.destroy())
    this.#isHung = true
    return false
  }
}

interface Block {
  readonly id: bigint
  readonly stamp: bigint
  readonly length: number
}

function readPacketBytes(offset: number, number: number, data: Buffer, isLast: boolean): Buffer {
  const chunks = Math.ceil(data.length / 512)
  const bytes = Buffer.alloc(31 + 4 * chunks + data.length)
  bytes.writeInt32BE(4 + 4 * chunks + data.length, 0)
  bytes.writeInt16BE(25, 4)
  bytes[6] = 9
  bytes.writeBigInt64LE(BigInt(offset), 7)
  bytes[15] = 17
  bytes.writeBigInt64LE(BigInt(number), 16)
  bytes[24] = 24
  bytes[25] = isLast ? 1 : 0
  bytes[26] = 37
  bytes.writeInt32LE(data.length, 27)
  for (let i = 0; i < chunks; i++) {
    bytes.writeInt32BE(crc32c(data, 512 * i, Math.min(data.length, 512 * (i + 1))), 31 + 4 * i)
  }
  data.copy(bytes, 31 + 4 * chunks)
  return bytes
}

function visible(block: FakeBlock): number {
  return Math.min(...block.nodes.map(({ replicas }) => replicas.get(block.id)?.length ?? 0))
}

function lengthOf(file: FakeFile): number {
  return file.blocks.reduce((sum, { length }) => sum + length, 0)
}

function parent(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

function framed(payload: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeInt32BE(payload.length)
  return Buffer.concat([head, payload])
}

/** Messages behind their lengths. */
function pieces(bytes: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const { value, end } = varint(bytes, at) as { value: bigint; end: number }
    found.push(bytes.subarray(end, end + Number(value)))
    at = end + Number(value)
  }
  return found
}

/** Every field of a message: varints as bigint, the rest as bytes. */
function parse(bytes: Buffer): Fields {
  const fields = new Map<number, (bigint | Buffer)[]>()
  for (let at = 0; at < bytes.length; ) {
    const tag = varint(bytes, at) as { value: bigint; end: number }
    const value = varint(bytes, tag.end) as { value: bigint; end: number }
    const isBytes = (tag.value & 7n) === 2n
    at = isBytes ? value.end + Number(value.value) : value.end
    const field = Number(tag.value >> 3n)
    fields.set(field, [...(fields.get(field) ?? []), isBytes ? bytes.subarray(value.end, at) : value.value])
  }
  return fields
}

function varint(bytes: Buffer, from: number): { readonly value: bigint; readonly end: number } | undefined {
  let value = 0n
  for (let at = from, shift = 0n; at < bytes.length; at++, shift += 7n) {
    value |= BigInt((bytes[at] as number) & 127) << shift
    if ((bytes[at] as number) < 128) return { value, end: at + 1 }
  }
  return undefined
}

function unzigzag(value: bigint): number {
  return Number(value % 2n === 0n ? value / 2n : -(value + 1n) / 2n)
}

function text(fields: Fields, field: number): string {
  return (fields.get(field)?.[0] as Buffer | undefined)?.toString() ?? ''
}

function number(fields: Fields, field: number): number {
  return Number(fields.get(field)?.[0] ?? 0n)
}

function blockOf(bytes: Buffer): Block {
  const fields = parse(bytes)
  return {
    id: BigInt.asIntN(64, fields.get(2)?.[0] as bigint),
    stamp: BigInt.asIntN(64, fields.get(3)?.[0] as bigint),
    length: number(fields, 4),
  }
}

function uuidOf(info: Buffer): string {
  return text(parse(parse(info).get(1)?.[0] as Buffer), 3)
}
