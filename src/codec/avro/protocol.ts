// Protocols as their compiled Java classes print them. The MD5 of the text is what peers compare, so every character counts,
// the licence text that Avro's compiler takes from the head of the IDL file included.

/** A protocol as handshakes know it. */
export interface RpcProtocol {
  readonly name: string
  /** JSON, character for character as the Java library prints it. */
  readonly text: string
  /** MD5 of the text. */
  readonly hash: Buffer
}

const licence = [
  '* Licensed to the Apache Software Foundation (ASF) under one',
  ' * or more contributor license agreements.  See the NOTICE file',
  ' * distributed with this work for additional information',
  ' * regarding copyright ownership.  The ASF licenses this file',
  ' * to you under the Apache License, Version 2.0 (the',
  ' * "License"); you may not use this file except in compliance',
  ' * with the License.  You may obtain a copy of the License at',
  ' *',
  ' * http://www.apache.org/licenses/LICENSE-2.0',
  ' *',
  ' * Unless required by applicable law or agreed to in writing,',
  ' * software distributed under the License is distributed on an',
  ' * "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY',
  ' * KIND, either express or implied.  See the License for the',
  ' * specific language governing permissions and limitations',
  ' * under the License.',
].join('\n')

interface ProtocolParts {
  readonly protocol: string
  readonly namespace: string
  readonly types: readonly object[]
  readonly messages: object
}

/** The text and hash of a protocol whose parts stand in the order in which Java prints them. */
export function compiledProtocol({ protocol, namespace, types, messages }: ProtocolParts, md5: string): RpcProtocol {
  return {
    name: protocol,
    text: JSON.stringify({ protocol, namespace, doc: licence, types, messages }),
    hash: Buffer.from(md5, 'hex'),
  }
}
