import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { type FileEntry, type FileSystem, locate } from './files.ts'
import { readLineBlocks } from './lines.ts'
import type { FilePart } from './rdd/plan.ts'

const lf = 10

/** Longest part of a text file, in bytes: Hadoop's block of local files, so that a file has as many partitions as in Spark. */
export const textPartBytesMax = 32 * 1024 * 1024
/** Shortest part of a file that is cut so that every core has one, in bytes. */
export const textPartBytesMin = 1024 * 1024

/**
 * Cuts a text file into parts that can be read at the same time: one for each of `cores`, as far as they are worth it. A
 * packed file, or one of a file system that reads whole files only, is one part.
 */
export function textParts(
  files: FileSystem,
  uri: string,
  { path, sizeBytes }: Pick<FileEntry, 'path' | 'sizeBytes'>,
  cores: number,
): FilePart[] {
  const wishedBytes = Math.ceil(sizeBytes / cores)
  const partBytes = Math.max(textPartBytesMin, Math.min(textPartBytesMax, wishedBytes))
  if (!files.readRange || path.endsWith('.gz') || sizeBytes <= partBytes) return [{ uri, path }]
  const count = Math.ceil(sizeBytes / partBytes)
  return Array.from({ length: count }, (_, i) => ({
    uri,
    path,
    start: i * partBytes,
    ...(i < count - 1 && { end: (i + 1) * partBytes }),
  }))
}

/** The lines of a text file, or those that begin in a range of it, a chunk's worth at a time; `.gz` is unpacked. */
export function readTextPart({ uri, path, start, end }: FilePart): AsyncIterable<readonly string[]> {
  const { files } = locate(uri)
  if (start !== undefined && files.readRange) {
    const from = Math.max(0, start - 1)
    return readLineBlocks(linesBetween(files.lend?.(path, from) ?? files.readRange(path, from), start, end))
  }
  if (path.endsWith('.gz')) return readLineBlocks(Readable.from(files.read(path)).pipe(createGunzip()))
  return readLineBlocks(files.lend?.(path) ?? files.read(path))
}

/**
 * From the chunks of a file from byte `start` − 1 on, what lies between two line borders: the border of a place is
 * behind the first LF at the place before it or later, so that every line is in one part, and neighbours agree on where.
 */
async function* linesBetween(
  chunks: AsyncIterable<Uint8Array>,
  start: number,
  end: number | undefined,
): AsyncIterable<Uint8Array> {
  const last = end === undefined ? Number.POSITIVE_INFINITY : end - 1
  let at = Math.max(0, start - 1)
  let hasBegun = start === 0
  for await (const chunk of chunks) {
    let from = 0
    if (!hasBegun) {
      const border = chunk.indexOf(lf)
      if (border >= 0) {
        if (at + border >= last) return
        from = border + 1
        hasBegun = true
      }
    }
    if (hasBegun) {
      const border = at + chunk.length > last ? chunk.indexOf(lf, Math.max(from, last - at)) : -1
      if (border >= 0) {
        yield chunk.subarray(from, border + 1)
        return
      }
      if (from < chunk.length) yield chunk.subarray(from)
    }
    at += chunk.length
  }
}
