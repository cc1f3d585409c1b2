import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HostNames } from '../../src/net/host-names.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { until } from '../support/until.ts'

/** Look-ups that are answered by hand. */
class Questions {
  readonly asked: string[] = []
  readonly #open = new Map<string, { resolve: (name: string) => void; reject: (error: Error) => void }>()

  readonly lookUp = (address: string): Promise<string> => {
    this.asked.push(address)
    return new Promise((resolve, reject) => this.#open.set(address, { resolve, reject }))
  }

  answer(address: string, name?: string): void {
    const open = this.#open.get(address)
    assert.ok(open, `${address} was not asked for`)
    if (name === undefined) open.reject(new Error('no such name'))
    else open.resolve(name)
  }
}

describe('host names', () => {
  it('are asked for once, and kept; who has none is called by its address', async () => {
    const questions = new Questions()
    const names = new HostNames(new ManualClock(), questions.lookUp)
    const both = [names.of('10.0.0.1'), names.of('10.0.0.1'), names.of('10.0.0.2')]
    questions.answer('10.0.0.1', 'web1')
    questions.answer('10.0.0.2')
    assert.deepEqual(await Promise.all(both), ['web1', 'web1', '10.0.0.2'])
    assert.deepEqual([await names.of('10.0.0.1'), await names.of('10.0.0.2')], ['web1', '10.0.0.2'])
    assert.deepEqual(questions.asked, ['10.0.0.1', '10.0.0.2'])
  })

  it('who says to be everybody costs two questions at a time and two seconds', async () => {
    const clock = new ManualClock()
    const questions = new Questions()
    const names = new HostNames(clock, questions.lookUp)
    const addresses = Array.from({ length: 5000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`)
    const all = Promise.all(addresses.map((address) => names.of(address)))
    assert.equal(questions.asked.length, 2)
    // Those who wait, and the two: nobody else has a timer.
    assert.equal(clock.timerCount, 1002)
    questions.answer(addresses[0] as string, 'web1')
    await until(() => questions.asked.length === 3)
    await clock.advance(2000)
    assert.deepEqual(await all, ['web1', ...addresses.slice(1)])
    assert.equal(clock.timerCount, 0)
  })

  it('a late answer is nobody’s, and the next one asks again', async () => {
    const clock = new ManualClock()
    const questions = new Questions()
    const names = new HostNames(clock, questions.lookUp)
    const first = names.of('10.0.0.1')
    await clock.advance(2000)
    assert.equal(await first, '10.0.0.1')
    questions.answer('10.0.0.1', 'web1')
    const second = names.of('10.0.0.1')
    await until(() => questions.asked.length === 2)
    questions.answer('10.0.0.1', 'web1')
    assert.equal(await second, 'web1')
  })
})
