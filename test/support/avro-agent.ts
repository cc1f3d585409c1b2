import type { Status } from '../../src/codec/avro/flume.ts'
import type { EventBatch } from '../../src/core/event-batch.ts'
import { flumeService } from '../../src/net/avro-rpc/flume-service.ts'
import type { TcpListener } from '../../src/net/tcp-listener.ts'
import { listenRpc } from './rpc.ts'
import { type PlainEvent, plainEvents } from './source-context.ts'

/** A receiving agent that answers what it is told and keeps what it gets. */
export interface AvroAgent {
  readonly listener: TcpListener
  /** `127.0.0.1:PORT`. */
  readonly place: string
  readonly events: PlainEvent[]
  /** Events per call that was answered OK, in order; 0 stands for a call of a single event. */
  readonly calls: number[]
  status: Status
  /** Answers from the call after so many on. */
  statusAfter?: { readonly calls: number; readonly status: Status }
}

export async function avroAgent({ deflate = false, port = 0 } = {}): Promise<AvroAgent> {
  const take =
    (isSingle: boolean) =>
    async (batch: EventBatch): Promise<Status> => {
      if (agent.statusAfter && agent.calls.length >= agent.statusAfter.calls) agent.status = agent.statusAfter.status
      if (agent.status === 'OK') {
        agent.calls.push(isSingle ? 0 : batch.count)
        agent.events.push(...plainEvents(batch))
      }
      return agent.status
    }
  const services = [flumeService({ append: take(true), appendBatch: take(false) })]
  const listener = await listenRpc({ services, deflate }, { port })
  const agent: AvroAgent = {
    listener,
    place: `127.0.0.1:${listener.port}`,
    events: [],
    calls: [],
    status: 'OK',
  }
  return agent
}
