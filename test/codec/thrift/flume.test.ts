import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  appendBatchBytesHint,
  readAppend,
  readAppendBatch,
  statusNumber,
  statusOf,
  writeAppend,
  writeAppendBatch,
} from '../../../src/codec/thrift/flume.ts'
import { finishThriftFrame } from '../../../src/codec/thrift/frame.ts'
import { thriftReader, thriftWriter } from '../../../src/codec/thrift/open.ts'
import {
  messageTypes,
  readNumberResult,
  type ThriftProtocol,
  type ThriftReader,
  type ThriftWriter,
  thriftTypes,
  writeNumberResult,
} from '../../../src/codec/thrift/protocol.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { fc } from '../../support/properties.ts'
import { plainEvents } from '../../support/source-context.ts'
import { callFrame, messageIn, protocols, recordedThrift, struct } from '../../support/thrift.ts'

const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.constantFrom('a', 'b'))
const headers = fc.dictionary(fc.oneof(fc.constantFrom('host', 'timestamp', 'k'), fc.string({ maxLength: 5 })), text, {
  maxKeys: 4,
  noNullPrototype: true,
})
const events = fc.array(fc.record({ headers, body: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 40 })

/** A reader behind the head of a message. */
function argumentsOf(protocol: ThriftProtocol, message: Buffer): ThriftReader {
  const reader = thriftReader(protocol, message)
  reader.messageHead()
  return reader
}

function written(protocol: ThriftProtocol, batch: EventBatch): Buffer {
  const writer = thriftWriter(protocol, appendBatchBytesHint(batch))
  writer.messageHead({ name: 'appendBatch', type: messageTypes.call, sequence: 1 })
  writeAppendBatch(writer, batch)
  return messageIn(finishThriftFrame(writer))
}

function broken(problem: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof FlumeError && error.code === 'PROTOCOL' && problem.test(error.message)
}

for (const protocol of protocols) {
  test(`${protocol}: batches are read as they were written, bodies not copied`, () => {
    fc.assert(
      fc.property(events, (wanted) => {
        const batch = EventBatch.of(wanted)
        const message = written(protocol, batch)
        const reader = argumentsOf(protocol, message)
        const read = readAppendBatch(reader)
        assert.equal(reader.left, 0)
        assert.deepEqual(plainEvents(read, 'latin1'), plainEvents(batch, 'latin1'))
        if (read.count > 0) assert.equal(read.body.buffer, message.buffer)
      }),
      { numRuns: 300 },
    )
  })

  test(`${protocol}: one event of a batch is read as it was written`, () => {
    const batch = EventBatch.of([
      { body: 'one', headers: { a: 'b' } },
      { body: 'two' },
      { body: '', headers: { c: '' } },
    ])
    for (let i = 0; i < batch.count; i++) {
      const frame = thriftWriter(protocol, 16)
      frame.messageHead({ name: 'append', type: messageTypes.call, sequence: 1 })
      writeAppend(frame, batch, i)
      const reader = argumentsOf(protocol, messageIn(finishThriftFrame(frame)))
      assert.deepEqual(plainEvents(readAppend(reader)), plainEvents(batch.slice(i, i + 1)))
    }
  })

  test(`${protocol}: a header that all events share stands once in the batch`, () => {
    const batch = EventBatch.of(Array.from({ length: 20 }, (_, i) => ({ body: 'x', headers: { dc: 'zh', n: `${i}` } })))
    const read = readAppendBatch(argumentsOf(protocol, written(protocol, batch)))
    assert.equal(read.headers.get('dc'), 'zh')
    assert.equal((read.headers.get('n') as string[])[19], '19')
  })

  const { i32, list, map, string, struct: structType } = thriftTypes
  const headersField = (writer: ThriftWriter): void => {
    writer.fieldHead(map, 1)
    writer.mapHead(string, string, 0)
  }
  const bodyField = (writer: ThriftWriter): void => {
    writer.fieldHead(string, 2)
    writer.string('body')
  }
  const append = (fields: (writer: ThriftWriter) => void): EventBatch => {
    const frame = callFrame(protocol, 'append', (writer) => {
      writer.fieldHead(structType, 1)
      struct(writer, fields)
    })
    return readAppend(argumentsOf(protocol, messageIn(frame)))
  }

  test(`${protocol}: fields of later versions are stepped over, and fields may come in any order`, () => {
    const batch = append((writer) => {
      writer.fieldHead(list, 9)
      writer.listHead(i32, 2)
      writer.i32(1)
      writer.i32(2)
      bodyField(writer)
      headersField(writer)
    })
    assert.deepEqual(plainEvents(batch), [{ headers: {}, body: 'body' }])
  })

  const refused: readonly [what: string, fields: (writer: ThriftWriter) => void, problem: RegExp][] = [
    ['without headers', bodyField, /event 0 has no headers/],
    ['without a body', headersField, /event 0 has no body/],
    ['with nothing', () => undefined, /event 0 has no headers/],
    [
      'with its headers twice',
      (writer) => {
        headersField(writer)
        headersField(writer)
        bodyField(writer)
      },
      /event 0 has its headers twice/,
    ],
    [
      'with a number as body',
      (writer) => {
        headersField(writer)
        writer.fieldHead(i32, 2)
        writer.i32(1)
      },
      /event 0 has no body/,
    ],
    [
      'with numbers as headers',
      (writer) => {
        writer.fieldHead(map, 1)
        writer.mapHead(i32, i32, 1)
        writer.i32(1)
        writer.i32(2)
        bodyField(writer)
      },
      /headers of types 8 and 8/,
    ],
  ]
  for (const [what, fields, problem] of refused) {
    test(`${protocol}: an event ${what} is refused`, () => assert.throws(() => append(fields), broken(problem)))
  }

  test(`${protocol}: calls without their arguments are refused`, () => {
    for (const [read, problem] of [
      [readAppend, /append without its event/],
      [readAppendBatch, /appendBatch without its events/],
    ] as const) {
      const frame = callFrame(protocol, 'x', () => undefined)
      assert.throws(() => read(argumentsOf(protocol, messageIn(frame))), broken(problem))
    }
  })

  test(`${protocol}: a count that the bytes left cannot hold is refused before memory is set aside`, () => {
    for (const count of [1_000_000, 0x7fffffff]) {
      const frame = callFrame(protocol, 'appendBatch', (writer) => {
        writer.fieldHead(list, 1)
        writer.listHead(structType, count)
        bodyField(writer)
      })
      assert.throws(() => readAppendBatch(argumentsOf(protocol, messageIn(frame))), broken(/announces? \d+ entries/))
    }
  })

  test(`${protocol}: a batch in which every event brings another header name is refused, not spread out`, () => {
    const count = 6000
    const frame = callFrame(protocol, 'appendBatch', (writer) => {
      writer.fieldHead(list, 1)
      writer.listHead(structType, count)
      for (let i = 0; i < count; i++)
        struct(writer, () => {
          writer.fieldHead(map, 1)
          writer.mapHead(string, string, 1)
          writer.string(`h${i}`)
          writer.string('')
          bodyField(writer)
        })
    })
    assert.throws(
      () => readAppendBatch(argumentsOf(protocol, messageIn(frame))),
      (error) => error instanceof FlumeError && error.code === 'LIMIT' && /header names/.test(error.message),
    )
  })

  for (const version of ['1.9', '1.11']) {
    test(`${protocol}: what a sink of Flume ${version} sent is read, and written here byte for byte`, () => {
      const frame = Buffer.concat(recordedThrift(`flume-${version}-thrift-sink-${protocol}`, 'client'))
      const reader = thriftReader(protocol, messageIn(frame))
      const head = reader.messageHead()
      assert.deepEqual(head, { name: 'appendBatch', type: messageTypes.call, sequence: 1 })
      const batch = readAppendBatch(reader)
      assert.deepEqual(plainEvents(batch), [
        { headers: { dc: 'zurich' }, body: 'line one' },
        { headers: { dc: 'zurich' }, body: 'line two' },
      ])
      assert.deepEqual(written(protocol, batch), messageIn(frame))
    })

    test(`${protocol}: what a source of Flume ${version} answered is OK, then FAILED, and written here byte for byte`, () => {
      const answers = recordedThrift(`flume-${version}-thrift-source-${protocol}`, 'server')
      const statuses = answers.map((frame, i) => {
        const reader = thriftReader(protocol, messageIn(frame))
        const head = reader.messageHead()
        const value = readNumberResult(reader, head)
        const writer = thriftWriter(protocol, 16)
        writer.messageHead({ name: 'appendBatch', type: messageTypes.reply, sequence: i + 1 })
        writeNumberResult(writer, value)
        assert.deepEqual(finishThriftFrame(writer), frame)
        return statusOf(value)
      })
      assert.deepEqual(statuses, ['OK', 'FAILED'])
    })
  }
}

test('statuses are the numbers of the enum; a later one is UNKNOWN', () => {
  const all = ['OK', 'FAILED', 'ERROR', 'UNKNOWN'] as const
  assert.deepEqual(all.map(statusNumber), [0, 1, 2, 3])
  assert.deepEqual([0, 1, 2, 3, 4, -1].map(statusOf), [...all, 'UNKNOWN', 'UNKNOWN'])
})
