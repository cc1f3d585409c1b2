import type { Clock } from '../core/clock.ts'
import { explain, FlumeError } from '../core/error.ts'
import { openFileSystem, splitAddress } from './hdfs/open.ts'

export interface ReadAddressSettings {
  readonly mounts: ReadonlyMap<string, string>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** What is longer is refused. */
  readonly bytesMax: number
  /** Longest time for all of it, in milliseconds. */
  readonly timeoutMs: number
}

/**
 * What stands at an `http:`, `https:`, `hdfs:`, `webhdfs:`, `swebhdfs:` or `file:` address, whole. Rejects LIMIT when it is
 * too long, TIMEOUT, REFUSED and CONNECTION with the address's name, UNSUPPORTED for other schemes.
 */
export async function readAddress(address: string, settings: ReadAddressSettings): Promise<Uint8Array> {
  const { scheme } = splitAddress(address)
  if (scheme === 'http' || scheme === 'https') return readHttp(address, settings)
  const { fileSystem, path } = openFileSystem(address, settings)
  try {
    const status = await fileSystem.status(path)
    if (status?.kind !== 'file') throw new FlumeError('IO', `there is no file ${address}`, { retry: true })
    if (status.sizeBytes > settings.bytesMax) throw tooLong(address, settings.bytesMax)
    return await fileSystem.read(path, 0, status.sizeBytes)
  } finally {
    await fileSystem.close()
  }
}

async function readHttp(address: string, { clock, bytesMax, timeoutMs }: ReadAddressSettings): Promise<Uint8Array> {
  const abort = new AbortController()
  const silence = new FlumeError('TIMEOUT', `${address} was not read within ${timeoutMs / 1000} s`, { retry: true })
  const timer = clock.after(timeoutMs, () => abort.abort(silence))
  try {
    const response = await fetch(address, { signal: abort.signal })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new FlumeError('REFUSED', `${address} answers ${response.status}`, { retry: response.status >= 500 })
    }
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of response.body ?? []) {
      length += chunk.length
      if (length > bytesMax) throw tooLong(address, bytesMax)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch (thrown) {
    if (abort.signal.aborted) throw silence
    if (thrown instanceof FlumeError) throw thrown
    // The innermost cause says it: fetch itself only says that it failed.
    const cause = (thrown as Error).cause ?? thrown
    throw new FlumeError('CONNECTION', `${address} cannot be read: ${explain(cause)}`, { retry: true, cause: thrown })
  } finally {
    timer.cancel()
  }
}

function tooLong(address: string, bytesMax: number): FlumeError {
  return new FlumeError('LIMIT', `${address} is longer than ${bytesMax} bytes`)
}
