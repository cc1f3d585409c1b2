import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FlumeChannel } from '../../src/adopt/flume-channel.ts'
import { seededRandom } from '../../src/core/random.ts'
import { fuzzFlume } from '../sim/flume-log-fuzz.ts'
import { filesDisk } from '../support/flume-channel.ts'
import { randomHistory } from '../support/flume-history.ts'

function open(files: ReadonlyMap<string, Buffer>, directories: readonly string[], more: object = {}) {
  const told: string[] = []
  const opening = FlumeChannel.open({
    disk: filesDisk(files),
    directories,
    lockHolder: async () => undefined,
    withoutCheckpoint: false,
    skipDamaged: false,
    tell: (line) => told.push(line),
    ...more,
  })
  return { opening, told }
}

async function bodiesOf(channel: FlumeChannel): Promise<string[]> {
  const bodies: string[] = []
  for await (const batch of channel.batches()) {
    for (const { body } of batch.events()) bodies.push(Buffer.from(body).toString())
  }
  return bodies
}

describe("what is left in Flume's file channel", () => {
  it('is what was committed and not taken, whatever transactions, checkpoints and logs there were (F-01, F-11, F-14)', async () => {
    let events = 0
    for (let seed = 1; seed <= 300; seed++) {
      const { files, directories, left, isOrdered } = randomHistory(seededRandom(seed), 20 + (seed % 120))
      const { opening, told } = open(files, directories)
      const channel = await opening
      const bodies = await bodiesOf(channel)
      events += bodies.length
      assert.deepEqual(told, [], `seed ${seed}`)
      if (isOrdered) assert.deepEqual(bodies, left, `seed ${seed}`)
      else assert.deepEqual([...bodies].sort(), [...left].sort(), `seed ${seed}`)
      assert.equal(channel.size, left.length)
    }
    assert.ok(events > 1000)
  })

  it('is the same without the checkpoint, as long as every log is there (F-07)', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const { files, directories, left } = randomHistory(seededRandom(seed), 20 + (seed % 120))
      const { opening } = open(files, directories, { withoutCheckpoint: true })
      assert.deepEqual(await bodiesOf(await opening), left, `seed ${seed}`)
    }
  })

  it('random bytes in any file are refused or passed over, and give no event that was not put', async () => {
    const { inputs, refused, events } = await fuzzFlume(1, 1_500)
    assert.equal(inputs, 1_500)
    assert.ok(refused > 100 && events > 5_000, `${refused} refused, ${events} events`)
  })
})
