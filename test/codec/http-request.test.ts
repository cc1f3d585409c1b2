import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ChunkedBody, findHeadEnd, HttpError, headBytesMax, parseHead } from '../../src/codec/http-request.ts'
import { seededRandom } from '../../src/core/random.ts'

const isStatus = (status: number) => (error: unknown) => error instanceof HttpError && error.status === status
const head = (...lines: string[]) => parseHead(['POST /a?b HTTP/1.1', 'Host: x', ...lines].join('\r\n'))

describe('the head of a request', () => {
  it('is a method, a target and what the body is', () => {
    assert.deepEqual(head('Content-Length:  12 ', 'content-type: text/plain', 'X-Other: a\tb'), {
      method: 'POST',
      url: '/a?b',
      contentType: 'text/plain',
      contentLength: 12,
      keepsAlive: true,
      isOld: false,
      expectsContinue: false,
      headers: new Map(),
    })
    assert.equal(head().contentLength, 0)
    assert.equal(head('Transfer-Encoding: Chunked').contentLength, undefined)
    assert.equal(head('Connection: foo, Close').keepsAlive, false)
    assert.equal(head('Expect: 100-continue').expectsContinue, true)
  })

  it('keeps the headers that are asked for, several of one name in one', () => {
    const text = 'POST / HTTP/1.1\r\nHost: x\r\nX-Tag: a\r\nX-Other: b\r\nx-tag:  gr\xc3\xbcn '
    assert.deepEqual([...parseHead(text, new Set(['x-tag', 'x-none'])).headers], [['x-tag', 'a, grün']])
  })

  it('of HTTP/1.0 keeps the connection only when asked to, and needs no Host', () => {
    const old = (...lines: string[]) => parseHead(['GET / HTTP/1.0', ...lines].join('\r\n'))
    assert.deepEqual([old().keepsAlive, old().isOld], [false, true])
    assert.equal(old('Connection: keep-alive').keepsAlive, true)
  })

  const wrong: readonly (readonly [string, string[], number])[] = [
    ['two lengths', ['Content-Length: 1', 'Content-Length: 1'], 400],
    ['a length and chunks', ['Content-Length: 1', 'Transfer-Encoding: chunked'], 400],
    ['chunks twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], 400],
    ['a length that is none', ['Content-Length: +1'], 400],
    ['a negative length', ['Content-Length: -1'], 400],
    ['a huge length', ['Content-Length: 99999999999999999999'], 400],
    ['another transfer', ['Transfer-Encoding: gzip, chunked'], 501],
    ['another expectation', ['Expect: 200-maybe'], 417],
    ['a second Host', ['Host: y'], 400],
    ['a folded line', ['a: b', ' c'], 400],
    ['a blank before the colon', ['a : b'], 400],
    ['no colon', ['abc'], 400],
    ['a line end without CR', ['a: b\nContent-Length: 5'], 400],
    ['a control character', ['a: b\u0000'], 400],
  ]
  for (const [name, lines, status] of wrong) {
    it(`with ${name} is answered ${status}`, () => assert.throws(() => head(...lines), isStatus(status)))
  }

  for (const line of [
    '',
    'POST',
    'POST / HTTP/2.0',
    'POST  / HTTP/1.1',
    'P OST / HTTP/1.1',
    'POST / HTTP/1.1 ',
    'PO\u0000ST / HTTP/1.1',
  ]) {
    it(`beginning with ${JSON.stringify(line)} is answered 400`, () => {
      assert.throws(() => parseHead(`${line}\r\nHost: x`), isStatus(400))
    })
  }

  it('without a Host is answered 400', () => assert.throws(() => parseHead('GET / HTTP/1.1'), isStatus(400)))

  it('is found wherever it is cut, and may not be too long', () => {
    const bytes = Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\nbody')
    for (let cut = 1; cut < bytes.length - 4; cut++) {
      assert.equal(findHeadEnd(bytes.subarray(0, cut)), undefined)
      assert.equal(findHeadEnd(bytes, cut), bytes.length - 4)
    }
    assert.throws(() => findHeadEnd(Buffer.alloc(headBytesMax + 1, 'x')), isStatus(431))
  })
})

/** Feeds a text in pieces; answers body and what lies behind it, or the status of the refusal. */
function fed(text: string, cuts: (left: number) => number, bytesMax = 100): string {
  const body = new ChunkedBody(bytesMax)
  let left = Buffer.from(text, 'latin1')
  try {
    while (left.length > 0 && !body.isDone) {
      const size = Math.max(1, Math.min(left.length, cuts(left.length)))
      const rest = body.push(left.subarray(0, size))
      left = Buffer.concat([rest, left.subarray(size)])
    }
  } catch (error) {
    assert.ok(error instanceof HttpError, (error as Error).stack)
    return `${error.status}`
  }
  assert.ok(body.bytes <= bytesMax)
  return body.isDone ? `${body.take().toString('latin1')}|${left.toString('latin1')}` : 'more'
}

describe('a body in chunks', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['0\r\n\r\n', '|'],
    ['3\r\nabc\r\n0\r\n\r\nGET', 'abc|GET'],
    ['3;x="y"\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n', 'abc0123456789|'],
    ['2\r\n\r\n\r\n0\r\n\r\n', '\r\n|'],
    ['3\r\nabcd\r\n', '400'],
    ['3\r\nabc', 'more'],
    ['-1\r\n', '400'],
    ['0x3\r\nabc\r\n', '400'],
    ['\r\n', '400'],
    ['3\nabc\r\n', '400'],
    ['65\r\n', '413'],
    ['ffffffffffff\r\n', '413'],
    ['fffffffffffff\r\n', '400'],
    [`40\r\n${'x'.repeat(64)}\r\n40\r\n`, '413'],
    ['0\r\nno trailer\r\n\r\n', '400'],
    [`3;${'x'.repeat(2000)}`, '400'],
    [`0\r\n${'a: b\r\n'.repeat(5000)}\r\n`, '431'],
  ]
  for (const [text, expected] of cases) {
    it(`${JSON.stringify(text).slice(0, 60)} is ${JSON.stringify(expected)}, however it is cut`, () => {
      assert.equal(
        fed(text, (left) => left),
        expected,
      )
      assert.equal(
        fed(text, () => 1),
        expected,
      )
      assert.equal(
        fed(text, () => 7),
        expected,
      )
    })
  }

  it('reads random bytes alike however they are cut, and heads never to anything but a head or a refusal', (t) => {
    const random = seededRandom(5)
    // Most of these are refused, and where in the code is nobody's business.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    t.after(() => {
      Error.stackTraceLimit = stackTraceLimit
    })
    const pieces = [
      '0',
      '3',
      'a',
      '\r\n',
      '\r',
      '\n',
      'abc',
      ';',
      'x',
      ': ',
      '\r\n\r\n',
      'Content-Length: 3',
      'POST / HTTP/1.1',
      'Host: x',
      ' ',
      '\u0000',
      'chunked',
    ]
    for (let i = 0; i < 200_000; i++) {
      let text = random() < 0.5 ? '3\r\nabc\r\n' : ''
      for (let count = Math.floor(random() * 8); count >= 0; count--)
        text += pieces[Math.floor(random() * pieces.length)]
      const whole = fed(text, (left) => left, 12)
      assert.equal(
        fed(text, () => 1 + Math.floor(random() * 4), 12),
        whole,
        JSON.stringify(text),
      )
      try {
        const { contentLength, method } = parseHead(`POST / HTTP/1.1\r\nHost: x\r\n${text}`)
        assert.ok(method === 'POST' && (contentLength === undefined || contentLength >= 0))
      } catch (error) {
        assert.ok(error instanceof HttpError, (error as Error).stack)
      }
    }
  })
})
