import { flag, type Options, text } from '../../spec/option.ts'
import { type Clock, defineInterceptor, type EventBatch, type Interceptor } from '../contract.ts'

const options = {
  headerName: text({ default: 'timestamp', doc: 'Header that gets the time, in milliseconds since 1970.' }),
  preserveExisting: flag({ default: false, doc: 'Keep the header of events that have it.' }),
}
type TimestampOptions = Options<typeof options>

export const timestamp = defineInterceptor({
  type: 'timestamp',
  aliases: ['org.apache.flume.interceptor.TimestampInterceptor$Builder'],
  summary: 'Puts the time of arrival into a header.',
  options,
  create: (options, { clock }) => new TimestampInterceptor(options, clock),
})

class TimestampInterceptor implements Interceptor {
  readonly #options: TimestampOptions
  readonly #clock: Clock

  constructor(options: TimestampOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  intercept(batch: EventBatch): EventBatch {
    const { headerName, preserveExisting } = this.#options
    return batch.withShared(headerName, String(this.#clock.now()), preserveExisting) // I-01
  }
}
