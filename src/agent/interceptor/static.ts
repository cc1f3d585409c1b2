import { flag, text } from '../../spec/option.ts'
import { defineInterceptor } from '../contract.ts'

const options = {
  key: text({ default: 'key', doc: 'Name of the header.' }),
  value: text({ default: 'value', doc: 'Its value.' }),
  preserveExisting: flag({ default: true, doc: 'Keep the header of events that have it.' }),
}

export const staticInterceptor = defineInterceptor({
  type: 'static',
  aliases: ['org.apache.flume.interceptor.StaticInterceptor$Builder'],
  summary: 'Puts the same header on every event.',
  options,
  create: ({ key, value, preserveExisting }) => ({
    intercept: (batch) => batch.withShared(key, value, preserveExisting), // I-02
  }),
})
