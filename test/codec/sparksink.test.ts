import assert from 'node:assert/strict'
import { test } from 'node:test'
import avsc from 'avsc'
import { AvroReader, AvroWriter } from '../../src/codec/avro/binary.ts'
import { readSparkEventBatch, sparkFlumeProtocol, writeSparkEventBatch } from '../../src/codec/sparksink.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { fc } from '../support/properties.ts'

const { types } = JSON.parse(sparkFlumeProtocol.text) as { types: { name: string }[] }
const registry = {}
for (const type of types)
  avsc.Type.forSchema(type as never, { registry, namespace: 'org.apache.spark.streaming.flume.sink' })
const batchType = (registry as Record<string, avsc.Type>)[
  'org.apache.spark.streaming.flume.sink.EventBatch'
] as avsc.Type

interface SparkBatch {
  readonly errorMsg: string
  readonly sequenceNumber: string
  readonly events: readonly { readonly headers: Record<string, string>; readonly body: Buffer }[]
}

const plain = { noNullPrototype: true }
const sparkBatch: fc.Arbitrary<SparkBatch> = fc.record(
  {
    errorMsg: fc.string(),
    sequenceNumber: fc.string(),
    events: fc.array(
      fc.record(
        {
          headers: fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 }), plain),
          body: fc.uint8Array({ maxLength: 50 }).map((array) => Buffer.from(array)),
        },
        plain,
      ),
      { maxLength: 8 },
    ),
  },
  plain,
)

test("batches are read and written as Spark's own schema has them", () => {
  fc.assert(
    fc.property(sparkBatch, (wanted) => {
      const { errorMsg, sequenceNumber, events } = wanted
      const writer = new AvroWriter()
      writeSparkEventBatch(writer, { errorMessage: errorMsg, sequenceNumber, events: EventBatch.of(events) })
      const theirs = batchType.fromBuffer(writer.finish()) as SparkBatch
      assert.deepEqual(
        { ...theirs, events: theirs.events.map(({ headers, body }) => ({ headers: { ...headers }, body })) },
        wanted,
      )
      const read = readSparkEventBatch(new AvroReader(batchType.toBuffer(wanted)))
      assert.equal(read.errorMessage, errorMsg)
      assert.equal(read.sequenceNumber, sequenceNumber)
      assert.deepEqual(
        Array.from(read.events.events(), (event) => ({ headers: { ...event.headers }, body: Buffer.from(event.body) })),
        events,
      )
    }),
    { numRuns: 300 },
  )
})
