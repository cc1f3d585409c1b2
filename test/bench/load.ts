// The load: one connection, events made before the clock starts. Run as a process of its own, so that its time is not the
// agent's: `node dist/test/bench/load.js JSON` prints what happened as one line of JSON.
import { createConnection, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'

export interface Load {
  readonly kind: 'netcat' | 'netcat-acks' | 'avro' | 'thrift' | 'syslog' | 'http'
  readonly port: number
  readonly events: number
  readonly bodyBytes: number
  /** Events of one Avro or Thrift call or HTTP request. */
  readonly batchSize: number
  /** Connections that share the events; one when left out. */
  readonly connections?: number
}

export interface LoadResult {
  readonly seconds: number
  /** Events that the agent has acknowledged, or taken until it closed the connection where there are no acks. */
  readonly events: number
  /** Processor time of the load itself, in microseconds. */
  readonly cpuMicros: number
}

/** Sends everything and resolves once the agent has taken it; rejects when it refuses any of it. */
export async function send(load: Load): Promise<LoadResult> {
  const { connections = 1 } = load
  const sockets = await Promise.all(Array.from({ length: connections }, () => connect(load.port)))
  const share = { ...load, events: Math.ceil(load.events / connections) }
  const startedMs = performance.now()
  const startedCpu = process.cpuUsage()
  const sent = await Promise.all(sockets.map((socket) => senders[load.kind](socket, share)))
  const events = sent.reduce((sum, count) => sum + count, 0)
  const { user, system } = process.cpuUsage(startedCpu)
  return { seconds: (performance.now() - startedMs) / 1000, events, cpuMicros: user + system }
}

async function connect(port: number): Promise<Socket> {
  const socket = createConnection({ port, host: '127.0.0.1', noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return socket
}

const ack = 'OK\n'
const syslogHead = '<34>1 2026-05-17T10:20:30Z web1 '

/** Lines as fast as the socket takes them. The agent closes its end once it has read to the last one. */
function sendLines(socket: Socket, { kind, events, bodyBytes }: Load): Promise<number> {
  const head = kind === 'syslog' ? syslogHead : ''
  const lineBytes = head.length + bodyBytes + 1
  const linesPerWrite = Math.max(1, Math.floor(65_536 / lineBytes))
  const lines = Buffer.alloc(linesPerWrite * lineBytes, `${head}${'x'.repeat(bodyBytes)}\n`)
  return new Promise((resolve, reject) => {
    let left = events
    let answerBytes = 0
    const write = (): void => {
      while (left > 0) {
        const now = Math.min(left, linesPerWrite)
        left -= now
        if (!socket.write(now === linesPerWrite ? lines : lines.subarray(0, now * lineBytes))) {
          socket.once('drain', write)
          return
        }
      }
      socket.end()
    }
    socket.on('data', (answers) => {
      answerBytes += answers.length
      if (answers.includes('FAILED')) socket.destroy(new Error(`refused: ${answers.toString().slice(0, 200)}`))
    })
    socket.on('error', reject)
    socket.on('close', () => {
      const acknowledged = kind === 'netcat-acks' ? answerBytes / ack.length : events
      if (left > 0 || acknowledged !== events) reject(new Error(`${acknowledged} of ${events} lines were taken`))
      else resolve(events)
    })
    write()
  })
}

/** Requests one after the other on one connection, each a list of events. */
function sendRequests(socket: Socket, { events, bodyBytes, batchSize }: Load): Promise<number> {
  const requestOf = (count: number): Buffer => {
    const event = JSON.stringify({ headers: { host: 'web1' }, body: 'x'.repeat(bodyBytes) })
    const body = `[${new Array(count).fill(event).join(',')}]`
    const head = `POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${body.length}`
    return Buffer.from(`${head}\r\n\r\n${body}`)
  }
  const full = requestOf(batchSize)
  return new Promise((resolve, reject) => {
    let acknowledged = 0
    let inFlight = 0
    const call = (): void => {
      inFlight = Math.min(batchSize, events - acknowledged)
      socket.write(inFlight === batchSize ? full : requestOf(inFlight))
    }
    let answer = ''
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1')
      if (!answer.startsWith('HTTP/1.1 200')) {
        socket.destroy(new Error(`refused: ${answer.slice(0, 200)}`))
        return
      }
      // Nothing follows: said by its length, or by a last chunk.
      if (!/\r\n\r\n$/.test(answer) || (/chunked/i.test(answer) && !answer.endsWith('\r\n0\r\n\r\n'))) return
      answer = ''
      acknowledged += inFlight
      if (acknowledged < events) call()
      else socket.end()
    })
    socket.on('error', reject)
    socket.on('close', () => {
      if (acknowledged < events) reject(new Error(`${acknowledged} of ${events} events were taken`))
      else resolve(events)
    })
    call()
  })
}

const senders: Readonly<Record<Load['kind'], (socket: Socket, load: Load) => Promise<number>>> = {
  netcat: sendLines,
  'netcat-acks': sendLines,
  syslog: sendLines,
  avro: sendAvro,
  thrift: sendThrift,
  http: sendRequests,
}

/** The hash of Flume's protocol, which every Flume agent knows: one round trip, no protocol text (flume-protocols 1.3). */
const protocolHash = '86aadae2c45474c0fe93ffd0f2350a65'
const appendBatch = Buffer.concat([Buffer.from([0x00, 0x16]), Buffer.from('appendBatch')])

/** Calls of appendBatch, one after the other, as Flume's own clients do. */
function sendAvro(socket: Socket, { events, bodyBytes, batchSize }: Load): Promise<number> {
  const handshake = Buffer.from(`${protocolHash}00${protocolHash}0200`, 'hex')
  const arrayOf = (count: number): Buffer => {
    const event = Buffer.concat([Buffer.from([0x00]), long(bodyBytes), Buffer.alloc(bodyBytes, 'x')])
    return Buffer.concat([long(count), ...Array.from({ length: count }, () => event), Buffer.from([0x00])])
  }
  const full = arrayOf(batchSize)
  const first = frame(Buffer.concat([handshake, appendBatch]), full)
  const later = frame(appendBatch, full)
  return new Promise((resolve, reject) => {
    let acknowledged = 0
    let inFlight = 0
    let serial = 0
    let answer: Buffer = Buffer.alloc(0)
    const call = (): void => {
      inFlight = Math.min(batchSize, events - acknowledged)
      const request = serial === 0 ? first : inFlight === batchSize ? later : frame(appendBatch, arrayOf(inFlight))
      request.writeInt32BE(++serial, 0)
      socket.write(request)
    }
    socket.on('data', (bytes) => {
      answer = answer.length === 0 ? bytes : Buffer.concat([answer, bytes])
      const payload = payloadOf(answer)
      if (!payload) return
      answer = Buffer.alloc(0)
      // …, no error, status OK.
      if (payload.at(-1) !== 0 || payload.at(-2) !== 0) {
        socket.destroy(new Error(`refused: ${payload.toString('hex')}`))
        return
      }
      acknowledged += inFlight
      if (acknowledged < events) call()
      else socket.end()
    })
    socket.on('error', reject)
    socket.on('close', () => {
      if (acknowledged < events) reject(new Error(`${acknowledged} of ${events} events were taken`))
      else resolve(events)
    })
    call()
  })
}

/** Calls of appendBatch in the compact protocol, framed, one after the other. */
function sendThrift(socket: Socket, { events, bodyBytes, batchSize }: Load): Promise<number> {
  const callOf = (count: number): Buffer => {
    // Field 1, an empty map; field 2, the body; stop.
    const event = Buffer.concat([
      Buffer.from([0x1b, 0, 0x18]),
      varint(bodyBytes),
      Buffer.alloc(bodyBytes, 'x'),
      Buffer.of(0),
    ])
    const head = Buffer.concat([Buffer.from([0x82, 0x21, 0x01, 11]), Buffer.from('appendBatch')])
    const list = Buffer.concat([Buffer.from([0x19, 0xfc]), varint(count)])
    const message = Buffer.concat([head, list, ...Array.from({ length: count }, () => event), Buffer.of(0)])
    return Buffer.concat([int(message.length), message])
  }
  const full = callOf(batchSize)
  return new Promise((resolve, reject) => {
    let acknowledged = 0
    let inFlight = 0
    let answer: Buffer = Buffer.alloc(0)
    const call = (): void => {
      inFlight = Math.min(batchSize, events - acknowledged)
      socket.write(inFlight === batchSize ? full : callOf(inFlight))
    }
    socket.on('data', (bytes) => {
      answer = answer.length === 0 ? bytes : Buffer.concat([answer, bytes])
      if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return
      const text = answer.toString('hex')
      answer = Buffer.alloc(0)
      // A reply whose field 0 is the status OK.
      if (!text.endsWith('05000000')) {
        socket.destroy(new Error(`refused: ${text}`))
        return
      }
      acknowledged += inFlight
      if (acknowledged < events) call()
      else socket.end()
    })
    socket.on('error', reject)
    socket.on('close', () => {
      if (acknowledged < events) reject(new Error(`${acknowledged} of ${events} events were taken`))
      else resolve(events)
    })
    call()
  })
}

/** Serial (to be filled in), number of buffers, buffers with their lengths. */
function frame(...buffers: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [int(0), int(buffers.length)]
  for (const buffer of buffers) parts.push(int(buffer.length), buffer)
  return Buffer.concat(parts)
}

/** What a whole frame carries; undefined while it is not all there. */
function payloadOf(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 8) return undefined
  const parts: Buffer[] = []
  let at = 8
  for (let left = bytes.readInt32BE(4); left > 0; left--) {
    if (bytes.length < at + 4) return undefined
    const length = bytes.readInt32BE(at)
    if (bytes.length < at + 4 + length) return undefined
    parts.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return Buffer.concat(parts)
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** Avro's long, for what is not negative. */
function long(value: number): Buffer {
  return varint(value * 2)
}

/** A number in base 128, lowest bits first. */
function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return Buffer.from(bytes)
}

if (process.argv[2]?.startsWith('{')) {
  console.log(JSON.stringify(await send(JSON.parse(process.argv[2]) as Load)))
}
