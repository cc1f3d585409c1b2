import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readInFlight, readLogMeta } from '../../../src/codec/flume-log/meta.ts'
import { readFlumeEvent, readFlumeRecord } from '../../../src/codec/flume-log/record.ts'
import { delimited, field, fixed32, fixed64 } from '../../support/flume-channel.ts'

const head = (type: number, transaction = 7, order = 9): Buffer =>
  delimited(Buffer.concat([fixed32(1, type), fixed64(2, transaction), fixed64(3, order)]))
const footer = Buffer.of(0)
const header = (...parts: Buffer[]): Buffer => field(1, Buffer.concat(parts))
const event = (...parts: Buffer[]): Buffer => field(1, Buffer.concat(parts))
const text = (number: number, value: string): Buffer => field(number, Buffer.from(value))
const put = (...parts: Buffer[]): Buffer => Buffer.concat([head(1), delimited(Buffer.concat(parts)), footer])
/** CRC-32 of "hello". */
const crcOfHello = 0x3610a686

describe("a record of Flume's log", () => {
  it('a put has an event; a header without a value has the empty text (F-13)', () => {
    const bytes = put(
      event(
        header(text(1, 'a'), text(2, 'é')),
        header(text(1, 'b')),
        header(text(1, '__proto__'), text(2, 'x')),
        text(2, 'hello'),
      ),
      fixed64(2, crcOfHello),
    )
    const { headers, start, end } = readFlumeEvent(bytes, 0, bytes.length)
    assert.deepEqual(Object.entries(headers), [
      ['a', 'é'],
      ['b', ''],
      ['__proto__', 'x'],
    ])
    assert.equal(bytes.toString('utf8', start, end), 'hello')
    assert.equal(readFlumeRecord(bytes, 0, bytes.length).type, 'put')
  })

  it('a put of Flume 1.3, which wrote no checksum, is an event too', () => {
    const bytes = put(event(text(2, 'hello')))
    assert.equal(readFlumeEvent(bytes, 0, bytes.length).end - readFlumeEvent(bytes, 0, bytes.length).start, 5)
  })

  it('takes, commits and rollbacks are told apart', () => {
    const read = (type: number, ...parts: Buffer[]) => {
      const bytes = Buffer.concat([head(type), delimited(Buffer.concat(parts)), footer])
      return readFlumeRecord(bytes, 0, bytes.length)
    }
    const common = { transaction: 7, order: 9, file: 0, offset: 0, commitsTakes: false }
    assert.deepEqual(read(2, fixed32(1, 3), fixed32(2, 99)), { ...common, type: 'take', file: 3, offset: 99 })
    assert.deepEqual(read(3), { ...common, type: 'rollback' })
    assert.deepEqual(read(4, fixed32(1, 1)), { ...common, type: 'commit' })
    assert.deepEqual(read(4, fixed32(1, 2)), { ...common, type: 'commit', commitsTakes: true })
  })

  const take = (...parts: Buffer[]): Buffer => Buffer.concat([head(2), delimited(Buffer.concat(parts)), footer])
  const broken: readonly (readonly [string, Buffer, RegExp])[] = [
    ['nothing', Buffer.alloc(0), /is cut off/],
    ['a length beyond the end', Buffer.of(100, 1, 2), /head of a record of 100 bytes where 2 are left/],
    ['a number of six bytes', Buffer.of(255, 255, 255, 255, 255, 1), /more than five bytes/],
    ['a type that there is not', Buffer.concat([head(5), footer, footer]), /no head of a record/],
    ['a transaction id below 0', Buffer.concat([head(2, -1), footer, footer]), /transaction id is out of range/],
    ['an order id beyond 2^53', Buffer.concat([head(2, 1, 2 ** 60), footer, footer]), /order id is out of range/],
    ['a take of no log', take(fixed32(2, 5)), /a take of file 0/],
    ['a take from before the start', take(fixed32(1, 1), fixed32(2, -5)), /a take of file 1, offset -5/],
    ['a field that nobody knows', take(fixed32(1, 1), fixed32(9, 1)), /take has a field 9/],
    ['a field of another type', take(fixed64(1, 1)), /file of a take is of wire type 1/],
    ['a field of a type that there is not', take(Buffer.of(3)), /field tag 3/],
    ['a commit of something else', Buffer.concat([head(4), delimited(fixed32(1, 3)), footer]), /commit of type 3/],
    ['bytes behind the footer', Buffer.concat([take(fixed32(1, 1)), footer]), /1 bytes behind the footer/],
  ]
  for (const [what, bytes, message] of broken) {
    it(`is refused: ${what}`, () => {
      assert.throws(() => readFlumeRecord(bytes, 0, bytes.length), { code: 'INVALID_DATA', message })
    })
  }

  const brokenPuts: readonly (readonly [string, Buffer, RegExp])[] = [
    ['a wrong checksum', put(event(text(2, 'hellp')), fixed64(2, crcOfHello)), /checksum of an event is 907060870/],
    ['no event', put(fixed64(2, crcOfHello)), /without an event/],
    ['no body', put(event()), /without a body/],
    ['a header without a key', put(event(header(text(2, 'v')), text(2, ''))), /without a key/],
    ['a take', take(fixed32(1, 1)), /a take where an event is expected/],
  ]
  for (const [what, bytes, message] of brokenPuts) {
    it(`gives no event: ${what}`, () => {
      assert.throws(() => readFlumeEvent(bytes, 0, bytes.length), { code: 'INVALID_DATA', message })
    })
  }
})

describe("the files beside Flume's logs", () => {
  it('metadata of another version is refused', () => {
    assert.throws(() => readLogMeta(delimited(fixed32(1, 4))), { code: 'INVALID_DATA', message: /version 4, not 3/ })
  })

  it('transactions in flight whose checksum does not hold are refused', () => {
    assert.deepEqual(readInFlight(Buffer.alloc(0)), [])
    assert.throws(() => readInFlight(Buffer.alloc(32)), { code: 'INVALID_DATA', message: /checksum does not hold/ })
  })
})
