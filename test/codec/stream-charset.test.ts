import assert from 'node:assert/strict'
import { test } from 'node:test'
import { streamCharset } from '../../src/codec/stream-charset.ts'
import { FlumeError } from '../../src/core/error.ts'

function decoded(name: string, ...chunks: string[]): string {
  const decode = streamCharset(name)?.decoder()
  assert.ok(decode, name)
  return Buffer.concat(chunks.map((hex) => decode(Buffer.from(hex, 'hex')))).toString()
}

const cases = [
  { name: 'UTF-8', hex: ['c3a9'], text: 'é' },
  { name: 'ISO-8859-1', hex: ['e9', '80'], text: 'é\u0080' },
  { name: 'latin1', hex: ['e9'], text: 'é' },
  { name: 'windows-1252', hex: ['80'], text: '€' },
  { name: 'US-ASCII', hex: ['61'], text: 'a' },
  { name: 'UTF-16', hex: ['feff00e9'], text: 'é' },
  { name: 'UTF-16', hex: ['ff', 'fee900'], text: 'é' },
  { name: 'UTF-16', hex: ['00', 'e9'], text: 'é' },
  { name: 'UTF-16LE', hex: ['e900'], text: 'é' },
  { name: 'UTF-16BE', hex: ['00', 'e9'], text: 'é' },
  { name: 'Shift_JIS', hex: ['82', 'a0'], text: 'あ' },
]
for (const { name, hex, text } of cases) {
  test(`${name} reads ${hex.join(' ')} as ${JSON.stringify(text)}`, () => assert.equal(decoded(name, ...hex), text))
}

for (const { name, hex } of [
  { name: 'US-ASCII', hex: '80' },
  { name: 'UTF-16LE', hex: '00d80000' },
  { name: 'EUC-JP', hex: 'ffff' },
]) {
  test(`${name} refuses ${hex}`, () => {
    assert.throws(
      () => decoded(name, hex),
      (error) => error instanceof FlumeError && error.code === 'INVALID_DATA',
    )
  })
}

test('answers are encoded in the same set; UTF-16 begins with its mark once; what is lacking becomes a question mark', () => {
  const encoded = (name: string, ...texts: string[]): string => {
    const encode = streamCharset(name)?.encoder()
    return texts.map((text) => encode?.(text).toString('hex')).join(' ')
  }
  assert.equal(encoded('utf-8', 'é'), 'c3a9')
  assert.equal(encoded('iso-8859-1', 'é€'), 'e93f')
  assert.equal(encoded('us-ascii', 'aé'), '613f')
  assert.equal(encoded('utf-16', 'a', 'b'), 'feff0061 0062')
  assert.equal(encoded('utf-16le', 'a'), '6100')
  assert.equal(encoded('windows-1252', 'OK\n€'), '4f4b0a80')
})

test('an unknown name is no character set', () => assert.equal(streamCharset('klingon'), undefined))
