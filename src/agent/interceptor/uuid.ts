import { randomUUID } from 'node:crypto'
import { flag, type Options, text } from '../../spec/option.ts'
import { defineInterceptor, type EventBatch, type Interceptor } from '../contract.ts'

const options = {
  headerName: text({ default: 'id', doc: 'Header that gets the identifier.' }),
  preserveExisting: flag({ default: true, doc: 'Keep the header of events that have it.' }),
  prefix: text({ default: '', doc: 'What stands before each identifier.' }),
}
type UuidOptions = Options<typeof options>

export const uuid = defineInterceptor({
  type: 'uuid',
  aliases: ['org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder'],
  summary: 'Puts an identifier of its own on every event.',
  options,
  create: (options) => new UuidInterceptor(options),
})

class UuidInterceptor implements Interceptor {
  readonly #options: UuidOptions

  constructor(options: UuidOptions) {
    this.#options = options
  }

  intercept(batch: EventBatch): EventBatch {
    const { headerName, preserveExisting, prefix } = this.#options
    const present = preserveExisting ? batch.headers.get(headerName) : undefined
    if (typeof present === 'string') return batch
    return batch.withHeader(
      headerName,
      Array.from({ length: batch.count }, (_, i) => present?.[i] ?? prefix + randomUUID()),
    )
  }
}
