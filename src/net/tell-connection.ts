import { type FirstBytes, tellFirstBytes } from '../codec/first-bytes.ts'
import type { Wire } from './wire.ts'

/**
 * What the peer of a fresh connection speaks, by its first bytes, which the wire hands out again; undefined when the
 * connection ends before it tells.
 */
export async function tellConnection(wire: Wire): Promise<FirstBytes | undefined> {
  let bytes: Buffer = Buffer.alloc(0)
  for (let chunk = await wire.read(); chunk; chunk = await wire.read()) {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    const told = tellFirstBytes(bytes)
    if (told === undefined) continue
    wire.unread(bytes)
    return told
  }
  return undefined
}
