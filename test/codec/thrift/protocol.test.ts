import assert from 'node:assert/strict'
import { test } from 'node:test'
import { thriftReader, thriftWriter } from '../../../src/codec/thrift/open.ts'
import {
  exceptionCodes,
  messageTypes,
  readNumberResult,
  type ThriftReader,
  thriftTypes,
  writeException,
  writeNumberResult,
} from '../../../src/codec/thrift/protocol.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { protocols, struct } from '../../support/thrift.ts'

function reader(protocol: 'compact' | 'binary', hex: string): ThriftReader {
  return thriftReader(protocol, Buffer.from(hex.replaceAll(' ', ''), 'hex'))
}

function broken(text: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof FlumeError && error.code === 'PROTOCOL' && text.test(error.message)
}

// Values of every type, as the specifications write them: a field with id 1 and the value, then a field with id 2.
const values: readonly {
  readonly what: string
  readonly compact: string
  readonly binary: string
}[] = [
  { what: 'true', compact: '11', binary: '02 0001 01' },
  { what: 'false', compact: '12', binary: '02 0001 00' },
  { what: 'a byte', compact: '13 7f', binary: '03 0001 7f' },
  { what: 'an i16', compact: '14 ffff03', binary: '06 0001 8000' },
  { what: 'an i32', compact: '15 ffffffff0f', binary: '08 0001 80000000' },
  { what: 'an i64', compact: '16 ffffffffffffffffff01', binary: '0a 0001 8000000000000000' },
  { what: 'a double', compact: '17 0000000000000440', binary: '04 0001 4004000000000000' },
  { what: 'a text', compact: '18 03 616263', binary: '0b 0001 00000003 616263' },
  { what: 'a list of i32', compact: '19 25 02 04', binary: '0f 0001 08 00000002 00000001 00000002' },
  { what: 'an empty list', compact: '19 08', binary: '0f 0001 0b 00000000' },
  { what: 'a list of truths', compact: '19 21 01 02', binary: '0f 0001 02 00000002 01 00' },
  {
    what: 'a long list',
    compact: `19 f3 10 ${'01'.repeat(16)}`,
    binary: `0f 0001 03 00000010 ${'01'.repeat(16)}`,
  },
  { what: 'a set of texts', compact: '1a 18 01 61', binary: '0e 0001 0b 00000001 00000001 61' },
  { what: 'an empty map', compact: '1b 00', binary: '0d 0001 0b 0b 00000000' },
  {
    what: 'a map of bytes to doubles',
    compact: '1b 01 37 05 0000000000000440',
    binary: '0d 0001 03 04 00000001 05 4004000000000000',
  },
  {
    what: 'a struct in a struct',
    compact: '1c 1c 11 00 18 01 61 00',
    binary: '0c 0001 0c 0001 02 0001 01 00 0b 0002 00000001 61 00',
  },
  { what: 'a UUID', compact: `1d ${'00'.repeat(16)}`, binary: `10 0001 ${'00'.repeat(16)}` },
]

for (const protocol of protocols) {
  for (const { what, [protocol]: hex } of values) {
    test(`${protocol}: ${what} in an unknown field is stepped over`, () => {
      const second = protocol === 'compact' ? '15 54' : '08 0002 0000002a'
      const read = reader(protocol, `${hex} ${second} 00`)
      const outer = read.beginStruct()
      const type = read.fieldHead()
      assert.equal(read.fieldId, 1)
      read.skipField(type)
      assert.equal(read.fieldHead(), thriftTypes.i32)
      assert.equal(read.fieldId, 2)
      assert.equal(read.i32('x'), 42)
      assert.equal(read.fieldHead(), thriftTypes.stop)
      read.endStruct(outer)
      assert.equal(read.left, 0)
    })

    test(`${protocol}: ${what}, cut off anywhere, is an error and never read beyond`, () => {
      const whole = Buffer.from(`${hex}`.replaceAll(' ', ''), 'hex')
      // A struct's last byte is its own stop; without it the field is whole only where the value takes no bytes.
      for (let length = 1; length < whole.length; length++) {
        const read = thriftReader(protocol, whole.subarray(0, length))
        assert.throws(() => {
          read.beginStruct()
          read.skipField(read.fieldHead())
        }, broken(/./))
        assert.ok(read.at <= length)
      }
    })
  }

  test(`${protocol}: numbers, texts and heads are read as they are written`, () => {
    for (const value of [0, 1, -1, 63, -64, 64, 300, -70_000, 0x7fffffff, -0x80000000]) {
      const writer = thriftWriter(protocol, 1)
      writer.messageHead({ name: 'grün', type: messageTypes.reply, sequence: value })
      struct(writer, () => {
        writer.fieldHead(thriftTypes.i32, 1)
        writer.i32(value)
        // Ids that grow by more than fifteen, and that fall, are written in full.
        writer.fieldHead(thriftTypes.string, 300)
        writer.string('ö'.repeat(200))
        writer.fieldHead(thriftTypes.list, 7)
        writer.listHead(thriftTypes.i32, 16)
        for (let i = 0; i < 16; i++) writer.i32(i)
      })
      const read = thriftReader(protocol, writer.finish().subarray(4))
      assert.deepEqual(read.messageHead(), { name: 'grün', type: messageTypes.reply, sequence: value })
      read.beginStruct()
      assert.deepEqual([read.fieldHead(), read.fieldId, read.i32('x')], [thriftTypes.i32, 1, value])
      assert.deepEqual([read.fieldHead(), read.fieldId, read.string('x')], [thriftTypes.string, 300, 'ö'.repeat(200)])
      assert.deepEqual([read.fieldHead(), read.fieldId, read.listHead('x')], [thriftTypes.list, 7, 16])
      for (let i = 0; i < 16; i++) assert.equal(read.i32('x'), i)
      assert.equal(read.fieldHead(), thriftTypes.stop)
      assert.equal(read.left, 0)
    }
  })

  test(`${protocol}: a result is its number, an exception is REFUSED with the server's words`, () => {
    const answer = (type: number, write: (writer: ReturnType<typeof thriftWriter>) => void): ThriftReader => {
      const writer = thriftWriter(protocol, 16)
      writer.messageHead({ name: 'append', type, sequence: 1 })
      write(writer)
      return thriftReader(protocol, writer.finish().subarray(4))
    }
    const good = answer(messageTypes.reply, (writer) => writeNumberResult(writer, 3))
    assert.equal(readNumberResult(good, good.messageHead()), 3)
    const bad = answer(messageTypes.exception, (writer) =>
      writeException(writer, exceptionCodes.internalError, 'it broke'),
    )
    assert.throws(
      () => readNumberResult(bad, bad.messageHead()),
      (error) => error instanceof FlumeError && error.code === 'REFUSED' && /it broke/.test(error.message),
    )
    const none = answer(messageTypes.reply, (writer) => struct(writer, () => undefined))
    assert.throws(() => readNumberResult(none, none.messageHead()), broken(/append has no result/))
    const call = answer(messageTypes.call, (writer) => writeNumberResult(writer, 3))
    assert.throws(() => readNumberResult(call, call.messageHead()), broken(/type 1 where an answer/))
  })

  test(`${protocol}: values 64 deep are stepped over, deeper ones refused`, () => {
    const nested = (depth: number): ThriftReader => {
      const one = protocol === 'compact' ? '1c' : '0c 0001'
      return reader(protocol, `${one.repeat(depth)} ${'00'.repeat(depth)}`)
    }
    const skip = (depth: number): void => {
      const read = nested(depth)
      read.beginStruct()
      read.skipField(read.fieldHead())
    }
    skip(64)
    assert.throws(() => skip(70), broken(/more than 64 deep/))
  })
}

const hostile: readonly {
  readonly what: string
  readonly protocol: 'compact' | 'binary'
  readonly hex: string
  readonly text: RegExp
}[] = [
  { what: 'a negative text length', protocol: 'binary', hex: '0b 0001 ffffffff', text: /negative length -1/ },
  { what: 'a huge text length', protocol: 'binary', hex: '0b 0001 7fffffff', text: /2147483647 bytes where 0/ },
  { what: 'a negative list count', protocol: 'binary', hex: '0f 0001 0b ffffffff', text: /negative count -1/ },
  { what: 'a huge list count', protocol: 'binary', hex: '0f 0001 03 7fffffff', text: /2147483647 entries/ },
  { what: 'a huge map count', protocol: 'binary', hex: '0d 0001 03 03 7fffffff 0000', text: /2147483647 entries/ },
  { what: 'a list of no type', protocol: 'binary', hex: '0f 0001 00 00000001 00', text: /no type 0/ },
  { what: 'a field of no type', protocol: 'binary', hex: '05 0001 00', text: /no type 5/ },
  { what: 'a negative text length', protocol: 'compact', hex: '18 ffffffff0f', text: /negative length -1/ },
  { what: 'a huge text length', protocol: 'compact', hex: '18 ffffffff07', text: /2147483647 bytes where 0/ },
  { what: 'a length of more than 32 bits', protocol: 'compact', hex: '18 ffffffff1f', text: /more than 32 bits/ },
  { what: 'a number without an end', protocol: 'compact', hex: `16 ${'ff'.repeat(11)}`, text: /more than 64 bits/ },
  { what: 'a huge list count', protocol: 'compact', hex: '19 f3 ffffffff07', text: /2147483647 entries/ },
  { what: 'a negative map count', protocol: 'compact', hex: '1b ffffffff0f 33', text: /negative count -1/ },
  { what: 'a list of no type', protocol: 'compact', hex: '19 1f 00', text: /no type 15/ },
  { what: 'a list of stops', protocol: 'compact', hex: '19 10 00', text: /no type 0 in a container/ },
]
for (const { what, protocol, hex, text } of hostile) {
  test(`${protocol}: ${what} is refused before anything is set aside for it`, () => {
    const read = reader(protocol, hex)
    read.beginStruct()
    assert.throws(() => read.skipField(read.fieldHead()), broken(text))
  })
}

test('a message of the other protocol says so', () => {
  for (const [protocol, other] of [
    ['compact', 'binary'],
    ['binary', 'compact'],
  ] as const) {
    const writer = thriftWriter(other, 16)
    writer.messageHead({ name: 'append', type: messageTypes.call, sequence: 1 })
    assert.throws(
      () => thriftReader(protocol, writer.finish().subarray(4)).messageHead(),
      (error) => error instanceof FlumeError && error.code === 'PROTOCOL' && /the same protocol/.test(error.hint ?? ''),
    )
  }
  assert.throws(() => reader('compact', '8222').messageHead(), broken(/version 2/))
  assert.throws(() => reader('binary', '80020001').messageHead(), broken(/not of Thrift's binary/))
})

test('the old form of a binary message is read, and written for Scribe', () => {
  const writer = thriftWriter('binary-old', 16)
  const head = { name: 'Log', type: messageTypes.call, sequence: 9 }
  writer.messageHead(head)
  const message = writer.finish().subarray(4)
  assert.equal(message.toString('hex'), '000000034c6f67' + '01' + '00000009')
  assert.deepEqual(thriftReader('binary', message).messageHead(), head)
})
