import { explain } from '../../../core/error.ts'
import { homePath } from '../../../core/home-path.ts'
import type { Logger } from '../../../monitor/logger.ts'
import { type Ending, endingName, endingNamed } from '../../../net/hdfs/finish-file.ts'
import { OpenNames } from '../../../storage/open-names.ts'
import { realDisk } from '../../../storage/real-disk.ts'
import { type FinishTools, finishLeftovers } from './leftovers.ts'

export interface OpenFilesSettings {
  /** Folder of this machine; `~` at its beginning is the home directory. */
  readonly directory: string
  /** The file system they lie in. */
  readonly place: string
  /** Whose rights they are written with. */
  readonly user: string
  readonly ending: Ending
}

/**
 * Notes which files are in use where no lease says whose a file is (the local disk, WebHDFS), so that the next start can tell
 * a killed agent's files from a live one's. What cannot be noted is written all the same: Flume would not even try.
 */
export class OpenFiles {
  readonly #settings: OpenFilesSettings
  readonly #directory: string
  readonly #log: Logger
  #names: Promise<OpenNames | undefined> | undefined
  #isFailing = false

  constructor(settings: OpenFilesSettings, log: Logger) {
    this.#settings = settings
    this.#directory = homePath(settings.directory)
    this.#log = log
  }

  /** To be called before a file is made; resolves when that is on the disk, or has failed. */
  async opened(path: string, finalPath: string): Promise<void> {
    const names = await this.#begun()
    await this.#tried(() => names?.add({ name: path, finalName: finalPath }))
  }

  /** The file has its final name, or none. */
  async closed(path: string): Promise<void> {
    const names = await this.#names
    await this.#tried(() => names?.remove(path))
  }

  /** Takes over what killed agents have noted, and finishes those files. The answer's `done` resolves when that is over, soon after the signal aborts. */
  async finishAbandoned(tools: Omit<FinishTools, 'ending' | 'onDone'>): Promise<{ readonly done: Promise<void> }> {
    const { place, user } = this.#settings
    const found = await OpenNames.claim(
      realDisk,
      this.#directory,
      (about) => about.place === place && about.user === user,
    ).catch((error: unknown) => ({ claimed: [], problems: [error] }))
    for (const problem of found.problems) {
      this.#log.warn(`${this.#directory}: files that a killed agent left are not looked for: ${explain(problem)}`)
    }
    const finish = async (names: OpenNames): Promise<void> => {
      try {
        await finishLeftovers(
          names.names.map(({ name, finalName }) => ({ path: name, finalPath: finalName })),
          {
            ...tools,
            ending: endingNamed(names.about.ending ?? ''),
            onDone: (path) => names.remove(path),
          },
        )
      } finally {
        await this.#tried(() => names.close())
      }
    }
    return { done: Promise.all(found.claimed.map(finish)).then(() => undefined) }
  }

  /** What is still in use then is left to the next start. */
  async stop(): Promise<void> {
    const names = await this.#names
    this.#names = undefined
    await this.#tried(() => names?.close())
  }

  #begun(): Promise<OpenNames | undefined> {
    const { place, user, ending } = this.#settings
    const about = { place, user, ending: endingName(ending) }
    this.#names ??= OpenNames.begin(realDisk, this.#directory, about).catch((error: unknown) => {
      this.#warn(error)
      return undefined
    })
    return this.#names
  }

  async #tried(act: () => Promise<void> | undefined): Promise<void> {
    try {
      await act()
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) this.#warn(error)
      this.#isFailing = true
    }
  }

  #warn(error: unknown): void {
    this.#log.warn(
      `files in use cannot be noted in ${this.#directory}, so what a kill leaves of them keeps its in-use name: ${explain(error)}`,
    )
  }
}
