import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FlumeError } from '../../contract.ts'
import type { HeadPrint } from './head-print.ts'

// The position file is Flume's own, so that each can go on where the other stopped (S-96):
//
//   [{"inode":123,"pos":456,"file":"/var/log/app.log"},…]
//
// Flume reads no other fields. What tells a renamed file from another one on the same inode stands beside it, in
// `<position file>.heads`: [{"inode":"123","file":"/var/log/app.log","bytes":1024,"sha256":"…"},…]

/** How far a file has been delivered. */
export interface Position {
  readonly inode: bigint
  readonly path: string
  readonly offset: number
  /** Unknown when Flume wrote the position. */
  readonly head: HeadPrint | undefined
}

/** The positions of an earlier run. Rejects INVALID_DATA when the file is none (S-102). */
export async function readPositions(path: string, warn: (message: string) => void): Promise<Position[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') warn(`${path} cannot be read: ${error.message}; files are read from their beginning`)
    return ''
  })
  const heads = await readHeads(`${path}.heads`)
  return parsePositions(text, path, warn).map((position) => ({
    ...position,
    head: heads.get(`${position.inode} ${position.path}`),
  }))
}

function parsePositions(text: string, path: string, warn: (message: string) => void): Omit<Position, 'head'>[] {
  // Inodes may be larger than what a number holds.
  const quoted = text.replaceAll(/"inode"\s*:\s*(-?\d+)/g, '"inode":"$1"')
  if (quoted.trim() === '') return []
  try {
    return (JSON.parse(quoted) as unknown[]).map(positionOf)
  } catch (cause) {
    if (quoted.trimEnd().endsWith(']')) {
      throw new FlumeError('INVALID_DATA', `${path} is not a position file`, {
        cause,
        hint: 'put it right, or delete it to read every file from its beginning',
      })
    }
  }
  // Flume overwrites the file in place: what a crash has left of it counts as far as it is whole.
  warn(`${path} ends in the middle: only its whole entries count`)
  const whole = quoted.match(/\{"inode":"-?\d+","pos":\d+,"file":"(?:[^"\\]|\\.)*"\}/g) ?? []
  return whole.map((entry) => positionOf(JSON.parse(entry)))
}

function positionOf(entry: unknown): Omit<Position, 'head'> {
  const { inode, pos, file } = entry as { inode?: unknown; pos?: unknown; file?: unknown }
  if (typeof inode !== 'string' || typeof pos !== 'number' || typeof file !== 'string' || !(pos >= 0)) {
    throw new TypeError('an entry without inode, pos and file')
  }
  return { inode: BigInt(inode), path: file, offset: pos }
}

async function readHeads(path: string): Promise<ReadonlyMap<string, HeadPrint>> {
  const heads = new Map<string, HeadPrint>()
  try {
    for (const { inode, file, bytes, sha256 } of JSON.parse(await readFile(path, 'utf8'))) {
      if (Number.isSafeInteger(bytes) && typeof sha256 === 'string') heads.set(`${inode} ${file}`, { bytes, sha256 })
    }
  } catch {
    // Without it files are known by inode and path, as Flume knows them.
  }
  return heads
}

/** Writes positions, each file whole at every moment. */
export class PositionFile {
  readonly #path: string
  #written = ''
  #writtenHeads = ''

  constructor(path: string) {
    this.#path = path
  }

  async prepare(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true })
  }

  /** Does nothing when nothing has changed. */
  async write(positions: readonly Position[]): Promise<void> {
    const entries = positions.map(
      ({ inode, offset, path }) => `{"inode":${inode},"pos":${offset},"file":${JSON.stringify(path)}}`,
    )
    const heads = positions.flatMap(({ inode, path, head }) =>
      head && head.bytes > 0 ? [{ inode: String(inode), file: path, ...head }] : [],
    )
    const text = `[${entries.join(',')}]`
    const headsText = JSON.stringify(heads)
    if (headsText !== this.#writtenHeads) await replace(`${this.#path}.heads`, headsText)
    this.#writtenHeads = headsText
    if (text !== this.#written) await replace(this.#path, text)
    this.#written = text
  }
}

async function replace(path: string, text: string): Promise<void> {
  const beside = `${path}.tmp`
  const handle = await open(beside, 'w')
  try {
    await handle.writeFile(text)
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rename(beside, path)
}
