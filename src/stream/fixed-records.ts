import { FlumeError } from '../core/error.ts'

/** Cuts bytes into records of one length; throws when bytes are left over. */
export async function* readRecords(
  chunks: AsyncIterable<Uint8Array>,
  recordLength: number,
  path: string,
): AsyncIterable<Uint8Array> {
  let rest = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const bytes = Buffer.concat([rest, chunk])
    let at = 0
    for (; at + recordLength <= bytes.length; at += recordLength) yield bytes.subarray(at, at + recordLength)
    rest = bytes.subarray(at)
  }
  if (rest.length === 0) return
  throw new FlumeError('INVALID_DATA', `${path} ends with ${rest.length} of the ${recordLength} bytes of a record`)
}
