import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeRecord, readRecords } from '../state/framed-file.ts'

/** Records written to disk in one piece of this many. */
const groupCount = 1024

/** Where a partition of a data set lies once it is saved. */
export function partitionFile(folder: string, index: number): string {
  return join(folder, `part-${String(index).padStart(5, '0')}`)
}

/** Writes the records of a partition; it has its name only when it is whole. Rejects INVALID_DATA for what cannot be written down. */
export async function savePartition(folder: string, index: number, items: readonly unknown[]): Promise<void> {
  await mkdir(folder, { recursive: true })
  const path = partitionFile(folder, index)
  const handle = await open(`${path}.part`, 'w')
  try {
    for (let at = 0; at < items.length; at += groupCount) {
      const bytes = encodeRecord(items.slice(at, at + groupCount), 'a record of a data set that is to be saved')
      await handle.writeFile(Buffer.concat(bytes))
    }
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rename(`${path}.part`, path)
}

/** The records of a partition that was saved, in order. */
export async function* readPartition<T>(path: string): AsyncIterable<T> {
  for await (const group of readRecords(path)) yield* group as T[]
}
