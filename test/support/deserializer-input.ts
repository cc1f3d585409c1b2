import type { DeserializerInput } from '../../src/agent/contract.ts'
import { type Charset, charsetNamed } from '../../src/codec/charset.ts'
import { RecordingLogger } from './recording-logger.ts'

/** A file in memory as a deserializer is given it. */
export function deserializerInput(
  file: Uint8Array,
  { offset = 0, log = new RecordingLogger() }: { readonly offset?: number; readonly log?: RecordingLogger } = {},
): DeserializerInput {
  return {
    path: '/spool/a',
    sizeBytes: file.length,
    offset,
    read: async (target, position) => {
      const piece = file.subarray(position, position + target.length)
      target.set(piece)
      return piece.length
    },
    log,
    charset: charsetNamed('UTF-8') as Charset,
    malformed: 'FAIL',
  }
}
