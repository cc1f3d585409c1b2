import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PointerList } from '../../src/adopt/pointers.ts'
import { fc } from '../support/properties.ts'

const place = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 30 }))

function listOf(places: readonly (readonly [number, number])[]): PointerList {
  const list = new PointerList(1)
  for (const [file, offset] of places) list.push(file, offset)
  return list
}

function textsOf(list: PointerList): string[] {
  return Array.from({ length: list.count }, (_, index) => `${list.fileAt(index)}:${list.offsetAt(index)}`)
}

test('what was taken leaves the queue, and takes of what is not there stay, in order', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(place, { selector: String }),
      fc.uniqueArray(place, { selector: String }),
      (waiting, taken) => {
        const [queue, takes] = [listOf(waiting), listOf(taken)]
        queue.subtract(takes)
        const [before, gone] = [textsOf(listOf(waiting)), textsOf(listOf(taken))]
        assert.deepEqual(
          textsOf(queue),
          before.filter((each) => !gone.includes(each)),
        )
        assert.deepEqual(
          textsOf(takes),
          gone.filter((each) => !before.includes(each)),
        )
      },
    ),
  )
})
