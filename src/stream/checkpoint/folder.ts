import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { FlumeError } from '../../core/error.ts'

/** The local path of a checkpoint directory given as a path or a file: URI. Throws UNSUPPORTED for another file system. */
export function checkpointFolder(directory: string): string {
  const [, scheme] = /^([a-zA-Z][a-zA-Z0-9+.-]+):\//.exec(directory) ?? []
  if (scheme === undefined) return directory
  if (scheme.toLowerCase() === 'file') {
    return directory.startsWith('file://') ? fileURLToPath(directory) : directory.slice('file:'.length)
  }
  throw new FlumeError('UNSUPPORTED', `a checkpoint directory on ${scheme}: is not there yet: ${directory}`, {
    hint: 'take a folder on a local disk',
  })
}

/** Makes the folder of a checkpoint directory and answers its path. */
export function makeCheckpointFolder(directory: string): string {
  const folder = checkpointFolder(directory)
  try {
    mkdirSync(folder, { recursive: true })
  } catch (cause) {
    throw new FlumeError('IO', `cannot make the checkpoint directory ${folder}`, { cause })
  }
  return folder
}
