import avsc from 'avsc'
import { AvroContainerReader } from '../../src/codec/avro/container.ts'

/** A container as avsc's own decoder sees it, after blocks were taken apart by ours: schema, codec and values. */
export async function valuesOf(bytes: Buffer): Promise<{
  readonly schema: string
  readonly codec: string
  readonly blocks: number
  readonly values: readonly unknown[]
}> {
  const reader = await AvroContainerReader.open({
    sizeBytes: bytes.length,
    read: async (target, position) => bytes.copy(target, 0, position, position + target.length),
  })
  const { schema, codec, endBytes } = reader.header
  const type = avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema)
  const values: unknown[] = []
  let blocks = 0
  for (let at = endBytes; ; blocks++) {
    const block = await reader.block(at)
    if (!block) return { schema, codec, blocks, values }
    let offset = 0
    for (let i = 0; i < block.count; i++) {
      const decoded = type.decode(block.data, offset)
      values.push(decoded.value)
      offset = decoded.offset
    }
    if (offset !== block.data.length) throw new Error(`${block.data.length - offset} bytes are left over in a block`)
    at = block.end
  }
}
