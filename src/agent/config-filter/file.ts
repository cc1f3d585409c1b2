import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { FlumeError } from '../../core/error.ts'
import { type Options, text } from '../../spec/option.ts'
import { type ConfigFilter, type ConfigFilterContext, defineConfigFilter } from '../contract.ts'

const options = {
  directory: text({
    optional: true,
    doc: 'Folder with one file for each key; $CREDENTIALS_DIRECTORY (systemd) where that is set, else /run/secrets (containers).',
  }),
}
type FileFilterOptions = Options<typeof options>

export const file = defineConfigFilter({
  type: 'file',
  aliases: [],
  summary: 'Secrets that lie in files, as systemd\'s credentials and a container\'s secrets do: ${name["file"]}.',
  options,
  create: (options, context) => new FileFilter(options, context),
})

/** No password or key is longer. */
const secretBytesMax = 64 * 1024

class FileFilter implements ConfigFilter {
  readonly #directory: string

  constructor({ directory }: FileFilterOptions, { env }: ConfigFilterContext) {
    this.#directory = directory ?? (env['CREDENTIALS_DIRECTORY'] || '/run/secrets')
  }

  /** Keys hold no dots and no slashes, so that none leads out of the folder. */
  fileOf(key: string): string {
    return join(this.#directory, key)
  }

  async get(key: string): Promise<string | undefined> {
    const file = this.fileOf(key)
    try {
      // A pipe nobody writes to would block the start.
      await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
      if (!(await handle.stat()).isFile()) throw new FlumeError('IO', `${file} is no file`)
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(secretBytesMax + 1), 0, secretBytesMax + 1, 0)
      if (bytesRead > secretBytesMax) throw new FlumeError('LIMIT', `${file} is longer than ${secretBytesMax} bytes`)
      // Editors and echo end a line that is no part of the secret.
      return buffer.toString('utf8', 0, bytesRead).replace(/\r?\n$/, '')
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw thrown
    }
  }
}
