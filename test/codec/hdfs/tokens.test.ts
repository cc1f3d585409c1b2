import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { readTokenFile, readTokenIdentity, readUrlToken, urlToken } from '../../../src/codec/hdfs/tokens.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { fuzzRuns } from '../../support/fuzz-runs.ts'

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../../../../test/fixture/hdfs-tokens/${name}`, import.meta.url))
const url = fixture('token.url').toString()
const formats = ['tokens-writable.bin', 'tokens-protobuf.bin']

describe('a file of tokens that Hadoop wrote', () => {
  for (const name of formats) {
    it(`is read: ${name}`, () => {
      const tokens = readTokenFile(fixture(name))
      assert.deepEqual(
        new Set(tokens.map(({ kind }) => kind)),
        new Set(['HDFS_DELEGATION_TOKEN', 'RM_DELEGATION_TOKEN']),
      )
      const token = tokens.find(({ kind }) => kind === 'HDFS_DELEGATION_TOKEN')
      assert.ok(token)
      assert.equal(token.service, '10.0.0.1:8020')
      assert.deepEqual(token.password, Buffer.from(Array.from({ length: 200 }, (_, i) => i)))
      assert.deepEqual(readTokenIdentity(token), {
        owner: 'etl/host.example.com@EXAMPLE.COM',
        renewer: 'yarn',
        latestMs: 1_700_604_800_000,
      })
      assert.equal(urlToken(token), url)
    })

    it(`is refused, not misread, when anything in it is damaged: ${name}`, () => {
      const random = seededRandom(11)
      const valid = fixture(name)
      let refused = 0
      for (let run = 0; run < fuzzRuns(20_000); run++) {
        const bytes = Buffer.from(valid)
        for (let changes = 1 + Math.floor(random() * 4); changes > 0; changes--) {
          bytes[Math.floor(random() * bytes.length)] = random() < 0.3 ? 255 : Math.floor(random() * 256)
        }
        try {
          for (const token of readTokenFile(bytes.subarray(0, Math.ceil(random() * bytes.length))))
            readTokenIdentity(token)
        } catch (error) {
          assert.ok(error instanceof FlumeError && error.code === 'PROTOCOL', String(error))
          refused++
        }
      }
      assert.ok(refused > 0)
    })
  }

  const wrong: readonly (readonly [what: string, bytes: Buffer, message: RegExp])[] = [
    ['is empty', Buffer.alloc(0), /does not begin with HDTS/],
    ['is of a later version', Buffer.from('HDTS\x02'), /version 2/],
    [
      'announces more tokens than any has',
      Buffer.from([...Buffer.from('HDTS'), 0, 0x8c, 127, 255, 255, 255]),
      /it says that it holds 2147483647/,
    ],
    ['announces a negative length', Buffer.from([...Buffer.from('HDTS'), 0, 1, 0xff]), /negative/],
    ['ends within a token', fixture('tokens-writable.bin').subarray(0, 100), /ends too early/],
  ]
  for (const [what, bytes, message] of wrong) {
    it(`is refused when it ${what}`, () => assert.throws(() => readTokenFile(bytes), { code: 'PROTOCOL', message }))
  }
})

describe('a token in an address', () => {
  it('is read and written as Hadoop does', () => {
    assert.equal(urlToken(readUrlToken(` ${url}==\n`)), url)
    assert.equal(readUrlToken(url).kind, 'HDFS_DELEGATION_TOKEN')
  })

  for (const text of ['', 'not a token', `${url}/`, url.slice(0, 50), 'AAA']) {
    it(`is refused when it is ${JSON.stringify(text.slice(0, 20))}, ${text.length} characters long`, () => {
      assert.throws(() => readUrlToken(text), { code: 'PROTOCOL' })
    })
  }

  it('says nothing of itself when it is of another kind', () => {
    const other = { ...readUrlToken(url), identifier: Buffer.from([1, 2, 3]) }
    assert.equal(readTokenIdentity(other), undefined)
    assert.equal(readTokenIdentity({ ...other, identifier: Buffer.from([0, 5]) }), undefined)
  })
})
