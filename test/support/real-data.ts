import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Where a file of real logs would lie: in FLUME_TS_DATA, or in shared/data beside the checkout. The project ships none of
 * them, so a test that wants one says aloud that it is skipped where it is missing.
 */
export function realData(name: string): string {
  const folder = process.env['FLUME_TS_DATA'] ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url))
  return join(folder, name)
}
