import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HashPartitioner } from '../../../src/stream/rdd/partitioner.ts'
import { heldAt, StateStore } from '../../../src/stream/state/state-store.ts'
import { fc } from '../../support/properties.ts'

type Model = ReadonlyMap<string, number>

const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'a key that is longer than thirteen characters']

/** What one batch does to each key: leaves it, removes it, or gives it a value. */
const changes = fc.array(fc.constantFrom<number | 'leave' | 'remove'>('leave', 'remove', 1, 2, 3), {
  minLength: keys.length,
  maxLength: keys.length,
})
const batch = fc.record({
  changes,
  isRolledBack: fc.boolean(),
  /** How many versions are still wanted behind it. */
  kept: fc.nat({ max: 3 }),
  /** Whether it is saved, and whether that works. */
  save: fc.constantFrom('no', 'yes', 'fails'),
})

function write(store: StateStore<string, number>, change: readonly (number | 'leave' | 'remove')[]): void {
  for (const [i, what] of change.entries()) {
    const key = keys[i] as string
    const partition = store.partitionOf(key)
    const entry = partition.find(key)
    if (what === 'leave') continue
    if (what !== 'remove') partition.put(entry ?? partition.open(key), what)
    else if (entry) partition.remove(entry)
  }
}

function after(model: Model, change: readonly (number | 'leave' | 'remove')[]): Model {
  const next = new Map(model)
  for (const [i, what] of change.entries()) {
    if (what === 'remove') next.delete(keys[i] as string)
    else if (what !== 'leave') next.set(keys[i] as string, what)
  }
  return next
}

function sorted(pairs: Iterable<readonly [string, number]>): (readonly [string, number])[] {
  return [...pairs].sort(([a], [b]) => (a < b ? -1 : 1))
}

describe('the state of an operator', () => {
  test('every version that is not forgotten is as it was, and a save has what changed since the one before', () => {
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 12 }), fc.integer({ min: 1, max: 3 }), (batches, partitions) => {
        const store = new StateStore<string, number>(new HashPartitioner(partitions), { keepsChanges: true })
        const versions: Model[] = [new Map()]
        let horizon = 0
        const saved = new Map<string, number>()
        for (const { changes, isRolledBack, kept, save } of batches) {
          const version = versions.length
          if (isRolledBack) {
            store.begin(version)
            write(store, changes)
            store.rollback()
          }
          store.begin(version)
          write(store, changes)
          versions.push(after(versions[version - 1] as Model, changes))
          for (let at = horizon; at < version; at++) assert.equal(store.liveCountAt(at), versions[at]?.size)
          store.commit()
          horizon = Math.max(horizon, version - kept)
          store.forget(horizon)
          for (let at = horizon; at <= version; at++) {
            const found = store.partitions.flatMap((_, index) => [...store.pairsAt(index, at)])
            assert.deepEqual(sorted(found), sorted(versions[at] as Model))
            assert.equal(store.liveCountAt(at), versions[at]?.size)
          }
          if (save === 'no') continue
          // As long ago as can still be read.
          const { entries } = store.changedSince(horizon)
          assert.equal(new Set(entries).size, entries.length)
          if (save === 'fails') continue
          for (const entry of entries) {
            const held = heldAt(entry, horizon)
            if (held) saved.set(entry.key, held.state as number)
            else saved.delete(entry.key)
          }
          store.saved(horizon)
          assert.deepEqual(sorted(saved), sorted(versions[horizon] as Model))
        }
      }),
      { numRuns: 500 },
    )
  })

  test('what is loaded can be saved whole again', async () => {
    const store = new StateStore<string, number>(new HashPartitioner(2), { keepsChanges: true })
    await store.loading(7, async () => {
      store.load('a', 1, 7)
      store.load('b', 2, 7)
    })
    assert.deepEqual(store.changedSince(7).entries, [])
    store.resave()
    assert.deepEqual(
      store
        .changedSince(7)
        .entries.map(({ key }) => key)
        .sort(),
      ['a', 'b'],
    )
    store.saved(7)
    assert.deepEqual(store.changedSince(7).entries, [])
  })
})
