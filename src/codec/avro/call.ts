// What follows the handshake in a payload (flume-protocols §1.2).
//   request  = metadata: map of bytes, message name: string, arguments
//   response = metadata: map of bytes, error flag: boolean, response value | error: union whose branch 0 is a string
import { FlumeError } from '../../core/error.ts'
import type { AvroReader, AvroWriter } from './binary.ts'

/** Writes what stands before a call's arguments. */
export function writeCall(writer: AvroWriter, message: string): void {
  writer.long(0)
  writer.string(message)
}

/** The name of the message called; the arguments follow. Empty: the call only shakes hands. */
export function readCall(reader: AvroReader): string {
  reader.skipMap('call metadata')
  return reader.string('a message name')
}

/** Writes what stands before a response value. */
export function writeResult(writer: AvroWriter): void {
  writer.long(0)
  writer.boolean(false)
}

/** A call that failed, as the implicit string error. */
export function writeCallError(writer: AvroWriter, problem: string): void {
  writer.long(0)
  writer.boolean(true)
  writer.long(0)
  writer.string(problem)
}

/** Leaves the reader before the response value; throws REFUSED with the peer's words when the call failed. */
export function readResult(reader: AvroReader): void {
  reader.skipMap('response metadata')
  if (!reader.boolean('the error flag')) return
  reader.index(1, 'the error union')
  throw new FlumeError('REFUSED', `the peer refused the call: ${reader.string('an error')}`)
}
