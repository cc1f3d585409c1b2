import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FlumeError } from '../../src/core/error.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { DiskFile } from '../../src/storage/disk.ts'
import { NumberSet } from '../../src/storage/number-set.ts'
import {
  type Draft,
  decodeBatch,
  draftBatch,
  draftState,
  draftTaken,
  headerBytes,
  readState,
  readTaken,
  seal,
} from '../../src/storage/record.ts'
import { type Found, SegmentScan } from '../../src/storage/segment-scan.ts'

const salt = Buffer.from('0102030405060708', 'hex')
const inputs = Number(process.env['FUZZ_INPUTS'] ?? 4000)

function segmentOf(drafts: readonly Draft[], by = salt): Buffer {
  let offset = 0
  const sealed = drafts.map((draft) => {
    seal(draft, offset, by, offset, false)
    offset += draft.bytes.length
    return Buffer.from(draft.bytes)
  })
  return Buffer.concat(sealed)
}

/** Largest piece of memory that a scan has asked to be filled. */
let readMax = 0

function fileOf(bytes: Buffer): DiskFile {
  const never = (): Promise<never> => Promise.reject(new Error('only for reading'))
  return {
    path: 'memory',
    read: async (target, position) => {
      readMax = Math.max(readMax, target.length)
      return bytes.copy(target, 0, position)
    },
    write: never,
    sync: never,
    truncate: never,
    close: async () => undefined,
  }
}

async function scanAll(bytes: Buffer, window: number): Promise<{ found: Found[]; restFrom: number | undefined }> {
  const scan = new SegmentScan(fileOf(bytes), salt, 0, bytes.length, window)
  const found: Found[] = []
  for (let some = await scan.next(); some; some = await scan.next()) found.push(...some)
  return { found, restFrom: scan.restFrom }
}

const batch = (...texts: string[]): Draft =>
  draftBatch(EventBatch.of(texts.map((body, i) => ({ body, headers: i % 2 ? { n: String(i) } : {} })))).draft

describe('reading a segment', () => {
  it('finds every record whatever the size of its window', async () => {
    const bytes = segmentOf([draftState(5, new NumberSet(3)), batch('a', 'b'), batch('x'.repeat(5000)), batch('c')])
    for (const window of [32, 33, 100, 4096, 1 << 20]) {
      const { found, restFrom } = await scanAll(bytes, window)
      assert.deepEqual(
        found.map(({ kind, end }) => [kind, end]),
        [...found].map(({ end }) => ['record', end]),
      )
      assert.equal(found.length, 4)
      assert.equal(restFrom, undefined)
    }
  })

  it('takes no body for a record, not even a whole log of another file', async () => {
    const other = Buffer.from('ffffffffffffffff', 'hex')
    const inner = segmentOf([batch('never written')], other)
    const forged = segmentOf([batch('never written')])
    const bytes = segmentOf([
      batch('1'),
      draftBatch(EventBatch.of([{ body: inner }, { body: forged }])).draft,
      batch('2'),
    ])
    // The record around them is broken, so what is in it is looked at.
    const [, hit] = (await scanAll(bytes, 4096)).found as [Found, Found]
    bytes[hit.offset] = 0
    const { found } = await scanAll(bytes, 4096)
    assert.deepEqual(
      found.map(({ kind }) => kind),
      ['record', 'damage', 'record'],
    )
  })

  it(`never finds what was not written, and never asks for more memory than there are bytes: ${inputs} changed inputs`, async () => {
    const random = seededRandom(2024)
    const whole = segmentOf([
      draftState(9, new NumberSet(2)),
      batch('alpha', 'beta', ''),
      draftTaken([{ from: 1, to: 3 }]),
      batch('gamma'.repeat(50)),
      batch('delta'),
    ])
    const written = new Set(
      (await scanAll(whole, 4096)).found.map((one) => (one.kind === 'record' ? one.bytes.toString('hex') : '')),
    )
    readMax = 0
    for (let input = 0; input < inputs; input++) {
      let bytes = Buffer.from(whole)
      for (let changes = 1 + Math.floor(random() * 4); changes > 0; changes--) {
        const at = Math.floor(random() * bytes.length)
        const dice = random()
        if (dice < 0.5) bytes[at] = Math.floor(random() * 256)
        else if (dice < 0.6) bytes = Buffer.from(bytes.subarray(0, at))
        else if (dice < 0.7) bytes.copy(bytes, Math.floor(random() * bytes.length), at, at + 64)
        else if (dice < 0.8) bytes.fill(0, at, Math.min(bytes.length, at + Math.floor(random() * 100)))
        else if (dice < 0.9 && at + 4 <= bytes.length) bytes.writeUInt32LE(0xffffffff, at)
        else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.floor(random() * bytes.length))])
        if (bytes.length === 0) break
      }
      for (const one of (await scanAll(bytes, 256)).found) {
        if (one.kind === 'record') assert.ok(written.has(one.bytes.toString('hex')), `input ${input}`)
      }
    }
    assert.ok(readMax <= 3 * whole.length, String(readMax))
  })

  it('refuses payloads that make no sense although their checksums hold', () => {
    const random = seededRandom(7)
    for (let input = 0; input < inputs; input++) {
      const { bytes } = batch('one', 'two', 'three')
      for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) {
        const at = headerBytes + Math.floor(random() * (bytes.length - headerBytes))
        bytes[at] = random() < 0.3 ? 0xff : Math.floor(random() * 256)
      }
      const count = random() < 0.5 ? 3 : Math.floor(random() * 2 ** 32)
      const header = {
        type: 'batch',
        first: 0,
        count,
        continues: false,
        payloadCrc: 0,
        totalBytes: bytes.length,
      } as const
      const payloadBytes = bytes.length - headerBytes - Math.floor(random() * 8)
      for (const read of [decodeBatch, readTakenOf, readStateOf]) {
        try {
          read(bytes, { ...header, payloadBytes })
        } catch (error) {
          assert.ok(error instanceof FlumeError && error.code === 'INVALID_DATA', String(error))
        }
      }
    }
  })
})

function readTakenOf(bytes: Buffer, header: Parameters<typeof readTaken>[1]): void {
  readTaken(bytes, header, new NumberSet())
}

function readStateOf(bytes: Buffer, header: Parameters<typeof readState>[1]): void {
  readState(bytes, header, new NumberSet())
}
