import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What of a test's context is needed to clean up after it. */
interface Cleanup {
  after(release: () => Promise<void>): void
}

/** An empty directory of its own for one test, removed with everything in it when the test is over. */
export async function tempDir(test: Cleanup): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'flume-ts-'))
  test.after(() => rm(path, { recursive: true, force: true }))
  return path
}
