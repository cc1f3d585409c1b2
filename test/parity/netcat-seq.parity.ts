import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { type Side, type Stand, sideBySide } from '../peers/side-by-side.ts'

/** Sends the bytes, ends its side, and resolves to everything that was answered until the connection closed. */
async function talk(port: number, bytes: Buffer): Promise<string> {
  for (let left = 100; ; left--) {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    try {
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    } catch (error) {
      if (left === 0) throw error
      await systemClock.sleep(50)
      continue
    }
    let answers = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      answers += text
    })
    // A peer that closes at once resets what it had not read.
    socket.on('error', () => undefined)
    socket.write(bytes)
    const settled = systemClock.sleep(1500)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    await Promise.race([settled, closed])
    socket.end()
    await closed
    return answers
  }
}

interface Case {
  readonly what: string
  readonly options: readonly string[]
  /** Each on a connection of its own. */
  readonly sent: readonly (string | Buffer)[]
  readonly lines: number
}

const cases: readonly Case[] = [
  {
    what: 'lines of all kinds are acknowledged one by one; an unfinished one is lost (S-20, S-21, S-23)',
    options: [],
    sent: ['one\ntwo\r\n\n grün €\nunfinished', 'again\n'],
    lines: 5,
  },
  {
    what: 'nothing is answered without acks (S-21)',
    options: ['ack-every-event = false'],
    sent: ['one\ntwo\n'],
    lines: 2,
  },
  {
    what: 'a line that is too long is refused, and the connection closed (S-22)',
    options: ['max-line-length = 10'],
    sent: ['123456789\n12345678901\nafter\n', 'next\n'],
    lines: 2,
  },
  {
    what: 'a line that is too long is refused without acks as well (S-22)',
    options: ['max-line-length = 10', 'ack-every-event = false'],
    sent: ['12345678901234567890\nafter\n', 'next\n'],
    lines: 1,
  },
  {
    what: 'bytes that are no text end the connection without a word (S-24)',
    options: [],
    sent: [Buffer.from([0x61, 0xff, 0x62, 0x0a]), 'next\n'],
    lines: 1,
  },
  {
    what: 'another encoding (S-20)',
    options: ['encoding = ISO-8859-1'],
    sent: [Buffer.from([0x67, 0x72, 0xfc, 0x6e, 0x0a])],
    lines: 1,
  },
]

for (const version of ['1.9', '1.11'] as const) {
  for (const { what, options, sent, lines } of cases) {
    test(`netcat: ${what}, as in Flume ${version}`, async (t) => {
      const answers: Record<Side, string[]> = { theirs: [], ours: [] }
      const { theirs, ours } = await sideBySide(t, {
        version,
        source: ['type = netcat', 'bind = 127.0.0.1', 'port = PORT', ...options],
        feed: async ({ side, port }: Stand) => {
          for (const each of sent) answers[side].push(await talk(port, Buffer.from(each as string)))
        },
        lines,
      })
      assert.deepEqual(answers.ours, answers.theirs)
      assert.equal(ours, theirs)
    })
  }

  test(`seq: numbers up to totalEvents, as in Flume ${version} (S-120)`, async (t) => {
    const { theirs, ours } = await sideBySide(t, {
      version,
      source: ['type = seq', 'totalEvents = 25', 'batchSize = 4'],
      lines: 25,
    })
    assert.equal(ours, theirs)
    assert.equal(ours.split('\n').filter((line) => line !== '').length, 25)
  })
}
