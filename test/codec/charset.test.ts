import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Charset, charsetNamed, charsetNames, charsetOfFile, repairUtf8 } from '../../src/codec/charset.ts'
import { fc } from '../support/properties.ts'

function named(name: string): Charset {
  const charset = charsetNamed(name)
  assert.ok(charset, name)
  return charset
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('charsets', () => {
  // What Flume 1.11 on Java 17 wrote for `<` + these bytes + `>` under REPLACE; R is U+FFFD.
  for (const [bytes, expected] of [
    ['80', 'R'],
    ['c0 80', 'RR'],
    ['c3', 'R'],
    ['c3 28', 'R('],
    ['e2 82', 'R'],
    ['e2 28 a1', 'R(R'],
    ['e2 82 28', 'R('],
    ['ed a0 80', 'R'],
    ['f0 28 8c bc', 'R(RR'],
    ['f0 90 28 bc', 'R(R'],
    ['f0 90 8c 28', 'R('],
    ['f0 9f 98', 'R'],
    ['f5 80 80 80', 'RRRR'],
    ['f4 90 80 80', 'RRRR'],
    ['ff fe', 'RR'],
    ['e0 80 80', 'RRR'],
    ['f0 80 80 80', 'RRRR'],
    ['ed a0 bd ed b8 80', 'RR'],
    ['f8 88 80 80 80', 'RRRRR'],
    ['c3 c3 a9', 'Ré'],
    ['e2 e2 82 ac', 'R€'],
    ['f0 9f e2 82 ac', 'R€'],
    ['fc 84 80 80 80 80', 'RRRRRR'],
    ['e0 a0', 'R'],
    ['f1 80', 'R'],
    ['e1 80 e2 f0 91 92 f1 bf 41', 'RRRRA'],
  ] as const) {
    it(`finds the mistakes in UTF-8 ${bytes} as Java does (S-79)`, () => {
      const input = Buffer.concat([Buffer.from('<'), hex(bytes), Buffer.from('>')])
      const replaced = `<${expected.replaceAll('R', '\uFFFD')}>`
      assert.equal(Buffer.from(repairUtf8(input, '\uFFFD') as Uint8Array).toString(), replaced)
      assert.equal(named('UTF-8').decode(input, ''), `<${expected.replaceAll('R', '')}>`)
      assert.equal(named('UTF-8').decode(input, undefined), undefined)
    })
  }

  it('hands well-formed UTF-8 back without touching it', () => {
    const input = Buffer.from('\uFEFFé€😀')
    assert.equal(repairUtf8(input, undefined), input)
    assert.equal(named('utf8').decode(input, undefined), '\uFEFFé€😀', 'the byte order mark stays (S-83)')
  })

  // As Flume 1.11 on Java 17 decoded them under REPLACE.
  for (const [name, bytes, expected] of [
    ['windows-1252', '78 80 81 8d 9f', 'x€\uFFFD\uFFFDŸ'],
    ['US-ASCII', '78 80 e9 79', 'x\uFFFD\uFFFDy'],
    ['ISO-8859-1', '78 80 e9 79', 'x\u0080éy'],
    ['ISO-8859-7', '78 d2 ff ae 79', 'x\uFFFD\uFFFD\uFFFDy'],
    ['GBK', 'd6 d0 ce c4', '中文'],
    ['Shift_JIS', '93 fa 96 7b 5c 7e', '日本\\~'],
  ] as const) {
    it(`reads ${name} as Java does`, () => {
      assert.equal(named(name).decode(hex(bytes), '\uFFFD'), expected)
    })
  }

  it('does not take an ISO charset for the Windows one that WHATWG means by its name', () => {
    assert.equal(named('ISO-8859-9').decode(hex('80 fd'), undefined), '\u0080ı')
    assert.equal(named('latin1').decode(hex('80'), undefined), '\u0080')
  })

  it('reads UTF-16 by its mark, big endian without one', () => {
    const { charset, skip } = charsetOfFile(named('UTF-16'), hex('ff fe'))
    assert.deepEqual([charset.name, skip], ['UTF-16LE', 2])
    assert.deepEqual(charsetOfFile(named('UTF-16'), hex('fe ff')).skip, 2)
    assert.deepEqual(charsetOfFile(named('UTF-16'), hex('00 61')).skip, 0)
    assert.deepEqual(charsetOfFile(named('UTF-16LE'), hex('ff fe')).skip, 0, 'a named byte order keeps the mark')
    assert.equal(named('UTF-16BE').decode(hex('d83d 0061 dc00 d83d de00 00'), '\uFFFD'), '\uFFFDa\uFFFD😀\uFFFD')
  })

  it('writes what it can and a question mark for the rest, as Java does', () => {
    const written = (name: string, text: string) => Buffer.from(named(name).encode?.(text) ?? []).toString('hex')
    assert.equal(written('ISO-8859-1', 'x é € 😀'), '7820e9203f203f')
    assert.equal(written('UTF-16', 'x é'), 'feff0078002000e9')
    assert.equal(written('windows-1252', '€'), '80')
    assert.equal(named('GBK').encode, undefined)
  })

  it('knows Java’s other names in any case', () => {
    for (const [name, expected] of [
      ['LATIN1', 'ISO-8859-1'],
      ['iso8859_15', 'ISO-8859-15'],
      ['Cp1252', 'windows-1252'],
      ['sjis', 'Shift_JIS'],
      ['ascii', 'US-ASCII'],
    ] as const) {
      assert.equal(named(name).name, expected)
    }
    assert.equal(charsetNamed('UTF-7'), undefined)
  })

  it('walks any bytes in steps that add up, whatever they are', () => {
    fc.assert(
      fc.property(fc.constantFrom(...charsetNames), fc.uint8Array({ minLength: 1, maxLength: 40 }), (name, bytes) => {
        const charset = named(name)
        let position = 0
        while (position < bytes.length) {
          const step = charset.charAt(bytes, position)
          assert.ok(step.bytes >= 1 && step.units >= 1)
          position += step.bytes
        }
        assert.equal(position, bytes.length)
        assert.ok(charset.decode(bytes, '\uFFFD') !== undefined)
        const strict = charset.decode(bytes, undefined)
        if (strict !== undefined) assert.equal(charset.decode(bytes, ''), strict)
      }),
    )
  })

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(fc.constantFrom('UTF-8', 'UTF-16LE', 'UTF-16BE'), fc.string({ unit: 'grapheme' }), (name, text) => {
        const charset = named(name)
        assert.equal(charset.decode(charset.encode?.(text) as Uint8Array, undefined), text)
      }),
    )
  })
})
