import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises'

/**
 * The process that holds real Flume's lock on a directory, or undefined. Java locks by fcntl, which Node cannot ask about:
 * Linux lists all locks in /proc/locks. Elsewhere nothing can be said, and the answer is undefined, too.
 */
export async function flumeLockHolder(directory: string): Promise<number | undefined> {
  const path = `${directory}/in_use.lock`
  const found = await stat(path).catch(() => undefined)
  if (!found) return undefined
  const locks = await readFile('/proc/locks', 'utf8').catch(() => '')
  for (const line of locks.split('\n')) {
    // 1: POSIX  ADVISORY  WRITE 4711 fe:00:131077 0 EOF
    const lock = /^\d+:\s+POSIX\s.*?\sWRITE\s+(-?\d+)\s+([0-9a-f]+):([0-9a-f]+):(\d+)\s/.exec(line)
    if (!lock || Number(lock[4]) !== found.ino) continue
    const pid = Number(lock[1])
    if (
      Number.parseInt(lock[2] as string, 16) * 256 + Number.parseInt(lock[3] as string, 16) ===
      smallDevice(found.dev)
    ) {
      return pid
    }
    // On an overlay the list has the device below it: the files that the process has open decide.
    if (await hasOpen(pid, await realpath(path))) return pid
  }
  return undefined
}

/** Major and minor number of a device, as far as eight bits of each go. */
function smallDevice(dev: number): number {
  return (Math.floor(dev / 256) % 4096) * 256 + (dev % 256)
}

async function hasOpen(pid: number, path: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`
  // A process of someone else's does not show its files; it may well be the one.
  const names = await readdir(folder).catch(() => undefined)
  if (!names) return true
  const targets = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => '')))
  return targets.includes(path)
}
