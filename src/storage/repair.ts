import type { Disk } from './disk.ts'
import { draftVoid, seal } from './record.ts'
import { type Damage, segmentNameParts } from './segment-log.ts'
import { type FoundDamage, holdsAnything, SegmentScan } from './segment-scan.ts'

export interface Repaired {
  readonly damage: Damage
  /** Where the bytes that were there are kept; undefined when they were left where they are. */
  readonly keptAs: string | undefined
}

/**
 * Puts a void record in the place of every damaged one of a directory, whose lock the caller holds. The bytes that were
 * there are copied to a file beside it first. The unfinished end of a file is left as it is: it does no harm.
 */
export async function repairDirectory(disk: Disk, directory: string): Promise<readonly Repaired[]> {
  const repaired: Repaired[] = []
  for (const { name, sizeBytes } of await disk.list(directory)) {
    const salt = segmentNameParts(name)?.salt
    if (salt) repaired.push(...(await repairSegment(disk, directory, name, salt, sizeBytes)))
  }
  return repaired
}

async function repairSegment(
  disk: Disk,
  directory: string,
  name: string,
  salt: Buffer,
  sizeBytes: number,
): Promise<readonly Repaired[]> {
  const path = `${directory}/${name}`
  const file = await disk.openToWrite(path)
  try {
    const scan = new SegmentScan(file, salt, 0, sizeBytes)
    const damages: FoundDamage[] = []
    for (let found = await scan.next(); found; found = await scan.next()) {
      for (const one of found) if (one.kind === 'damage') damages.push(one)
    }
    const repaired: Repaired[] = []
    for (const { offset, end, header } of damages) {
      const events =
        header && header.type === 'batch' ? { from: header.first, to: header.first + header.count } : undefined
      const damage = { path, offset, bytes: end - offset, events, isEnd: false }
      const keptAs = `${path}.${offset}.damaged`
      const bytes = Buffer.alloc(end - offset)
      await file.read(bytes, offset)
      const kept = await disk.create(keptAs)
      try {
        await kept.write([bytes], 0)
        await kept.sync()
      } finally {
        await kept.close()
      }
      await disk.syncDirectory(directory)
      const draft = draftVoid(end - offset, events ? events.to - events.from : 0)
      seal(draft, events?.from ?? 0, salt, offset, header?.continues ?? false)
      await file.write([draft.bytes], offset)
      await file.sync()
      repaired.push({ damage, keptAs })
    }
    if (scan.restFrom !== undefined && (await holdsAnything(file, scan.restFrom, scan.end))) {
      const damage = { path, offset: scan.restFrom, bytes: scan.end - scan.restFrom, events: undefined, isEnd: true }
      repaired.push({ damage, keptAs: undefined })
    }
    return repaired
  } finally {
    await file.close()
  }
}
