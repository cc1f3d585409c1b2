import { readdir, readlink, realpath } from 'node:fs/promises'

/**
 * Another process that has `in_use.lock` of one of the directories open, as real Flume has from its start to its end; undefined when
 * there is none. The lock itself says nothing: Flume tries it a second time, and closing that second file drops the lock
 * of the first, since POSIX locks belong to the process. Linux only, and only processes whose files this user may see:
 * elsewhere the answer is undefined, too.
 */
export async function flumeLockHolder(
  directories: readonly string[],
): Promise<{ readonly directory: string; readonly pid: number } | undefined> {
  const locks = new Map<string, string>()
  for (const directory of directories) {
    const path = await realpath(`${directory}/in_use.lock`).catch(() => undefined)
    if (path !== undefined) locks.set(path, directory)
  }
  if (locks.size === 0) return undefined
  for (const name of await readdir('/proc').catch(() => [])) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    // A process that ended, or is someone else's.
    const handles = await readdir(`/proc/${pid}/fd`).catch(() => [])
    for (const handle of handles) {
      const directory = locks.get(await readlink(`/proc/${pid}/fd/${handle}`).catch(() => ''))
      if (directory !== undefined) return { directory, pid }
    }
  }
  return undefined
}
