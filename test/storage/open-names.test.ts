import assert from 'node:assert/strict'
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { seededRandom } from '../../src/core/random.ts'
import { OpenNames } from '../../src/storage/open-names.ts'
import { realDisk } from '../../src/storage/real-disk.ts'
import { fc } from '../support/properties.ts'
import { type CrashKind, SimulatedDisk } from '../support/simulated-disk.ts'
import { tempDir } from '../support/temp-dir.ts'

const directory = '/open'
const about = { place: 'here' }
const everything = (): boolean => true
const open = (name: string) => ({ name, finalName: `${name}.done` })

describe('names of what is open', () => {
  it('are found, with what they are to be called, once their holder is gone', async (test) => {
    const folder = await tempDir(test)
    await writeFile(
      join(folder, '0123456789abcdef.open'),
      `{"version":1,"place":"here","ending":"any"}\n+["/a\\n","/A"]\n+["/b","/B"]\n+["/c","/C"]\n-"/b"\n+["/torn"`,
    )
    const { claimed, alive, problems } = await OpenNames.claim(realDisk, folder, ({ place }) => place === 'here')
    assert.deepEqual([claimed.length, alive, problems], [1, [], []])
    const [names] = claimed as [OpenNames]
    assert.deepEqual(names.about, { place: 'here', ending: 'any' })
    assert.deepEqual(names.names, [
      { name: '/a\n', finalName: '/A' },
      { name: '/c', finalName: '/C' },
    ])
    await names.remove('/a\n')
    await names.close()
    const [again] = (await OpenNames.claim(realDisk, folder, everything)).claimed
    assert.deepEqual(again?.names, [{ name: '/c', finalName: '/C' }])
    await again?.remove('/c')
    await again?.close()
    assert.deepEqual(await readdir(folder), [])
  })

  it('are not claimed while their holder lives, nor twice', async (test) => {
    const folder = await tempDir(test)
    const holder = await OpenNames.begin(realDisk, folder, about)
    await holder.add(open('/a'))
    const whileAlive = await OpenNames.claim(realDisk, folder, everything)
    assert.deepEqual(whileAlive.claimed, [])
    assert.deepEqual(whileAlive.alive, [open('/a')])
    await holder.close()
    const [first, second] = await Promise.all([
      OpenNames.claim(realDisk, folder, everything),
      OpenNames.claim(realDisk, folder, everything),
    ])
    assert.equal((first?.claimed.length ?? 0) + (second?.claimed.length ?? 0), 1)
    for (const names of [...(first?.claimed ?? []), ...(second?.claimed ?? [])]) await names.close()
  })

  it('leave nothing behind when all are closed', async (test) => {
    const folder = join(await tempDir(test), 'made/here')
    const holder = await OpenNames.begin(realDisk, folder, about)
    await Promise.all([holder.add(open('/a')), holder.add(open('/b'))])
    await Promise.all([holder.remove('/b'), holder.remove('/a'), holder.remove('/never')])
    await holder.close()
    assert.deepEqual(await readdir(folder), [])
  })

  it('leave alone what is no file of theirs, is wanted by nobody, or has no first line yet', async (test) => {
    const folder = await tempDir(test)
    const files: Record<string, string> = {
      'notes.txt': `{"version":1,"place":"here"}\n+["/a","/A"]\n`,
      '1.open': `{"version":1,"place":"elsewhere"}\n+["/a","/A"]\n`,
      '2.open': '',
      '3.open': '{"version":1,"place":"here"}',
      '4.open': `{"version":2,"place":"here"}\n+["/a","/A"]\n`,
      '5.open': `[]\n+["/a","/A"]\n`,
    }
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
    const { claimed } = await OpenNames.claim(realDisk, folder, ({ place }) => place === 'here')
    assert.deepEqual(claimed, [])
    for (const [name, text] of Object.entries(files)) assert.equal(await readFile(join(folder, name), 'utf8'), text)
  })

  it('pass over lines that were torn or hold anything else', async (test) => {
    const folder = await tempDir(test)
    const path = join(folder, 'a.open')
    await writeFile(path, `{"version":1}\n+["/a","/A"]\n\0\0\0+["/x","/X"]\n+["/y"]\n+[1,2]\n-{}\n?\n+["/b","/B"]\n`)
    await appendFile(path, Buffer.from([0xff, 0xfe, 10]))
    const [names] = (await OpenNames.claim(realDisk, folder, everything)).claimed
    assert.deepEqual(
      names?.names.map(({ name }) => name),
      ['/a', '/b'],
    )
    await names?.close()
  })

  it('do not let their file grow for ever', async (test) => {
    const folder = await tempDir(test)
    const holder = await OpenNames.begin(realDisk, folder, about)
    await holder.add(open('/stays'))
    const long = 'x'.repeat(5000)
    for (let round = 0; round < 30; round++) {
      const names = Array.from({ length: 10 }, (_, i) => `/${round}-${i}-${long}`)
      await Promise.all(names.map((name) => holder.add(open(name))))
      await Promise.all(names.map((name) => holder.remove(name)))
    }
    const files = await readdir(folder)
    assert.equal(files.length, 1)
    const { length } = await readFile(join(folder, files[0] as string))
    // 4.5 MB went through it.
    assert.ok(length < 1_500_000, `${length} bytes`)
    await holder.close()
    const [names] = (await OpenNames.claim(realDisk, folder, everything)).claimed
    assert.deepEqual(names?.names, [open('/stays')])
    await names?.close()
  })

  it('are all found after a crash at any step, whatever failed before: those noted, and none whose removal was', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.integer({ min: 1, max: 120 }),
        fc.constantFrom<CrashKind>('kill', 'power'),
        fc.constantFrom(0, 0.1),
        async (seed, crashAt, kind, fault) => {
          const random = seededRandom(seed)
          const disk = new SimulatedDisk(random)
          disk.faults = { write: fault, sync: fault, name: fault, noSpace: fault }
          disk.crashAt(crashAt)
          const noted = new Set<string>()
          const asked = new Set<string>()
          const gone = new Set<string>()
          const holder = await OpenNames.begin(disk, directory, about).catch(() => undefined)
          for (let round = 0; holder && round < 12 && !disk.isDead; round++) {
            const names = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, i) => `/${round}-${i}`)
            for (const name of names) asked.add(name)
            await Promise.all(
              names.map((name) =>
                holder.add(open(name)).then(
                  () => noted.add(name),
                  () => undefined,
                ),
              ),
            )
            const done = [...noted].filter(() => random() < 0.5)
            for (const name of done) noted.delete(name)
            await Promise.all(
              done.map((name) =>
                holder.remove(name).then(
                  () => gone.add(name),
                  () => undefined,
                ),
              ),
            )
          }
          const after = disk.crash(kind)
          const { claimed, problems } = await OpenNames.claim(after, directory, everything)
          assert.deepEqual(problems, [])
          const found = new Set(claimed.flatMap(({ names }) => names.map(({ name }) => name)))
          for (const name of noted) assert.ok(found.has(name), `${name} was noted`)
          for (const name of found) assert.ok(asked.has(name), `${name} was never asked for`)
          // A power failure may take a removal back: its name is missing then.
          if (kind === 'kill' && fault === 0)
            for (const name of gone) assert.ok(!found.has(name), `${name} was removed`)
        },
      ),
      { numRuns: 1500 },
    )
  })
})
