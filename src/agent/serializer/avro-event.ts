import { AvroContainerWriter, containerCodecProblem, containerSyncBytes } from '../../codec/avro/container.ts'
import { EventWriter, eventSchema } from '../../codec/avro/events.ts'
import { hashMapOrder } from '../../codec/java-hash-order.ts'
import { avroContainerOptions } from '../../spec/avro-container-options.ts'
import type { Options } from '../../spec/option.ts'
import {
  defineSerializer,
  type EventBatch,
  type HeaderColumn,
  type Serializer,
  type SerializerContext,
} from '../contract.ts'

type AvroEventOptions = Options<typeof avroContainerOptions>

export const avroEvent = defineSerializer({
  type: 'avro_event',
  aliases: ['org.apache.flume.serialization.FlumeEventAvroEventSerializer', 'FlumeEventAvroEventSerializer'],
  summary: 'Writes an Avro container with the headers and the body of each event.',
  options: avroContainerOptions,
  check: ({ compressionCodec }) => {
    const problem = containerCodecProblem(compressionCodec)
    return problem === undefined
      ? []
      : [{ option: 'compressionCodec', message: `${compressionCodec} cannot be used`, hint: problem }]
  },
  create: (options, context) => new AvroEventWriter(options, context),
})

const nothing = new Uint8Array(0)

class AvroEventWriter implements Serializer {
  /** The sync marker of an existing file is not known here. */
  readonly appendable = false
  readonly #container: AvroContainerWriter

  constructor({ syncIntervalBytes, compressionCodec }: AvroEventOptions, { random }: SerializerContext) {
    this.#container = new AvroContainerWriter({
      schema: eventSchema,
      codec: compressionCodec,
      sync: Uint8Array.from({ length: containerSyncBytes }, () => Math.floor(random() * 256)),
      syncIntervalBytes,
    })
  }

  begin(): Uint8Array {
    return this.#container.header()
  }

  encode(batch: EventBatch): Uint8Array {
    const { headers } = batch
    // In the order in which a Java map lists them; it means nothing, but files are then equal.
    const ordered =
      headers.size < 2
        ? batch
        : batch.withHeaders(
            new Map(hashMapOrder([...headers.keys()]).map((name) => [name, headers.get(name) as HeaderColumn])),
          )
    const events = new EventWriter(ordered)
    return this.#container.blocks(batch.count, (writer, index) => events.write(writer, index))
  }

  end(): Uint8Array {
    return nothing
  }
}
