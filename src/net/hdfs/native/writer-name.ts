import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/*
 * Names under which writers hold their leases: `flume-ts_<16 random digits>`, and where the system tells processes of all
 * times apart (Linux), `flume-ts_<place>_<process id>_<its start>_<random>`. The place is one run of one machine, as seen
 * from one space of process ids: containers and machines that are restarted get another.
 */

/** A name that no other writer has, of this process or any other. */
export function newWriterName(): string {
  const random = randomBytes(8).toString('hex')
  const here = place()
  const start = here === undefined ? undefined : statusOf(process.pid)?.start
  return start === undefined ? `flume-ts_${random}` : `flume-ts_${here}_${process.pid}_${start}_${random}`
}

/**
 * True when the process that made this name has certainly ended: it ran in this very place, and its id is free or another
 * process's now. False for all that cannot be told: other machines, earlier runs of this one, other programs' names.
 */
export function hasEnded(writerName: string): boolean {
  const { where, pid, start } = partsOf(writerName) ?? {}
  if (where === undefined || where !== place() || pid === undefined) return false
  // Asked for first: /proc may hide the processes of other users, a signal tells them from none.
  if (!isThere(pid)) return true
  const status = statusOf(pid)
  return status !== undefined && (status.start !== start || status.isOver)
}

/** The process id in a name whose process certainly runs, here and now, and is not this one; undefined for all that cannot be told. */
export function runningElsewhere(writerName: string): number | undefined {
  const { where, pid, start } = partsOf(writerName) ?? {}
  if (where === undefined || where !== place() || pid === undefined || pid === process.pid) return undefined
  const status = statusOf(pid)
  return status?.start === start && !status?.isOver ? pid : undefined
}

/** The writer's name in the name node's refusal; undefined where it does not say. */
export function writerNamedIn(message: string): string | undefined {
  return /is currently owned by (\S+)/.exec(message)?.[1]
}

function partsOf(writerName: string): { where: string; pid: number; start: string } | undefined {
  const [, where, id, start] = /^flume-ts_([0-9a-f]{16})_(\d{1,10})_(\d{1,20})_[0-9a-f]{16}$/.exec(writerName) ?? []
  return where === undefined || start === undefined ? undefined : { where, pid: Number(id), start }
}

function place(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')
    const parts = [boot.trim(), readlinkSync('/proc/self/ns/pid'), hostname()]
    return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16)
  } catch {
    return undefined
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** When a process began, in ticks since the machine did, and whether only its name is left; undefined where that is hidden. */
function statusOf(pid: number): { readonly start: string; readonly isOver: boolean } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in brackets, which may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state, start] = [fields[0], fields[19]]
    return start === undefined ? undefined : { start, isOver: state === 'Z' || state === 'X' }
  } catch {
    return undefined
  }
}
