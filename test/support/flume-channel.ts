import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32, gunzipSync, gzipSync } from 'node:zlib'
import type { Disk } from '../../src/storage/disk.ts'

/** A file channel's directories as real Flume left them, and what it delivered from a copy of them. */
export interface RecordedChannel {
  /** The steps that were done, for people. */
  readonly steps: readonly string[]
  /** Directories below the folder: the checkpoint's first. */
  readonly directories: readonly string[]
  /** Paths below the folder, and bytes in base64. */
  readonly files: Readonly<Record<string, string>>
  readonly delivered: readonly string[]
}

const fixtures = fileURLToPath(new URL('../../../test/fixture/file-channel/', import.meta.url))

export const recordings: readonly string[] = readdirSync(fixtures)
  .filter((name) => name.endsWith('.json.gz'))
  .map((name) => name.slice(0, -'.json.gz'.length))
  .sort()

export function readRecording(name: string): RecordedChannel {
  return JSON.parse(gunzipSync(readFileSync(join(fixtures, `${name}.json.gz`))).toString()) as RecordedChannel
}

export function saveRecording(name: string, recording: RecordedChannel): void {
  mkdirSync(fixtures, { recursive: true })
  writeFileSync(join(fixtures, `${name}.json.gz`), gzipSync(JSON.stringify(recording), { level: 9 }))
}

/** Lays the recorded directories out in a folder; resolves to their paths. */
export function layOut({ files, directories }: RecordedChannel, folder: string): readonly string[] {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), Buffer.from(content, 'base64'))
  }
  return directories.map((directory) => join(folder, directory))
}

/** Every file below a folder, by its path. */
export function filesOf(folder: string): Record<string, string> {
  const files: Record<string, string> = {}
  for (const name of readdirSync(folder, { recursive: true }).map(String).sort()) {
    if (statSync(join(folder, name)).isFile()) files[name] = readFileSync(join(folder, name)).toString('base64')
  }
  return files
}

/** Copies a folder with everything in it, holes and times included. */
export function copyFolder(from: string, to: string): void {
  execFileSync('cp', ['-a', from, to])
}

/** The lines of an export in the form of the driver's: sorted headers, a space, the body, in base64. */
export function eventsOf(exported: string): string[] {
  return exported
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { headers, body, base64 } = JSON.parse(line) as {
        headers: Record<string, string>
        body?: string
        base64?: string
      }
      const sorted = Object.keys(headers)
        .sort((a, b) => (a < b ? -1 : 1))
        .map((name) => `${name}=${headers[name]};`)
        .join('')
      return `${Buffer.from(sorted).toString('base64')} ${base64 ?? Buffer.from(body ?? '').toString('base64')}`
    })
}

/** A disk that holds these files and is only read. */
export function filesDisk(files: ReadonlyMap<string, Buffer>): Disk {
  const refuse = (): never => {
    throw new Error('nothing is written here')
  }
  return {
    create: refuse,
    openToWrite: refuse,
    makeDirectory: refuse,
    syncDirectory: refuse,
    rename: refuse,
    remove: refuse,
    freeBytes: refuse,
    lock: refuse,
    openToRead: async (path) => {
      const bytes = files.get(path)
      if (!bytes) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })
      return {
        path,
        write: refuse,
        sync: refuse,
        truncate: refuse,
        read: async (target, position) => bytes.copy(target, 0, Math.min(position, bytes.length)),
        close: async () => undefined,
      }
    },
    list: async (directory) =>
      [...files]
        .filter(([path]) => dirname(path) === directory)
        .map(([path, bytes]) => ({ name: path.slice(directory.length + 1), sizeBytes: bytes.length }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

/** The files of a recording below `/`, the room made ahead in logs cut off but for some bytes, so that there is less to copy. */
export function shortened({ files }: RecordedChannel): Map<string, Buffer> {
  const short = new Map<string, Buffer>()
  for (const [path, content] of Object.entries(files)) {
    const bytes = Buffer.from(content, 'base64')
    let end = bytes.length
    if (/\/log-\d+$/.test(path)) while (end > 0 && bytes[end - 1] === 0x80) end--
    short.set(`/${path}`, bytes.subarray(0, Math.min(bytes.length, end + 64)))
  }
  return short
}

/** What is done to a channel: as the driver of the real one does it, with the bytes that Flume writes. */
export class FlumeLogWriter {
  readonly #pieces: Buffer[] = []
  #bytes = 0

  /** Adds a record; answers where it begins. */
  add(type: 'put' | 'take' | 'rollback' | 'commit', transaction: number, order: number, body: Buffer): number {
    const number = { put: 1, take: 2, rollback: 3, commit: 4 }[type]
    const head = Buffer.concat([fixed32(1, number), fixed64(2, transaction), fixed64(3, order)])
    const payload = Buffer.concat([delimited(head), delimited(body), delimited(Buffer.alloc(0))])
    const frame = Buffer.alloc(5)
    frame[0] = 0x7f
    frame.writeInt32BE(payload.length, 1)
    const at = this.#bytes
    this.#pieces.push(frame, payload)
    this.#bytes += 5 + payload.length
    return at
  }

  put(transaction: number, order: number, body: string): number {
    const bytes = Buffer.from(body)
    const event = field(2, bytes)
    return this.add('put', transaction, order, Buffer.concat([field(1, event), fixed64(2, crc32(bytes))]))
  }

  take(transaction: number, order: number, file: number, offset: number): void {
    this.add('take', transaction, order, Buffer.concat([fixed32(1, file), fixed32(2, offset)]))
  }

  end(how: 'commit' | 'rollback', transaction: number, order: number, takes: boolean): void {
    this.add(how, transaction, order, how === 'commit' ? fixed32(1, takes ? 2 : 1) : Buffer.alloc(0))
  }

  get bytes(): Buffer {
    return Buffer.concat([...this.#pieces, Buffer.alloc(64, 0x80)])
  }

  get length(): number {
    return this.#bytes
  }
}

/** The metadata of a log whose checkpoint stands at `position`. */
export function logMeta(file: number, position: number, order: number): Buffer {
  return delimited(
    Buffer.concat([
      fixed32(1, 3),
      fixed32(2, file),
      fixed64(3, position),
      fixed64(4, order),
      fixed64(6, 0),
      fixed64(7, 0),
    ]),
  )
}

export interface WrittenCheckpoint {
  readonly order: number
  readonly queue: readonly Place[]
  readonly puts: ReadonlyMap<number, readonly Place[]>
  readonly takes: ReadonlyMap<number, readonly Place[]>
}

export interface Place {
  readonly file: number
  readonly offset: number
}

/** The files of a checkpoint directory, the ring beginning at `head`. */
export function checkpointFiles(directory: string, written: WrittenCheckpoint, head = 7): Map<string, Buffer> {
  const { order, queue, puts, takes } = written
  const capacity = queue.length + 3
  const ring = Buffer.alloc(8 * (1029 + capacity))
  ring.writeBigInt64BE(3n, 0)
  ring.writeBigInt64BE(BigInt(order), 8)
  const first = head % capacity
  for (const [index, { file, offset }] of queue.entries()) {
    const at = 8 * (1029 + ((first + index) % capacity))
    ring.writeInt32BE(file, at)
    ring.writeInt32BE(offset, at + 4)
  }
  const meta = delimited(Buffer.concat([fixed32(1, 3), fixed64(2, order), fixed32(3, queue.length), fixed32(4, first)]))
  return new Map([
    [`${directory}/checkpoint`, ring],
    [`${directory}/checkpoint.meta`, meta],
    [`${directory}/inflightputs`, inFlight(puts)],
    [`${directory}/inflighttakes`, inFlight(takes)],
  ])
}

function inFlight(transactions: ReadonlyMap<number, readonly Place[]>): Buffer {
  const numbers: bigint[] = []
  for (const [transaction, places] of transactions) {
    numbers.push(BigInt(transaction), BigInt(places.length))
    for (const { file, offset } of places) numbers.push((BigInt(file) << 32n) | BigInt(offset))
  }
  // Flume writes 16 bytes too many: it counts the checksum twice.
  numbers.push(0n, 0n)
  const bytes = Buffer.alloc(8 * numbers.length)
  for (const [index, number] of numbers.entries()) bytes.writeBigInt64BE(number, 8 * index)
  return Buffer.concat([createHash('md5').update(bytes).digest(), bytes])
}

export function delimited(bytes: Buffer): Buffer {
  const length: number[] = []
  for (let rest = bytes.length; ; rest >>>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest)
    if (rest <= 0x7f) break
  }
  return Buffer.concat([Buffer.from(length), bytes])
}

export function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.of((number << 3) | 2), delimited(bytes)])
}

export function fixed32(number: number, value: number): Buffer {
  const bytes = Buffer.of((number << 3) | 5, 0, 0, 0, 0)
  bytes.writeInt32LE(value, 1)
  return bytes
}

export function fixed64(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(9)
  bytes[0] = (number << 3) | 1
  bytes.writeBigInt64LE(BigInt(value), 1)
  return bytes
}
