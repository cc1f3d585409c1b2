import { Buffer } from 'node:buffer'
import { FlumeError } from '../../core/error.ts'
import { delimited, ProtoReader, ProtoWriter } from './protobuf.ts'

// Hadoop RPC, version 9, without authentication:
//
//   connection := "hrpc" 09 00 00  frame(header(call -3) context)  frame(call)*
//   frame      := int32 length  bytes
//   call       := delimited(header) delimited(method) delimited(request)
//   reply      := int32 length  delimited(header)  delimited(response)?       no response unless the status is success

/** Hadoop 3.3's `ipc.maximum.data.length`. */
export const replyMaxBytes = 128 * 1024 * 1024
const contextCallId = -3

export interface RpcUser {
  readonly user: string
  /** Whose rights are used, when not the user's own. */
  readonly proxyUser?: string | undefined
}

/** What a client says first on a connection; there is no answer to it. */
export function connectionPreamble(protocol: string, clientId: Uint8Array, { user, proxyUser }: RpcUser): Buffer {
  const context = new ProtoWriter()
    .message(2, (info) => {
      info.text(1, proxyUser ?? user)
      if (proxyUser !== undefined && proxyUser !== user) info.text(2, user)
    })
    .text(3, protocol)
    .finish()
  const greeting = Buffer.from([0x68, 0x72, 0x70, 0x63, 9, 0, 0])
  return Buffer.concat([greeting, frame(delimited(requestHeader(contextCallId, -1, clientId), context))])
}

/** One call. A retry of it has the same `callId` and `clientId` and a greater `retry`, so that it is done only once. */
export function callFrame(
  protocol: string,
  method: string,
  request: Uint8Array,
  call: { readonly callId: number; readonly retry: number; readonly clientId: Uint8Array },
): Buffer {
  const head = new ProtoWriter().text(1, method).text(2, protocol).uint(3, 1).finish()
  return frame(delimited(requestHeader(call.callId, call.retry, call.clientId), head, request))
}

function requestHeader(callId: number, retry: number, clientId: Uint8Array): Buffer {
  return new ProtoWriter().uint(1, 2).uint(2, 0).sint(3, callId).bytes(4, clientId).sint(5, retry).finish()
}

function frame(payload: Buffer): Buffer {
  const out = Buffer.allocUnsafe(4 + payload.length)
  out.writeInt32BE(payload.length, 0)
  out.set(payload, 4)
  return out
}

export interface RpcReply {
  readonly callId: number
  /** Undefined for an error. */
  readonly response: ProtoReader | undefined
  readonly error: RpcRemoteError | undefined
}

export interface RpcRemoteError {
  /** The Java class, in full. */
  readonly exception: string
  /** Its message, without the stack trace. */
  readonly message: string
  /** The whole text, in which causes are named. */
  readonly text: string
  /** The connection is of no more use. */
  readonly fatal: boolean
}

/** Reads the bytes of a reply's frame. */
export function readReply(bytes: Uint8Array): RpcReply {
  const reader = new ProtoReader(bytes)
  const header = reader.delimited()
  let callId = 0
  let status = 0
  let exception = ''
  let text = ''
  while (header.next()) {
    if (header.field === 1) callId = header.int32()
    else if (header.field === 2) status = header.uint()
    else if (header.field === 4) exception = header.text()
    else if (header.field === 5) text = header.text()
  }
  if (status === 0) return { callId, response: reader.delimited(), error: undefined }
  const message = (text.split('\n', 1)[0] as string).trim()
  return { callId, response: undefined, error: { exception, message, text, fatal: status === 2 } }
}

/** Cuts a stream of bytes into frames. Throws LIMIT for one above `replyMaxBytes`, before anything is kept for it. */
export class RpcFrames {
  #chunks: Buffer[] = []
  #length = 0

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  next(): Buffer | undefined {
    if (this.#length < 4) return undefined
    if ((this.#chunks[0] as Buffer).length < 4) this.#join()
    const size = (this.#chunks[0] as Buffer).readInt32BE(0)
    if (size < 0 || size > replyMaxBytes) {
      throw new FlumeError('LIMIT', `a reply of ${size} bytes was announced`, {
        hint: 'is this the name node’s RPC port (8020), not one of HTTP?',
      })
    }
    if (this.#length < 4 + size) return undefined
    this.#join()
    const all = this.#chunks[0] as Buffer
    const found = all.subarray(4, 4 + size)
    this.#length -= 4 + size
    this.#chunks = this.#length > 0 ? [all.subarray(4 + size)] : []
    return found
  }

  #join(): void {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
  }
}
