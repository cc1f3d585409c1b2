import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EventBatch } from '../../src/core/event-batch.ts'
import { KeptBytes } from '../../src/core/kept-bytes.ts'
import { fc } from '../support/properties.ts'

const mebibyte = 1024 * 1024
const slack = 4 * mebibyte

/** Events of `length` bytes each, from `first` on, one after the other. */
function cut(buffer: Buffer, first: number, count: number, length: number): EventBatch {
  const starts = Uint32Array.from({ length: count }, (_, i) => first + i * length)
  return new EventBatch(
    buffer,
    starts,
    starts.map((start) => start + length),
  )
}

describe('kept bytes', () => {
  it('keeps batches of one read as they are while the read is small or well used', () => {
    const kept = new KeptBytes()
    for (let read = 0; read < 20; read++) {
      const buffer = Buffer.allocUnsafeSlow(mebibyte)
      for (let first = 0; first < mebibyte; first += mebibyte / 8) {
        const batch = cut(buffer, first, 128, 1024)
        assert.equal(kept.keep(batch), batch)
      }
      assert.equal(kept.bufferBytes, (read + 1) * mebibyte)
    }
  })

  it('copies a few events out of a large read as soon as such reads take 4 MiB', () => {
    const kept = new KeptBytes()
    const results = Array.from({ length: 100 }, () => {
      const batch = cut(Buffer.allocUnsafeSlow(mebibyte), 10, 2, 10)
      return kept.keep(batch) === batch
    })
    assert.deepEqual(results, [...new Array(4).fill(true), ...new Array(96).fill(false)])
    assert.ok(kept.bufferBytes < slack + 100 * 1024, String(kept.bufferBytes))
  })

  it('says when what is left of many reads keeps too much alive, and lets go of it when it is told to', () => {
    const kept = new KeptBytes()
    const rests = Array.from({ length: 20 }, () => {
      const batch = kept.keep(cut(Buffer.alloc(mebibyte, 'x'), 0, 1024, 1024))
      return { lent: batch.slice(0, 1023), left: batch.slice(1023) }
    })
    assert.equal(kept.isTooMuch, false)
    for (const { lent } of rests) kept.release(lent)
    assert.equal(kept.isTooMuch, true)
    const tidied = rests.map(({ left }) => kept.tidy(left))
    assert.equal(kept.isTooMuch, false)
    assert.equal(kept.bufferBytes, 20 * 1024)
    for (const batch of tidied) assert.deepEqual(Buffer.from(batch.bodyAt(0)), Buffer.alloc(1024, 'x'))
    for (const batch of tidied) kept.release(batch)
    assert.equal(kept.bufferBytes, 0)
  })

  it('stays within 4 × the bodies, 1 KiB a buffer and 4 MiB, whatever comes and goes in order', () => {
    const step = fc.record({
      bytes: fc.constantFrom(100, 64 * 1024, mebibyte, 3 * mebibyte),
      count: fc.integer({ min: 1, max: 40 }),
      length: fc.integer({ min: 0, max: 2 }),
      release: fc.nat(3),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const kept = new KeptBytes()
        let queue: EventBatch[] = []
        for (const { bytes, count, length, release } of steps) {
          queue.push(kept.keep(cut(Buffer.allocUnsafeSlow(bytes), 0, count, length)))
          for (const batch of queue.splice(0, release)) kept.release(batch)
          if (kept.isTooMuch) queue = queue.map((batch) => kept.tidy(batch))
          const buffers = new Set(queue.map(({ body }) => body.buffer))
          const bodies = queue.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)
          const held = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0)
          assert.equal(kept.bufferBytes, held)
          assert.ok(held <= 4 * bodies + 1024 * buffers.size + slack, `${held} for ${bodies}`)
        }
      }),
      { numRuns: 50 },
    )
  })
})
