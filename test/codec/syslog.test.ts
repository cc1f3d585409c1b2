import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { charsetNamed } from '../../src/codec/charset.ts'
import { keepFieldsOf, type SyslogDialect, SyslogReader, type SyslogReaderOptions } from '../../src/codec/syslog.ts'
import { TimeZone } from '../../src/codec/time-zone.ts'
import { fc } from '../support/properties.ts'
import { type PlainEvent, plainEvents } from '../support/source-context.ts'

const nowMs = Date.UTC(2026, 10, 23, 12)

function reader(options: Partial<SyslogReaderOptions> & { readonly keep?: string } = {}): SyslogReader {
  const { keep = 'none', ...rest } = options
  return new SyslogReader({
    dialect: 'utils',
    keepFields: keepFieldsOf(keep),
    eventSize: 2500,
    now: () => nowMs,
    zone: TimeZone.utc,
    ...rest,
  })
}

function read(text: string, options: Parameters<typeof reader>[0] = {}): PlainEvent[] {
  return plainEvents(reader(options).read(Buffer.from(text)))
}

function status(word: string): Record<string, string> {
  return { 'flume.syslog.status': word }
}

const stamp = String(Date.UTC(2003, 7, 24, 5, 14, 15))

describe('syslog of syslogtcp and syslogudp', () => {
  const cases: readonly [what: string, line: string, headers: Record<string, string>, body: string][] = [
    [
      'RFC 3164 (S-42, S-45)',
      '<34>Oct 11 22:14:15 mymachine su: hello',
      {
        Facility: '4',
        Severity: '2',
        priority: '34',
        timestamp: String(Date.UTC(2026, 9, 11, 22, 14, 15)),
        host: 'mymachine',
      },
      'su: hello',
    ],
    [
      'RFC 3164 with two blanks before the day and a version',
      '<13>1 Nov  1 00:00:01 h b',
      {
        Facility: '1',
        Severity: '5',
        priority: '13',
        version: '1',
        timestamp: String(Date.UTC(2026, 10, 1, 0, 0, 1)),
        host: 'h',
      },
      'b',
    ],
    [
      'RFC 5424: what follows the host stays in the body (S-44), and the zone counts with a fraction (S-46)',
      '<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - It time',
      {
        Facility: '20',
        Severity: '5',
        priority: '165',
        version: '1',
        timestamp: String(Number(stamp) + 7 * 3_600_000),
        host: '192.0.2.1',
      },
      'myproc 8710 - - It time',
    ],
    [
      'a fraction is a fraction (S-45a)',
      '<165>1 2003-08-24T05:14:15.5Z host1 body two',
      {
        Facility: '20',
        Severity: '5',
        priority: '165',
        version: '1',
        timestamp: String(Number(stamp) + 500),
        host: 'host1',
      },
      'body two',
    ],
    [
      'no version, no zone: local time',
      '<13>2003-08-24T05:14:15 h b',
      { Facility: '1', Severity: '5', priority: '13', timestamp: stamp, host: 'h' },
      'b',
    ],
    [
      'neither stamp nor host',
      '<13>1 - - nil nil',
      { Facility: '1', Severity: '5', priority: '13', version: '1' },
      'nil nil',
    ],
    [
      'a priority beyond the standard (S-42)',
      '<999>1 2003-08-24T05:14:15Z h b',
      { Facility: '124', Severity: '7', priority: '999', version: '1', timestamp: stamp, host: 'h' },
      'b',
    ],
    [
      'an empty body keeps the whole message (S-51)',
      '<13>2003-08-24T05:14:15Z h ',
      { Facility: '1', Severity: '5', priority: '13', timestamp: stamp, host: 'h' },
      '<13>2003-08-24T05:14:15Z h ',
    ],
    [
      'a good message that matches no pattern (S-43)',
      '<10>Good good good data',
      { Facility: '1', Severity: '2' },
      '<10>Good good good data',
    ],
    [
      'a month that is none has no time',
      '<13>Foo  1 00:00:01 h b',
      { Facility: '1', Severity: '5', priority: '13', host: 'h' },
      'b',
    ],
    [
      'a body that begins with a dash is no RFC 5424',
      '<13>Nov 11 00:00:01 h - - [x]',
      {
        Facility: '1',
        Severity: '5',
        priority: '13',
        timestamp: String(Date.UTC(2026, 10, 11, 0, 0, 1)),
        host: 'h',
      },
      '- - [x]',
    ],
    [
      'an IPv6 host does not match (S-46)',
      '<13>Nov 11 00:00:01 fe80::1 b',
      { Facility: '1', Severity: '5' },
      '<13>Nov 11 00:00:01 fe80::1 b',
    ],
    ...['<10F> bad bad data', 'hi guys! <10> bad bad data', '<1234> bad', '<> bad', '<13'].map(
      (line): [string, string, Record<string, string>, string] => [
        `Invalid: ${line} (S-41)`,
        line,
        { Facility: '0', Severity: '0', ...status('Invalid') },
        line,
      ],
    ),
  ]
  for (const [what, line, headers, body] of cases) {
    it(what, () => {
      assert.deepEqual(read(`${line}\n`), [{ headers, body }])
      assert.deepEqual(read(`${line}\r\n`), [{ headers, body }], 'the carriage return belongs to the end')
      assert.deepEqual(plainEvents(reader().readDatagrams([Buffer.from(line)])), [{ headers, body }], 'a datagram')
    })
  }

  it('nothing of one message is left for the next (S-47), and a newline always ends one (S-41)', () => {
    const lines = ['<34>1 2003-08-24T05:14:15Z h b', '<13', '<14>no stamp', 'bad']
    const apart = lines.flatMap((line) => read(`${line}\n`))
    assert.deepEqual(read(lines.map((line) => `${line}\n`).join('')), apart)
  })

  it('newlines in front of a message are skipped; what has no end waits (S-40)', () => {
    const r = reader()
    assert.deepEqual(
      plainEvents(r.read(Buffer.from('\n\r\n\n<13>a\n<13>b'))).map(({ body }) => body),
      ['<13>a'],
    )
    assert.equal(r.carryBytes, 5)
    assert.deepEqual(
      plainEvents(r.read(Buffer.from('c\n'))).map(({ body }) => body),
      ['<13>bc'],
    )
  })

  it('a message longer than eventSize becomes several, the first Incomplete (S-49)', () => {
    const events = read(`<13>${'x'.repeat(26)}\n<13>next\n`, { eventSize: 10 })
    assert.deepEqual(
      events.map(({ headers, body }) => [headers['flume.syslog.status'], body]),
      [
        ['Incomplete', '<13>xxxxxx'],
        ['Invalid', 'x'.repeat(10)],
        ['Invalid', 'x'.repeat(10)],
        [undefined, '<13>next'],
      ],
    )
  })

  it('counts of octets frame messages, newlines in them included (RFC 6587)', () => {
    const text = '<13>Nov 11 00:00:01 h one\ntwo'
    const framed = `${text.length} ${text}`
    assert.deepEqual(
      read(`${framed}${framed}5 <13>x`).map(({ body }) => body),
      ['one\ntwo', 'one\ntwo', '<13>x'],
    )
    assert.deepEqual(
      read('5 <13>x6 <13>y\n').map(({ body }) => body),
      ['<13>x', '<13>y'],
    )
    assert.deepEqual(
      read('12 is no count\n').map(({ headers }) => headers['flume.syslog.status']),
      ['Invalid'],
    )
    assert.deepEqual(
      read(`25 <13>${'x'.repeat(21)}<13>next\n`, { eventSize: 10 }).map(({ body }) => body),
      ['<13>xxxxxx', 'x'.repeat(10), 'x'.repeat(5), '<13>next'],
    )
  })

  const kept: readonly [keep: string, body: string][] = [
    ['none', 'b c'],
    ['false', 'b c'],
    ['all', '<34>1 2003-08-24T05:14:15.5Z h b c'],
    ['TRUE', '<34>1 2003-08-24T05:14:15.5Z h b c'],
    ['priority version timestamp hostname', '<34>1 2003-08-24T05:14:15.5Z h b c'],
    ['hostname,timestamp', '2003-08-24T05:14:15.5Z h b c'],
    ['version', '1 b c'],
  ]
  for (const [keep, body] of kept) {
    it(`keepFields ${keep} (S-48)`, () => {
      assert.equal(read('<34>1 2003-08-24T05:14:15.5Z h b c\n', { keep })[0]?.body, body)
    })
  }

  it('a field that is kept and not there is a dash (S-48a)', () => {
    assert.equal(read('<13>1 - - nil nil\n', { keep: 'timestamp hostname' })[0]?.body, '- - nil nil')
  })

  it('a stamp without a year is put between eleven months ago and a month from now (S-45)', () => {
    for (let month = -10; month <= 1; month++) {
      const wall = new Date(Date.UTC(2026, 10 + month, 20, 1, 2, 3))
      const name = wall.toUTCString().slice(8, 11)
      const [event] = read(`<13>${name} 20 01:02:03 h b\n`)
      assert.equal(event?.headers.timestamp, String(wall.getTime()), `${month} months from now`)
    }
  })

  it('bytes of a body stay as they are', () => {
    const line = Buffer.concat([Buffer.from('<13>Nov 11 00:00:01 h '), Buffer.from([0xff, 0x00, 0xe9, 0x0a])])
    assert.deepEqual(Buffer.from(reader().read(line).bodyAt(0)), Buffer.from([0xff, 0x00, 0xe9]))
  })

  it('what follows a newline in a datagram is lost, datagrams never run together (S-40)', () => {
    const datagrams = ['\n<13>a\nb', '', '<13>2003-08-24T05:14', ':15Z h b', '<13>c\n'].map((text) => Buffer.from(text))
    assert.deepEqual(
      plainEvents(reader().readDatagrams(datagrams)).map(({ body }) => body),
      ['<13>a', '', '<13>2003-08-24T05:14', ':15Z h b', '<13>c'],
    )
  })
})

describe('syslog of multiport_syslogtcp', () => {
  const parse = (line: string): PlainEvent => read(`${line}\n`, { dialect: 'parser' })[0] as PlainEvent

  const times: readonly [stamp: string, timeMs: number][] = [
    ['1985-04-12T23:20:50.52Z', Date.UTC(1985, 3, 12, 23, 20, 50, 520)],
    ['1985-04-12T19:20:50.52-04:00', Date.UTC(1985, 3, 12, 23, 20, 50, 520)],
    ['2003-10-11T22:14:15.003Z', Date.UTC(2003, 9, 11, 22, 14, 15, 3)],
    ['2003-08-24T05:14:15.000003-07:00', Date.UTC(2003, 7, 24, 12, 14, 15)],
    ['2012-04-13T11:11:11-08:00', Date.UTC(2012, 3, 13, 19, 11, 11)],
    ['2012-04-13T08:08:08.0001+00:00', Date.UTC(2012, 3, 13, 8, 8, 8)],
    ['Oct 11 22:14:15', Date.UTC(2026, 9, 11, 22, 14, 15)],
    ['Feb  5 17:32:18', Date.UTC(2026, 1, 5, 17, 32, 18)],
    ['-', nowMs],
  ]
  for (const [text, timeMs] of times) {
    it(`reads the stamp ${text} (S-61, S-63)`, () => {
      assert.deepEqual(parse(`<34>1 ${text} mymachine su: hello`), {
        headers: {
          Facility: '4',
          Severity: '2',
          Priority: '34',
          Version: '1',
          timestamp: String(timeMs),
          host: 'mymachine',
        },
        body: 'su: hello',
      })
    })
  }

  for (const line of [
    'bad line',
    '<13>no stamp here',
    '<13>',
    '<13>1 2003-08-24T05:14:15 h no zone',
    '<13>1 2003-08-24T05:14:15.5 h no zone',
    '<13>Foo 11 22:14:15 h b',
    '<13>Hello world, how are you',
    '<13>1 - host',
    '<13>1 -',
    `<13>${'2'.repeat(100)}Z h b`,
  ]) {
    it(`Invalid: ${line.slice(0, 50)} (S-61, S-62)`, () => {
      assert.deepEqual(parse(line), { headers: status('Invalid'), body: line })
    })
  }

  it('bytes that are no text of the charset make it Invalid (S-65)', () => {
    const line = Buffer.concat([Buffer.from('<34>1 - h '), Buffer.from([0xe9, 0x0a])])
    const statusIn = (name: string): string | undefined =>
      reader({ dialect: 'parser', charset: charsetNamed(name) as never })
        .read(Buffer.from(line))
        .headerAt('flume.syslog.status', 0)
    assert.equal(statusIn('UTF-8'), 'Invalid')
    assert.equal(statusIn('ISO-8859-1'), undefined)
  })

  it('an empty message after the host keeps the whole line; a host of a dash is a dash (S-61, S-66)', () => {
    assert.equal(parse('<34>1 - h ').body, '<34>1 - h ')
    assert.equal(parse('<34>1 - - x').headers.host, '-')
  })
})

describe('whatever comes', () => {
  const piece = fc.oneof(
    fc.constantFrom('<13>', '<', '>', '1 ', '-', ' ', '\n', '\r', '12 ', '2003-08-24T05:14:15', '.5', 'Z', '+01:00'),
    fc.constantFrom('Oct 11 22:14:15', 'Oct', 'host', '<165>1 2003-08-24T05:14:15.5Z host1 body\n'),
    fc.string({ maxLength: 8 }),
  )
  const stream = fc.array(piece, { maxLength: 40 }).map((pieces) => Buffer.from(pieces.join('')))
  for (const dialect of ['utils', 'parser'] as const satisfies readonly SyslogDialect[]) {
    it(`${dialect}: events are the same however the bytes are cut into chunks, and memory stays bounded`, () => {
      fc.assert(
        fc.property(stream, fc.array(fc.nat(60), { maxLength: 10 }), (bytes, cuts) => {
          const whole = plainEvents(reader({ dialect, eventSize: 64 }).read(Buffer.from(bytes)), 'latin1')
          const r = reader({ dialect, eventSize: 64 })
          const parts: PlainEvent[] = []
          let at = 0
          for (const length of [...cuts, bytes.length]) {
            parts.push(...plainEvents(r.read(Buffer.from(bytes.subarray(at, at + length))), 'latin1'))
            assert.ok(r.carryBytes < 64 + 10)
            at = Math.min(bytes.length, at + length)
          }
          assert.deepEqual(parts, whole)
        }),
        { numRuns: 20_000 },
      )
    })
  }
})
