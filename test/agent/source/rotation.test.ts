// Real files, the real sources, and every way in which a log is rotated or handed over: 0 lost, 0 doubled in each cell. The
// sink and the clock are the test's.
import assert from 'node:assert/strict'
import { appendFile, copyFile, link, mkdir, rename, rm, truncate, unlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import { startTestAgent, type TestAgent } from '../../../src/testing/test-agent.ts'
import { filesAtRest } from '../../support/files-at-rest.ts'
import { tempDir } from '../../support/temp-dir.ts'

/** A line that is there twice, or never comes, has this long of virtual time to show it. */
const graceMs = 30_000
const patienceMs = 60_000

class Stage {
  readonly folder: string
  readonly #properties: readonly string[]
  readonly #earlier: string[] = []
  #agent: TestAgent | undefined
  #startMs = Date.UTC(2026, 4, 17)
  written = 0

  private constructor(folder: string, properties: readonly string[]) {
    this.folder = folder
    this.#properties = properties
  }

  static async create(test: TestContext, properties: (folder: string) => readonly string[]): Promise<Stage> {
    const folder = await tempDir(test)
    await mkdir(join(folder, 'in'))
    const stage = new Stage(folder, properties(folder))
    await stage.start()
    return stage
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  lines(count: number): string {
    const first = this.written
    this.written += count
    return Array.from({ length: count }, (_, i) => `line ${first + i}\n`).join('')
  }

  get arrived(): readonly string[] {
    return [...this.#earlier, ...(this.#agent?.sink('k1').bodies ?? [])]
  }

  get agent(): TestAgent {
    return this.#agent as TestAgent
  }

  async start(): Promise<void> {
    this.#agent = await startTestAgent(
      [
        'a1.sources = r1',
        'a1.channels = c1',
        'a1.sinks = k1',
        ...this.#properties.map((line) => `a1.sources.r1.${line}`),
        'a1.sources.r1.channels = c1',
        'a1.channels.c1.type = memory',
        'a1.channels.c1.capacity = 10',
        'a1.channels.c1.transactionCapacity = 5',
        'a1.sinks.k1.type = null',
        'a1.sinks.k1.batchSize = 5',
        'a1.sinks.k1.channel = c1',
      ].join('\n'),
      { keep: ['r1'], startMs: this.#startMs },
    )
  }

  /** Stops the agent, what it has taken in is delivered, and starts another one. */
  async restart(): Promise<void> {
    await this.agent.stop()
    this.#earlier.push(...this.agent.sink('k1').bodies)
    this.#startMs = this.agent.clock.now()
    await this.start()
  }

  /** Lets the channel fill, so that the source stands in the middle of a file, and starts again there. */
  async restartInTheMiddle(): Promise<void> {
    this.agent.sink('k1').script([{ does: 'fails' }])
    await this.comesTrue(() => this.agent.snapshot().channels[0]?.held === 10)
    this.agent.sink('k1').script([{ does: 'works' }])
    await this.restart()
  }

  /** Resolves when all that was written has arrived, and the source waits for its next look. */
  async caughtUp(): Promise<void> {
    await this.comesTrue(() => new Set(this.arrived).size >= this.written)
    // The look that brought the last line goes on for a moment; what is cut away under it is a race that nobody wins.
    await filesAtRest()
  }

  /** Time moves on in small steps, and files are given their own time between them; fails after `patienceMs` of real time. */
  async comesTrue(holds: () => boolean): Promise<void> {
    const untilMs = systemClock.monotonic() + patienceMs
    while (!holds()) {
      assert.ok(systemClock.monotonic() < untilMs, `${this.arrived.length} of ${this.written} lines have arrived`)
      await this.lets(500)
    }
  }

  /** As `advance`, and a look at the files that has begun comes to its end. */
  async lets(ms: number): Promise<void> {
    await this.agent.advance(ms)
    await filesAtRest()
  }

  async end(): Promise<readonly [lost: number, doubled: number]> {
    try {
      await this.caughtUp()
    } catch {
      // Counted below.
    }
    for (let ms = 0; ms < graceMs; ms += 10_000) await this.lets(10_000)
    await this.restart()
    for (let ms = 0; ms < graceMs; ms += 10_000) await this.lets(10_000)
    const arrived = this.arrived
    await this.agent.stop()
    const distinct = new Set(arrived)
    const lost = Array.from({ length: this.written }, (_, i) => `line ${i}`).filter((line) => !distinct.has(line))
    return [lost.length, arrived.length - distinct.size]
  }
}

type Act = (stage: Stage, round: number) => Promise<void>

const log = 'in/app.log'
const grow = (stage: Stage, name = log, count = 3): Promise<void> => appendFile(stage.path(name), stage.lines(count))

const taildir: Readonly<Record<string, Act>> = {
  'renamed out of the pattern': async (stage, round) => {
    await rename(stage.path(log), stage.path(`in/old.${round}`))
    // The writer goes on with the old file for a moment.
    await grow(stage, `in/old.${round}`)
    await grow(stage)
  },
  'renamed within the pattern': async (stage, round) => {
    await rename(stage.path(log), stage.path(`${log}.${round}`))
    await grow(stage, `${log}.${round}`)
    await grow(stage)
  },
  'copied and truncated': async (stage, round) => {
    await stage.caughtUp()
    await copyFile(stage.path(log), stage.path(`in/old.${round}`))
    await truncate(stage.path(log))
    await grow(stage)
  },
  'truncated, and longer at the next look': async (stage) => {
    await stage.caughtUp()
    await truncate(stage.path(log))
    await grow(stage, log, 60)
  },
  deleted: async (stage) => {
    await stage.caughtUp()
    await unlink(stage.path(log))
    await stage.lets(10_000)
    await grow(stage)
  },
  'deleted and made again at once': async (stage) => {
    await stage.caughtUp()
    await unlink(stage.path(log))
    await grow(stage)
  },
  'replaced by a rename over it': async (stage) => {
    await stage.caughtUp()
    await grow(stage, 'in/.new')
    await rename(stage.path('in/.new'), stage.path(log))
    await grow(stage)
  },
  'given a second name by a hard link': async (stage, round) => {
    await link(stage.path(log), stage.path(`${log}.link${round}`))
    await grow(stage)
    await stage.caughtUp()
    await grow(stage, `${log}.link${round}`)
    await rm(stage.path(`${log}.link${round}`))
  },
  'followed while the clock goes back': async (stage) => {
    await grow(stage)
    await utimes(stage.path(log), 1000, 1000)
    await stage.lets(5000)
    await grow(stage)
    await utimes(stage.path(log), 500, 500)
  },
}

/** What a spooling directory is given is finished: it comes whole, under a name that was not there. */
const give = async (stage: Stage, name: string, count = 3): Promise<void> => {
  await writeFile(stage.path(`in/.${name}`), stage.lines(count))
  await rename(stage.path(`in/.${name}`), stage.path(`in/${name}`))
}

const spooldir: Readonly<Record<string, Act>> = {
  'renamed in': (stage, round) => give(stage, `app.${round}`),
  'renamed while it waits': async (stage, round) => {
    await give(stage, `wait.${round}`)
    await rename(stage.path(`in/wait.${round}`), stage.path(`in/waited.${round}`))
  },
  'copied from a log that is truncated': async (stage, round) => {
    await grow(stage, 'app.log')
    await copyFile(stage.path('app.log'), stage.path('in/.copy'))
    await truncate(stage.path('app.log'))
    await rename(stage.path('in/.copy'), stage.path(`in/copy.${round}`))
  },
  'deleted once it is done': async (stage, round) => {
    await give(stage, `app.${round}`)
    await stage.caughtUp()
    await stage.lets(1000)
    await rm(stage.path(`in/app.${round}.COMPLETED`), { force: true })
  },
  'made again under the same name': async (stage) => {
    await give(stage, 'same')
    await stage.caughtUp()
    await stage.lets(1000)
    await rm(stage.path('in/same.COMPLETED'), { force: true })
    await give(stage, 'same')
    await stage.caughtUp()
    await stage.lets(1000)
    await rm(stage.path('in/same.COMPLETED'), { force: true })
  },
  'given by a hard link': async (stage, round) => {
    await grow(stage, `outside.${round}`)
    await link(stage.path(`outside.${round}`), stage.path(`in/linked.${round}`))
    await stage.caughtUp()
    await rm(stage.path(`outside.${round}`))
  },
  'given while the clock goes back': async (stage, round) => {
    for (const [name, second] of [
      ['now', 2000],
      ['earlier', 1000],
      ['before 1970', -1000],
    ] as const) {
      await writeFile(stage.path(`in/.${name}`), stage.lines(3))
      await utimes(stage.path(`in/.${name}`), second - round, second - round)
      await rename(stage.path(`in/.${name}`), stage.path(`in/${name} ${round}`))
      await stage.lets(500)
    }
  },
}

const moments = ['while it runs', 'again and again', 'and a restart', 'and a restart in the middle'] as const

const sources: readonly {
  readonly name: string
  readonly properties: (folder: string) => readonly string[]
  readonly acts: Readonly<Record<string, Act>>
  /** Something to read, long enough to stand in the middle of it. */
  readonly prepare: (stage: Stage, round: number) => Promise<void>
}[] = [
  {
    name: 'taildir',
    properties: (folder) => [
      'type = TAILDIR',
      'filegroups = g',
      `filegroups.g = ${folder}/in/app[.]log.*`,
      `positionFile = ${folder}/state/pos.json`,
      'batchSize = 5',
    ],
    acts: taildir,
    prepare: (stage) => grow(stage, log, 40),
  },
  ...['never', 'immediate'].map((deletePolicy) => ({
    name: `spooldir, deletePolicy ${deletePolicy}`,
    properties: (folder: string) => [
      'type = spooldir',
      `spoolDir = ${folder}/in`,
      `deletePolicy = ${deletePolicy}`,
      'batchSize = 5',
    ],
    acts: spooldir,
    prepare: (stage: Stage, round: number) => give(stage, `first.${round}`, 40),
  })),
]

describe('rotation: nothing is lost, nothing comes twice (S-74, S-91, S-93)', () => {
  const table: string[][] = [['', ...moments]]
  for (const { name, properties, acts, prepare } of sources) {
    for (const [what, act] of Object.entries(acts)) {
      const row = [`${name}: ${what}`]
      table.push(row)
      for (const [column, moment] of moments.entries()) {
        it(`${name}: ${what}, ${moment}`, async (test) => {
          const stage = await Stage.create(test, properties)
          for (let round = 1; round <= (moment === 'again and again' ? 3 : 1); round++) {
            await prepare(stage, round)
            if (moment === 'and a restart in the middle') await stage.restartInTheMiddle()
            await stage.caughtUp()
            await act(stage, round)
            if (moment === 'and a restart') await stage.restart()
          }
          const [lost, doubled] = await stage.end()
          row[column + 1] = `${lost} lost, ${doubled} doubled`
          assert.deepEqual({ lost, doubled }, { lost: 0, doubled: 0 })
        })
      }
    }
  }
  after(() => {
    const widths = (table[0] as string[]).map((_, i) => Math.max(...table.map((row) => (row[i] ?? '').length)))
    for (const row of table) console.log(row.map((cell, i) => cell.padEnd(widths[i] as number)).join('  '))
  })
})
