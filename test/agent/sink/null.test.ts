import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Sink } from '../../../src/agent/contract.ts'
import { nullSink } from '../../../src/agent/sink/null.ts'
import { numbered } from '../../support/batches.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { sinkContext } from '../../support/sink-context.ts'

async function make(options: Record<string, string> = {}) {
  const log = new RecordingLogger()
  const sink = (await nullSink.create(readOptions(nullSink, options), sinkContext({ log }))) as Sink
  return { sink, log }
}

describe('null sink', () => {
  it('takes batchSize events at once, 100 by default (N-03)', async () => {
    assert.equal((await make()).sink.batchSize, 100)
    assert.equal((await make({ batchSize: '7' })).sink.batchSize, 7)
  })

  it('says every logEveryNEvents how many there were, however they come', async () => {
    const { sink, log } = await make({ logEveryNEvents: '10' })
    for (const size of [9, 1, 25]) await sink.write(numbered(0, size))
    assert.deepEqual(
      log.lines,
      [10, 20, 30].map((total) => `info: Null sink k1 successful processed ${total} events.`),
    )
    await sink.stop?.()
    assert.match(log.lines.at(-1) as string, /35/)
  })

  for (const name of ['batchSize', 'logEveryNEvents']) {
    it(`refuses a ${name} of zero`, () => {
      assert.throws(() => readOptions(nullSink, { [name]: '0' }), /1 or more/)
    })
  }
})
