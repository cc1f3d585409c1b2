import { BinaryReader, BinaryWriter } from './binary.ts'
import { CompactReader, CompactWriter } from './compact.ts'
import { thriftFrameHeadBytes } from './frame.ts'
import type { ThriftProtocol, ThriftReader, ThriftWriter } from './protocol.ts'

/** `binary-old` is the binary protocol whose answers have the old form of a message head, as Scribe's have. */
export type ThriftDialect = ThriftProtocol | 'binary-old'

/** A reader of one message. */
export function thriftReader(dialect: ThriftDialect, message: Uint8Array): ThriftReader {
  return dialect === 'compact' ? new CompactReader(message) : new BinaryReader(message)
}

/** A writer of one message behind the head of its frame. */
export function thriftWriter(dialect: ThriftDialect, bytesHint: number): ThriftWriter {
  return dialect === 'compact'
    ? new CompactWriter(bytesHint, thriftFrameHeadBytes)
    : new BinaryWriter(bytesHint, thriftFrameHeadBytes, dialect === 'binary')
}
