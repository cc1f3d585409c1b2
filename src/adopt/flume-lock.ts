import { readdir, readlink, realpath } from 'node:fs/promises'

/**
 * Another process that has `in_use.lock` of a directory open, as real Flume has from its start to its end; undefined when
 * there is none. The lock itself says nothing: Flume tries it a second time, and closing that second file drops the lock
 * of the first, since POSIX locks belong to the process. Linux only, and only processes whose files this user may see:
 * elsewhere the answer is undefined, too.
 */
export async function flumeLockHolder(directory: string): Promise<number | undefined> {
  const path = await realpath(`${directory}/in_use.lock`).catch(() => undefined)
  if (path === undefined) return undefined
  for (const name of await readdir('/proc').catch(() => [])) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    // A process that ended, or is someone else's.
    const handles = await readdir(`/proc/${pid}/fd`).catch(() => [])
    for (const handle of handles) {
      if ((await readlink(`/proc/${pid}/fd/${handle}`).catch(() => '')) === path) return pid
    }
  }
  return undefined
}
