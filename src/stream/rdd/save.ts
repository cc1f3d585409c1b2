import { AsyncLocalStorage } from 'node:async_hooks'
import { AvroSchema } from '../../codec/avro/schema.ts'
import { FlumeError } from '../../core/error.ts'
import { joinPath, locate } from '../files.ts'
import { checkRecord, openEncoder } from '../output/encoder.ts'
import { checkSaveOptions, endingOf, type OutputFormat, type SaveFilesOptions } from '../output/format.ts'
import { inferSchema } from '../output/infer.ts'
import { columnsOf } from '../output/row.ts'
import type { Shape } from '../text-form.ts'
import { type Dataset, indexesOf, type OutputFile, prepare, type Runner, type RunOne } from './plan.ts'
import type { Settled, Signal } from './push.ts'

/** Records looked at for columns or a schema that were left out. */
const sampleCount = 1000

/** What of a data set can be written: an RDD. */
interface Saved<T> extends Dataset<T> {
  readonly shape: Shape
  readonly context: { readonly runner: Runner }
  take(count: number): Promise<T[]>
}

/** Set while an output operation of a stream runs. */
const inBatch = new AsyncLocalStorage<true>()

/** Runs the work of a batch: what it saves replaces what an earlier try has saved (B65). */
export function withinBatch<R>(act: () => R): R {
  return inBatch.run(true, act)
}

/**
 * Writes one file per partition, `part-00000` and so on, each in `_temporary` first and renamed when it is whole, then an
 * empty `_SUCCESS` (B63, B64). A folder that exists is written into within a batch, and files of the same name are
 * replaced (B65); elsewhere it is refused: rejects with REFUSED. Rejects with USAGE for options that are none.
 */
export async function saveFiles<T>(rdd: Saved<T>, uri: string, options: SaveFilesOptions): Promise<void> {
  checkSaveOptions(options)
  const { files, path } = locate(uri)
  const { runner } = rdd.context
  if (!inBatch.getStore() && (await files.exists(path))) {
    throw new FlumeError('REFUSED', `Output directory ${uri} already exists`)
  }
  const format = await formatFor(rdd, options)
  const temporary = joinPath(path, '_temporary')
  await files.mkdirs(temporary)
  if (format) {
    await prepare(rdd as Dataset<unknown>, runner)
    await runner.runPartitions(indexesOf(rdd), async (index) => {
      const name = `part-${String(index).padStart(5, '0')}${endingOf(format)}`
      const file = { uri, path: joinPath(temporary, name), format, shape: rdd.shape }
      if (!(await runner.remote?.save(rdd as Dataset<unknown>, index, file))) {
        await writePartition((push) => rdd.run(index, push), file)
      }
      await files.rename(joinPath(temporary, name), joinPath(path, name))
    })
  }
  await files.delete(temporary)
  await (await files.create(joinPath(path, '_SUCCESS'))).close()
}

/** Undefined: there is no record, and so no schema, without which such a file cannot be. */
async function formatFor<T>(rdd: Saved<T>, options: SaveFilesOptions): Promise<OutputFormat | undefined> {
  switch (options.format) {
    case 'text':
    case 'json':
      return { kind: options.format, isGzip: options.compression === 'gzip' }
    case 'csv': {
      const { header = false, delimiter = ',', compression } = options
      const columns = options.columns ?? columnsOf(await rdd.take(sampleCount))
      const isGzip = compression === 'gzip'
      return { kind: 'csv', isGzip, header, delimiter, columns: columns.length > 0 ? [...columns] : undefined }
    }
    case 'avro': {
      const schema = await schemaFor(rdd, options.schema)
      return schema === undefined ? undefined : { kind: 'avro', codec: options.compression ?? 'null', schema }
    }
    case 'parquet': {
      const schema = await schemaFor(rdd, options.schema)
      return schema === undefined ? undefined : { kind: 'parquet', codec: options.compression ?? 'snappy', schema }
    }
  }
}

async function schemaFor<T>(rdd: Saved<T>, given: unknown): Promise<string | undefined> {
  if (given !== undefined) {
    const schema = typeof given === 'string' && /^\s*[[{"]/.test(given) ? given : JSON.stringify(given)
    AvroSchema.parse(schema)
    return schema
  }
  const records = await rdd.take(sampleCount)
  return records.length === 0 ? undefined : inferSchema(records)
}

/** Writes records into one file. */
export async function writePartition<T>(run: RunOne<T>, { uri, path, format, shape }: OutputFile): Promise<void> {
  const encoder = await openEncoder(format, path, shape)
  const writer = await locate(uri).files.create(path)
  const flush = async (isLast = false): Promise<Settled> => {
    const bytes = encoder.take(isLast)
    if (bytes.length > 0) await writer.write(bytes)
    return undefined
  }
  try {
    await run((item): Signal => {
      checkRecord(item, format.kind)
      return encoder.add(item) ? flush() : undefined
    })
    await flush(true)
  } finally {
    await writer.close()
  }
}
