import assert from 'node:assert/strict'
import { test } from 'node:test'
import { netcat } from '../../../src/agent/source/netcat.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { readOptions } from '../../support/read-options.ts'
import { listen, RawClient } from '../../support/rpc.ts'
import { type RunningSource, startSource } from '../../support/running-source.ts'
import { FakeSourceContext } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

/** Runs `use` with a source and one client of it. */
async function dialogue(
  texts: Readonly<Record<string, string>>,
  use: (client: RawClient, source: RunningSource) => Promise<void>,
): Promise<void> {
  const source = await startSource(netcat, texts)
  const client = await RawClient.connect(source.port)
  try {
    await use(client, source)
  } finally {
    client.destroy()
    await source.stop()
  }
}

const bodies = (source: RunningSource): string[] => source.context.events.map(({ body }) => body)

interface Case {
  readonly name: string
  readonly options?: Readonly<Record<string, string>>
  readonly sent: Buffer | string
  readonly bodies: string[]
  readonly answer: string
}

const cases: Case[] = [
  {
    name: 'each line is an event and is answered OK (S-20, S-21)',
    sent: 'a\nb\n',
    bodies: ['a', 'b'],
    answer: 'OK\nOK\n',
  },
  {
    name: 'carriage returns stay, empty lines are events (S-20)',
    sent: 'a\r\n\n',
    bodies: ['a\r', ''],
    answer: 'OK\nOK\n',
  },
  {
    name: 'what follows the last newline is discarded when the client ends (S-20)',
    sent: 'a\nrest',
    bodies: ['a'],
    answer: 'OK\n',
  },
  {
    name: 'acknowledgements can be off (S-21)',
    options: { 'ack-every-event': 'false' },
    sent: 'a\nb\n',
    bodies: ['a', 'b'],
    answer: '',
  },
  {
    name: 'a line that fills the buffer is answered FAILED behind the lines before it, and ends the connection (S-22)',
    options: { 'max-line-length': '5' },
    sent: 'abcd\nabcde\nf\n',
    bodies: ['abcd'],
    answer: 'OK\nFAILED: Event exceeds the maximum length (5 chars, including newline)\n',
  },
  {
    name: 'FAILED is said even when acknowledgements are off (S-22)',
    options: { 'max-line-length': '5', 'ack-every-event': 'false' },
    sent: 'abcdefgh',
    bodies: [],
    answer: 'FAILED: Event exceeds the maximum length (5 chars, including newline)\n',
  },
  {
    name: 'characters count, not bytes',
    options: { 'max-line-length': '5' },
    sent: '€€€€\n',
    bodies: ['€€€€'],
    answer: 'OK\n',
  },
  {
    name: 'bytes that are no UTF-8 end the connection without an answer, later lines are lost (S-24)',
    sent: Buffer.concat([Buffer.from('good\nb'), Buffer.from([0xff]), Buffer.from('d\nlater\n')]),
    bodies: ['good'],
    answer: 'OK\n',
  },
  {
    name: 'latin1 lines become UTF-8 bodies',
    options: { encoding: 'ISO-8859-1' },
    sent: Buffer.from([0xe9, 0x0a]),
    bodies: ['é'],
    answer: 'OK\n',
  },
  {
    name: 'us-ascii refuses other bytes',
    options: { encoding: 'us-ascii' },
    sent: Buffer.from([0xe9, 0x0a]),
    bodies: [],
    answer: '',
  },
]
for (const { name, options = {}, sent, bodies: wanted, answer } of cases) {
  test(name, () =>
    dialogue(options, async (client, source) => {
      client.write(sent)
      client.end()
      assert.equal((await client.whenClosed()).toString(), answer)
      assert.deepEqual(bodies(source), wanted)
    }),
  )
}

test('UTF-16 is read and answered in UTF-16, with one mark', () =>
  dialogue({ encoding: 'utf-16' }, async (client, source) => {
    client.write(Buffer.from('\ufeffé\n', 'utf16le'))
    client.write(Buffer.from('two\n', 'utf16le'))
    const answer = await client.whenReceived(14)
    assert.equal(answer.toString('hex'), `feff${'004f004b000a'.repeat(2)}`)
    assert.deepEqual(bodies(source), ['é', 'two'])
  }))

test('a refused line is answered FAILED with the reason, the lines after it are tried, the connection stays (S-21, S-23)', () =>
  dialogue({}, async (client, source) => {
    source.context.room = 2
    client.write('a\nb\nc\nd\n')
    const answer = 'OK\nOK\nFAILED: no room in the channel\nFAILED: no room in the channel\n'
    assert.equal((await client.whenReceived(answer.length)).toString(), answer)
    source.context.room = 1
    client.write('e\n')
    await client.whenReceived(answer.length + 3)
    assert.deepEqual(bodies(source), ['a', 'b', 'e'])
  }))

test('one chunk of lines is one batch and many chunks of one line are one line', () =>
  dialogue({ 'max-line-length': '100000' }, async (client, source) => {
    client.write(Array.from({ length: 200 }, (_, i) => `${i}\n`).join(''))
    await client.whenReceived(3 * 200)
    assert.equal(source.context.batches.length, 1)
    client.write('x'.repeat(50_000))
    client.write(`${'y'.repeat(40_000)}\n`)
    await client.whenReceived(3 * 201)
    assert.equal(source.context.events.at(-1)?.body.length, 90_000)
  }))

test('more lines than acknowledgements are kept ready are all answered', () =>
  dialogue({}, async (client) => {
    client.write('\n'.repeat(20_000))
    assert.equal((await client.whenReceived(60_000)).toString(), 'OK\n'.repeat(20_000))
  }))

test('while a delivery waits, at most the chunks under way are read: the client is held back', () =>
  dialogue({}, async (client, source) => {
    const release = source.context.hold()
    client.write('first\n')
    await until(() => source.context.pending === 1)
    const chunk = Buffer.alloc(64 * 1024, `${'x'.repeat(63)}\n`)
    let taken = 0
    for (let i = 0; i < 400; i++) client.socket.write(chunk, () => taken++)
    // 25 MB cannot all lie in the buffers of the system and of one chunk ahead.
    await until(() => client.socket.bytesWritten > 0 && client.socket.writableNeedDrain)
    assert.equal(source.context.pending, 1)
    assert.equal(source.context.count, 0)
    assert.ok(taken < 400)
    release()
    await source.context.whenDelivered(1 + 400 * 1024)
  }))

test('a stop lets the delivery under way end and be answered', async () => {
  const source = await startSource(netcat)
  const client = await RawClient.connect(source.port)
  const release = source.context.hold()
  client.write('last\n')
  await until(() => source.context.pending === 1)
  const stopped = source.stop()
  release()
  assert.equal((await client.whenClosed()).toString(), 'OK\n')
  await stopped
  assert.deepEqual(bodies(source), ['last'])
})

test('open connections are counted', () =>
  dialogue({}, async (client, source) => {
    client.write('a\n')
    await client.whenReceived(3)
    assert.equal(source.context.counters.openConnections, 1)
    client.destroy()
    await until(() => source.context.counters.openConnections === 0)
  }))

test('a port in use makes the start fail, to be tried again (S-25)', async () => {
  const taken = await listen({ serve: async () => undefined })
  const context = new FakeSourceContext()
  const source = await netcat.create(
    readOptions(netcat, { bind: '127.0.0.1', port: String(taken.port) }) as never,
    context,
  )
  await assert.rejects(source.run(), (error) => error instanceof FlumeError && error.code === 'IO' && error.retry)
  await taken.close()
})

test('an unknown encoding is a finding', () => {
  assert.throws(
    () => readOptions(netcat, { bind: 'x', port: '1', encoding: 'klingon' }),
    /is not a known character set/,
  )
})
