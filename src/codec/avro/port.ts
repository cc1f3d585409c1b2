// FlumePortProtocol, our own: a FlumeSource agent asks the job that listens on its port to hand it over. yieldPort() → boolean.
import { createHash } from 'node:crypto'
import type { RpcProtocol } from './protocol.ts'

const text = JSON.stringify({
  protocol: 'FlumePortProtocol',
  namespace: 'flume.ts',
  types: [],
  messages: { yieldPort: { request: [], response: 'boolean' } },
})

export const flumePortProtocol: RpcProtocol = {
  name: 'FlumePortProtocol',
  text,
  hash: createHash('md5').update(text).digest(),
}
