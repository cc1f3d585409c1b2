import { deserialize, serialize } from 'node:v8'
import { FlumeError } from '../../core/error.ts'

// What Spark writes as Java objects: one record a line, as V8 clones it, in base64. For a job's own use; others read JSON.

export function objectLine(record: unknown): string {
  return serialize(record).toString('base64')
}

/** Throws INVALID_DATA for a line that `objectLine` has not written. */
export function readObjectLine(line: string): unknown {
  try {
    return deserialize(Buffer.from(line, 'base64'))
  } catch (cause) {
    throw new FlumeError('INVALID_DATA', 'a line is no record of saveAsObjectFile', { cause })
  }
}
