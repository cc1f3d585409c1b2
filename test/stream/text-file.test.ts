import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { locate } from '../../src/stream/files.ts'
import type { FilePart } from '../../src/stream/rdd/plan.ts'
import { readTextPart, textPartBytesMax, textPartBytesMin, textParts } from '../../src/stream/text-file.ts'
import { fc } from '../support/properties.ts'
import { tempDir } from '../support/temp-dir.ts'

async function linesOf(part: FilePart): Promise<string[]> {
  const lines: string[] = []
  for await (const block of readTextPart(part)) lines.push(...block)
  return lines
}

test('wherever a file is cut, each of its lines is in one part, and in order', async (t) => {
  const path = join(await tempDir(t), 'lines')
  const piece = fc.constantFrom('a', 'bc', 'é', '\n', '\r\n', '\n\n', 'a longer piece of a line')
  await fc.assert(
    fc.asyncProperty(fc.array(piece), fc.array(fc.nat({ max: 120 }), { maxLength: 6 }), async (pieces, places) => {
      await writeFile(path, pieces.join(''))
      const cuts = [...new Set(places)].filter((place) => place > 0).sort((a, b) => a - b)
      const parts = [0, ...cuts].map((start, i) => ({
        uri: path,
        path,
        start,
        ...(cuts[i] !== undefined && { end: cuts[i] }),
      }))
      const lines: string[] = []
      for (const part of parts) lines.push(...(await linesOf(part)))
      assert.deepEqual(lines, await linesOf({ uri: path, path }))
    }),
    { numRuns: 150 },
  )
})

test('a line across many chunks belongs to the part it begins in', async (t) => {
  const path = join(await tempDir(t), 'long')
  const long = 'x'.repeat(700_000)
  await writeFile(path, `first\n${long}\nlast\n`)
  const parts = [{ start: 0, end: 3 }, { start: 3, end: 300_000 }, { start: 300_000, end: 600_000 }, { start: 600_000 }]
  const found = await Promise.all(parts.map((part) => linesOf({ uri: path, path, ...part })))
  assert.deepEqual(
    found.map((lines) => lines.map((line) => line.length)),
    [[5], [700_000], [], [4]],
  )
})

test('a file has a part for each core, of 1 to 32 MiB; a packed one is whole', () => {
  const { files } = locate('/tmp/file')
  const countOf = (sizeBytes: number, cores: number, path = '/tmp/file'): number =>
    textParts(files, path, { path, sizeBytes }, cores).length
  assert.equal(countOf(textPartBytesMin, 8), 1)
  assert.equal(countOf(textPartBytesMin + 1, 8), 2)
  assert.equal(countOf(10 * textPartBytesMin, 2), 2)
  assert.equal(countOf(3 * textPartBytesMax, 1), 3)
  assert.equal(countOf(3 * textPartBytesMax, 2, '/tmp/file.gz'), 1)
  const { readRange: _, ...whole } = { ...files, readRange: undefined }
  assert.equal(textParts(whole as never, 'x', { path: 'x', sizeBytes: 2 ** 30 }, 2).length, 1)
})

test('a packed file is unpacked', async (t) => {
  const path = join(await tempDir(t), 'lines.gz')
  await writeFile(path, gzipSync('one\ntwo\n'))
  assert.deepEqual(await linesOf({ uri: path, path }), ['one', 'two'])
})

test('lines of many chunks come whole from memory that is used again, whether or not the reader waits', async (t) => {
  const path = join(await tempDir(t), 'chunks')
  const lines = Array.from({ length: 40_000 }, (_, i) => `${i} ${'é€x'.repeat(i % 17)}`)
  await writeFile(path, lines.join('\n'))
  const blocks: (readonly string[])[] = []
  for await (const block of readTextPart({ uri: path, path })) {
    blocks.push(block)
    await new Promise(setImmediate)
  }
  assert.ok(blocks.length > 10)
  assert.deepEqual(blocks.flat(), lines)
})

test('a file that is missing, or is a folder, is told', async (t) => {
  const path = await tempDir(t)
  await assert.rejects(linesOf({ uri: path, path }), { code: 'EISDIR' })
  await assert.rejects(linesOf({ uri: `${path}/no`, path: `${path}/no` }), { code: 'ENOENT' })
})
