import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Backoff } from '../../src/core/backoff.ts'
import { Scope } from '../../src/core/scope.ts'

describe('scope', () => {
  it('releases last in first out, all of them, and throws the first error', async () => {
    const order: string[] = []
    const scope = new Scope()
    scope.add(() => void order.push('first'))
    scope.add(async () => {
      order.push('second')
      throw new Error('from second')
    })
    scope.add(() => {
      order.push('third')
      throw new Error('from third')
    })
    await assert.rejects(scope.close(), /from third/)
    assert.deepEqual(order, ['third', 'second', 'first'])
  })

  it('closes once, and releases at once what is added after', async () => {
    let released = 0
    const scope = new Scope()
    scope.add(() => void released++)
    await Promise.all([scope.close(), scope.close()])
    assert.equal(released, 1)
    scope.add(() => void released++)
    await scope.close()
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(released, 2)
  })
})

describe('backoff', () => {
  it('grows by its increment up to its ceiling and starts again after reset (M-06)', () => {
    const backoff = new Backoff(1000, 5000)
    assert.deepEqual(
      Array.from({ length: 7 }, () => backoff.next()),
      [1000, 2000, 3000, 4000, 5000, 5000, 5000],
    )
    backoff.reset()
    assert.equal(backoff.next(), 1000)
  })
})
