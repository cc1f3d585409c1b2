import { readFileSync } from 'node:fs'
import { finishThriftFrame, thriftFrameHeadBytes } from '../../src/codec/thrift/frame.ts'
import { type ThriftDialect, thriftWriter } from '../../src/codec/thrift/open.ts'
import { messageTypes, type ThriftWriter } from '../../src/codec/thrift/protocol.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { EventBatch } from '../../src/core/event-batch.ts'
import type { TcpListener } from '../../src/net/tcp-listener.ts'
import { flumeCalls } from '../../src/net/thrift-rpc/flume-calls.ts'
import { ThriftServer, type ThriftServerOptions } from '../../src/net/thrift-rpc/server.ts'
import { listen } from './rpc.ts'
import { type PlainEvent, plainEvents } from './source-context.ts'

export const protocols = ['compact', 'binary'] as const

/** A whole frame with a call in it; `args` writes the fields of its arguments. */
export function callFrame(
  dialect: ThriftDialect,
  name: string,
  args: (writer: ThriftWriter) => void,
  sequence = 7,
): Buffer {
  const writer = thriftWriter(dialect, 64)
  writer.messageHead({ name, type: messageTypes.call, sequence })
  struct(writer, args)
  return finishThriftFrame(writer)
}

/** A struct with these fields. */
export function struct(writer: ThriftWriter, fields: (writer: ThriftWriter) => void): void {
  const outer = writer.beginStruct()
  fields(writer)
  writer.stop()
  writer.endStruct(outer)
}

/** The message in the only frame of `bytes`. */
export function messageIn(bytes: Buffer): Buffer {
  const length = bytes.readInt32BE(0)
  if (bytes.length !== thriftFrameHeadBytes + length) throw new Error(`no single frame: ${bytes.toString('hex')}`)
  return bytes.subarray(thriftFrameHeadBytes)
}

/** One side's bytes of a connection recorded in test/fixture/thrift. */
export function recordedThrift(name: string, side: 'client' | 'server'): Buffer[] {
  const exchange = fixture(name) as [string, string][]
  const mark = side === 'client' ? '>' : '<'
  return exchange.filter(([direction]) => direction === mark).map(([, hex]) => Buffer.from(hex, 'hex'))
}

export interface RecordedAnswer {
  readonly call: string
  readonly answer: string
  readonly closed: boolean
}

/** Single calls and what a real Flume answered. */
export function recordedAnswers(name: string): Readonly<Record<string, RecordedAnswer>> {
  return fixture(name) as Readonly<Record<string, RecordedAnswer>>
}

function fixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../test/fixture/thrift/${name}.json`, import.meta.url), 'utf8'))
}

/** A Thrift server on a free port. */
export function listenThrift(
  options: Pick<ThriftServerOptions, 'calls'> & Partial<ThriftServerOptions>,
): Promise<TcpListener> {
  const server = new ThriftServer({ clock: systemClock, dialect: 'compact', ...options })
  return listen({ serve: (wire, _peer, signal) => server.serve(wire, signal) })
}

/** A receiving agent that answers what it is told and keeps what it gets. */
export interface ThriftAgent {
  readonly listener: TcpListener
  readonly events: PlainEvent[]
  /** Events per call that was answered OK, in order; 0 stands for a call of a single event. */
  readonly calls: number[]
  status: 'OK' | 'FAILED' | 'ERROR' | 'UNKNOWN'
}

export async function thriftAgent(dialect: ThriftDialect = 'compact'): Promise<ThriftAgent> {
  const take =
    (isSingle: boolean) =>
    async (batch: EventBatch): Promise<ThriftAgent['status']> => {
      if (agent.status === 'OK') {
        agent.calls.push(isSingle ? 0 : batch.count)
        agent.events.push(...plainEvents(batch))
      }
      return agent.status
    }
  const listener = await listenThrift({ dialect, calls: flumeCalls({ append: take(true), appendBatch: take(false) }) })
  const agent: ThriftAgent = { listener, events: [], calls: [], status: 'OK' }
  return agent
}
