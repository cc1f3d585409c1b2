import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'

/** Files of a test file's own, removed when its tests are over. */
export class TempFiles {
  readonly folder = mkdtempSync(join(tmpdir(), 'flume-ts-'))

  constructor() {
    after(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  /** Writes a file and answers its path; folders on the way are made. */
  async write(name: string, text: string): Promise<string> {
    const path = join(this.folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
    return path
  }
}
