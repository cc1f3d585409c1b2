import { joinPath, locate } from '../files.ts'
import { encodeRecord, readRecords } from '../state/framed-file.ts'

/** Records written in one piece of this many. */
const groupCount = 1024

/** Where a partition of a data set lies once it is saved. */
export function partitionFile(folder: string, index: number): string {
  return joinPath(folder, `part-${String(index).padStart(5, '0')}`)
}

/** Writes the records of a partition; it has its name only when it is whole. Rejects INVALID_DATA for what cannot be written down. */
export async function savePartition(folder: string, index: number, items: readonly unknown[]): Promise<void> {
  const { files, path } = locate(partitionFile(folder, index))
  const file = await files.create(`${path}.part`)
  try {
    for (let at = 0; at < items.length; at += groupCount) {
      const bytes = encodeRecord(items.slice(at, at + groupCount), 'a record of a data set that is to be saved')
      await file.write(Buffer.concat(bytes))
    }
  } catch (error) {
    await file.abandon?.().catch(() => undefined)
    throw error
  }
  await file.close({ sync: true })
  await files.rename(`${path}.part`, path)
}

/** The records of a partition that was saved, in order. */
export async function* readPartition<T>(file: string): AsyncIterable<T> {
  const { files, path } = locate(file)
  for await (const group of readRecords(files.read(path), file)) yield* group as T[]
}
