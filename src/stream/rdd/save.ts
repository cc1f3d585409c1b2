import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { FlumeError } from '../../core/error.ts'
import { joinPath, locate } from '../files.ts'
import { type Shape, textForm } from '../text-form.ts'
import { type Dataset, indexesOf, prepare, type Runner, type RunOne, type TextFile } from './plan.ts'
import type { Settled, Signal } from './push.ts'

/** Bytes of text collected before they are handed to the file system. */
const flushBytes = 256 * 1024

export interface SaveOptions {
  /** True: a folder that exists is written into, files of the same name are replaced (B65). False: it is refused. */
  readonly overwrite: boolean
  readonly compression?: 'gzip'
  readonly shape?: Shape
}

/**
 * Writes one text file per partition, `part-00000` and so on, each in `_temporary` first and renamed when it is whole,
 * then an empty `_SUCCESS` (B63, B64). Rejects with REFUSED when the folder exists and may not be written into.
 */
export async function saveAsText<T>(
  dataset: Dataset<T>,
  uri: string,
  runner: Runner,
  options: SaveOptions,
): Promise<void> {
  const { files, path } = locate(uri)
  if (!options.overwrite && (await files.exists(path))) {
    throw new FlumeError('REFUSED', `Output directory ${uri} already exists`)
  }
  const temporary = joinPath(path, '_temporary')
  await files.mkdirs(temporary)
  await prepare(dataset as Dataset<unknown>, runner)
  const ending = options.compression === 'gzip' ? '.gz' : ''
  await runner.runPartitions(indexesOf(dataset), async (index) => {
    const name = `part-${String(index).padStart(5, '0')}${ending}`
    const { compression, shape } = options
    const file = { uri, path: joinPath(temporary, name), ...(compression && { compression }), ...(shape && { shape }) }
    if (!(await runner.remote?.save(dataset as Dataset<unknown>, index, file))) {
      await writeText((push) => dataset.run(index, push), file)
    }
    await files.rename(joinPath(temporary, name), joinPath(path, name))
  })
  await files.delete(temporary)
  await (await files.create(joinPath(path, '_SUCCESS'))).close()
}

/** Writes records as lines of one text file. */
export async function writeText<T>(run: RunOne<T>, { uri, path, compression, shape }: TextFile): Promise<void> {
  const writer = await locate(uri).files.create(path)
  let text = ''
  const flush = async (): Promise<Settled> => {
    const bytes = Buffer.from(text)
    text = ''
    if (bytes.length > 0) await writer.write(compression === 'gzip' ? await promisify(gzip)(bytes) : bytes)
    return undefined
  }
  try {
    await run((item): Signal => {
      if (item === null || item === undefined) throw new TypeError('a null record cannot be saved as text')
      text += `${textForm(item, shape)}\n`
      return text.length >= flushBytes ? flush() : undefined
    })
    await flush()
  } finally {
    await writer.close()
  }
}
