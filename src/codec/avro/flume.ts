// AvroSourceProtocol (flume-protocols §1.3): append(event) → Status, appendBatch(events) → Status.
import type { AvroReader, AvroWriter } from './binary.ts'
import { compiledProtocol, type RpcProtocol } from './protocol.ts'

/** The same text and hash in the released jars of 1.9.0 and 1.11.0. */
export const avroSourceProtocol: RpcProtocol = compiledProtocol(
  {
    protocol: 'AvroSourceProtocol',
    namespace: 'org.apache.flume.source.avro',
    types: [
      { type: 'enum', name: 'Status', symbols: ['OK', 'FAILED', 'UNKNOWN'] },
      {
        type: 'record',
        name: 'AvroFlumeEvent',
        fields: [
          { name: 'headers', type: { type: 'map', values: 'string' } },
          { name: 'body', type: 'bytes' },
        ],
      },
    ],
    messages: {
      append: { request: [{ name: 'event', type: 'AvroFlumeEvent' }], response: 'Status' },
      appendBatch: {
        request: [{ name: 'events', type: { type: 'array', items: 'AvroFlumeEvent' } }],
        response: 'Status',
      },
    },
  },
  '86aadae2c45474c0fe93ffd0f2350a65',
)

/** A source's answer to append and appendBatch. */
export type Status = 'OK' | 'FAILED' | 'UNKNOWN'

/** In the order of the enum. */
const statuses: readonly Status[] = ['OK', 'FAILED', 'UNKNOWN']

export function readStatus(reader: AvroReader): Status {
  return statuses[reader.index(statuses.length, 'Status')] as Status
}

export function writeStatus(writer: AvroWriter, status: Status): void {
  writer.long(statuses.indexOf(status))
}
