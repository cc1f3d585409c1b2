import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EventBatch, type Sink } from '../../../src/agent/contract.ts'
import { logger } from '../../../src/agent/sink/logger.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { sinkContext } from '../../support/sink-context.ts'

async function logged(events: Parameters<typeof EventBatch.of>[0], options: Record<string, string> = {}) {
  const log = new RecordingLogger()
  const sink = (await logger.create(readOptions(logger, options), sinkContext({ log }))) as Sink
  await sink.write(EventBatch.of(events))
  return log.lines
}

describe('logger sink', () => {
  // Lines of Flume 1.11's LoggerSink for the same events.
  for (const [what, event, expected] of [
    [
      'a short body',
      { headers: { file: '/s/f', basename: 'f' }, body: 'hello' },
      '{ headers:{file=/s/f, basename=f} body: 68 65 6C 6C 6F                                  hello }',
    ],
    ['an empty body', { headers: { file: '/s/f' }, body: '' }, '{ headers:{file=/s/f} body: }'],
    [
      'a long body, of which 16 bytes are shown',
      { body: 'abcdefghijklmnopqrstuvwxyz0123456789' },
      '{ headers:{} body: 61 62 63 64 65 66 67 68 69 6A 6B 6C 6D 6E 6F 70 abcdefghijklmnop }',
    ],
    [
      'bytes that cannot be printed',
      { body: 'tab\there é' },
      '{ headers:{} body: 74 61 62 09 68 65 72 65 20 C3 A9                tab.here .. }',
    ],
    [
      'five zero bytes',
      { body: new Uint8Array(5) },
      '{ headers:{} body: 00 00 00 00 00                                  ..... }',
    ],
  ] as const) {
    it(`logs ${what} as Flume does (N-01)`, async () => {
      assert.deepEqual(await logged([event]), [`info: Event: ${expected}`])
    })
  }

  it('logs each event of a batch on its own, in order', async () => {
    const lines = await logged([{ body: 'a' }, { body: 'b' }])
    assert.deepEqual(
      lines.map((line) => line.slice(-3, -2)),
      ['a', 'b'],
    )
  })

  it('honours maxBytesToLog, which Flume reads only through its API: rows of 16, later ones with their offset (N-01)', async () => {
    const [line] = await logged([{ body: 'abcdefghijklmnopqrstuvwxyz' }], { maxBytesToLog: '20' })
    assert.equal(
      line,
      'info: Event: { headers:{} body: 61 62 63 64 65 66 67 68 69 6A 6B 6C 6D 6E 6F 70 abcdefghijklmnop\n00000010 71 72 73 74                                     qrst }',
    )
    assert.deepEqual(await logged([{ body: 'abc' }], { maxBytesToLog: '0' }), ['info: Event: { headers:{} body: }'])
  })

  it('writes headers in their order, without quotes (N-02)', async () => {
    const [line] = await logged([{ headers: { b: 'x=1, y', a: '"' }, body: '' }])
    assert.equal(line, 'info: Event: { headers:{b=x=1, y, a="} body: }')
  })
})
