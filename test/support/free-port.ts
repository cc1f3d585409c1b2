import { createServer, type ListenOptions, type Server } from 'node:net'

/**
 * Below the ports that the system picks by itself (from 32768 on with Linux, from 49152 elsewhere): nobody who listens
 * on 0 or connects is given one of these between now and its use, and a connection to one that nobody listens on never
 * meets itself.
 */
const first = 20_000
const count = 12_000
/** Test files run side by side: each begins somewhere else. */
let next = (process.pid * 61) % count

/** A TCP port that nobody listens on, and that no other test is given while this process runs. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < count; tried++) {
    const port = first + next
    next = (next + 1) % count
    if (!(await claim(port))) continue
    // On every address: some will listen on all of them.
    const trial = await listen({ port })
    if (!trial) continue
    await new Promise((resolve) => trial.close(resolve))
    return port
  }
  throw new Error(`none of ${count} ports from ${first} on is free`)
}

/** By a name that is gone with this process, however it ends. Systems other than Linux have no such names. */
async function claim(port: number): Promise<boolean> {
  if (process.platform !== 'linux') return true
  const claimed = await listen({ path: `\0flume-ts-test-port-${port}` })
  claimed?.unref()
  return claimed !== undefined
}

/** Undefined when it is taken. */
function listen(options: ListenOptions): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(undefined) : reject(error),
    )
    server.listen(options, () => resolve(server))
  })
}
