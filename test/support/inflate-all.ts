import { inflateSync } from 'node:zlib'

/** zlib streams one behind the other, of which Node's own function reads the first. */
export function inflateAll(data: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let rest = data; rest.length > 0; ) {
    const { buffer, engine } = inflateSync(rest, { info: true }) as unknown as {
      buffer: Buffer
      engine: { bytesWritten: number }
    }
    parts.push(buffer)
    rest = rest.subarray(engine.bytesWritten)
  }
  return Buffer.concat(parts)
}
