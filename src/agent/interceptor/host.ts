import { lookup, lookupService } from 'node:dns/promises'
import { hostname } from 'node:os'
import { explain } from '../../core/error.ts'
import { flag, type Options, text } from '../../spec/option.ts'
import { defineInterceptor, type Interceptor } from '../contract.ts'

const options = {
  hostHeader: text({ default: 'host', doc: 'Header that gets the address or name.' }),
  useIP: flag({ default: true, doc: "This machine's IP address; false: its full name." }),
  preserveExisting: flag({ default: false, doc: 'Keep the header of events that have it.' }),
}
type HostOptions = Options<typeof options>

export const host = defineInterceptor({
  type: 'host',
  aliases: ['org.apache.flume.interceptor.HostInterceptor$Builder'],
  summary: "Puts this machine's address or name into a header.",
  options,
  create: async (options, { log }) => {
    const found = await find(options).catch((error: unknown) => {
      // I-01: events pass without the header then.
      log.warn(`cannot tell this machine's ${options.useIP ? 'address' : 'name'}: ${explain(error)}; no header is set`)
      return undefined
    })
    return withHost(options, found)
  },
})

/** Looked up once, as Flume does. */
async function find({ useIP }: HostOptions): Promise<string> {
  const { address } = await lookup(hostname(), { verbatim: false })
  if (useIP) return address
  return lookupService(address, 0).then(
    ({ hostname }) => hostname,
    () => address,
  )
}

function withHost({ hostHeader, preserveExisting }: HostOptions, found: string | undefined): Interceptor {
  return {
    intercept: (batch) => (found === undefined ? batch : batch.withShared(hostHeader, found, preserveExisting)),
  }
}
