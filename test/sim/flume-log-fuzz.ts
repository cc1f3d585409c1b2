import assert from 'node:assert/strict'
import { FlumeChannel } from '../../src/adopt/flume-channel.ts'
import { FlumeError } from '../../src/core/error.ts'
import { type Random, seededRandom } from '../../src/core/random.ts'
import { filesDisk, readRecording, recordings, shortened } from '../support/flume-channel.ts'
import { randomHistory } from '../support/flume-history.ts'

export interface FuzzOutcome {
  readonly inputs: number
  readonly refused: number
  readonly events: number
}

const codes = new Set(['INVALID_DATA', 'INVALID_STATE', 'UNSUPPORTED', 'IO', 'LIMIT'])

/**
 * Changes bytes of channels that real Flume left, and of made ones, and reads what is left of them: never a crash, never an
 * error without a code, never a body that was not put. Every input has a seed of its own, which is in the failure.
 */
export async function fuzzFlume(firstSeed: number, inputs: number): Promise<FuzzOutcome> {
  const recorded = recordings
    .map(readRecording)
    .map((recording) => ({
      files: shortened(recording),
      directories: recording.directories.map((directory) => `/${directory}`),
    }))
    .filter(({ files }) => [...files.values()].reduce((sum, { length }) => sum + length, 0) < 300_000)
  assert.ok(recorded.length > 0)
  let refused = 0
  let events = 0
  for (let seed = firstSeed; seed < firstSeed + inputs; seed++) {
    const random = seededRandom(seed)
    const { files, directories } =
      seed % 50 === 0
        ? (recorded[Math.floor(seed / 50) % recorded.length] as (typeof recorded)[number])
        : randomHistory(random, 40)
    const known = await bodiesOf(files, directories, seed)
    const spoilt = spoil(random, files)
    try {
      const channel = await open(spoilt, directories, random() < 0.3)
      for await (const batch of channel.batches()) {
        events += batch.count
        for (const { body } of batch.events()) {
          const text = Buffer.from(body).toString('latin1')
          assert.ok(known.has(text), `seed ${seed}: ${JSON.stringify(text)} was never put`)
        }
      }
    } catch (error) {
      if (!(error instanceof FlumeError && codes.has(error.code))) throw new Error(`seed ${seed}`, { cause: error })
      refused++
    }
  }
  return { inputs, refused, events }
}

function open(files: ReadonlyMap<string, Buffer>, directories: readonly string[], withoutCheckpoint: boolean) {
  return FlumeChannel.open({
    disk: filesDisk(files),
    directories,
    lockHolder: async () => undefined,
    withoutCheckpoint,
    skipDamaged: true,
    tell: () => undefined,
  })
}

/** Every body that was ever put, taken ones included: broken takes may bring them back. */
async function bodiesOf(files: ReadonlyMap<string, Buffer>, directories: readonly string[], seed: number) {
  const known = new Set<string>()
  const logs = new Map([...files].filter(([path]) => /\/log-\d+$/.test(path)))
  for (const bytes of logs.values()) {
    for (const body of putsOf(bytes)) known.add(body)
  }
  // What the reader finds in the whole files must be among them, or this would prove nothing.
  for await (const batch of (await open(files, directories, false)).batches()) {
    for (const { body } of batch.events()) assert.ok(known.has(Buffer.from(body).toString('latin1')), `seed ${seed}`)
  }
  return known
}

/** Bodies of the puts of a whole log, found by their frames alone. */
function* putsOf(bytes: Buffer): Generator<string> {
  for (let at = 0; at + 5 < bytes.length && bytes[at] === 0x7f; ) {
    const end = at + 5 + bytes.readInt32BE(at + 1)
    // Head of 23 bytes, its type at the sixth; then put, event, headers, body.
    if (bytes.readInt32LE(at + 7) === 1) yield bodyOf(bytes, at + 29)
    at = end
  }
}

function bodyOf(bytes: Buffer, from: number): string {
  let at = from
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  varint()
  at++
  const end = varint() + at
  while (at < end) {
    const number = (bytes[at++] as number) >> 3
    const length = varint()
    if (number === 2) return bytes.toString('latin1', at, at + length)
    at += length
  }
  throw new Error('a put without a body')
}

function spoil(random: Random, files: ReadonlyMap<string, Buffer>): Map<string, Buffer> {
  const upTo = (count: number): number => Math.floor(random() * count)
  const spoilt = new Map(files)
  const paths = [...files.keys()]
  for (let left = 1 + upTo(3); left > 0; left--) {
    const path = paths[upTo(paths.length)] as string
    const bytes = Buffer.from(spoilt.get(path) ?? Buffer.alloc(0))
    const at = upTo(bytes.length)
    const kind = upTo(8)
    if (kind === 0) spoilt.set(path, bytes.subarray(0, at))
    else if (kind === 1) spoilt.delete(path)
    else if (bytes.length === 0) continue
    else {
      if (kind === 2) bytes.fill(random() < 0.5 ? 0 : 0x80, at, Math.min(bytes.length, at + upTo(600)))
      else if (kind === 3) bytes.writeUInt8(upTo(256), at)
      else if (kind === 4) bytes.copy(bytes, at, upTo(bytes.length))
      else if (kind === 5) for (let i = 0; i < 20 && at + i < bytes.length; i++) bytes[at + i] = upTo(256)
      else bytes[at] = (bytes[at] as number) ^ (1 << upTo(8))
      spoilt.set(path, bytes)
    }
  }
  return spoilt
}
