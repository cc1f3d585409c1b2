// An interceptor: a function from batch to batch. Columns are cheap; `bodyAt` is a view, not a copy.
import { defineInterceptor, text } from 'flume-ts/agent'

export const wordCount = defineInterceptor({
  type: 'word-count',
  aliases: [],
  summary: 'Puts the number of words of the body into a header.',
  options: { header: text({ default: 'words', doc: 'The header.' }) },
  create: ({ header }) => ({
    intercept: (batch) =>
      batch.withHeader(
        header,
        Array.from({ length: batch.count }, (_, i) =>
          String(
            Buffer.from(batch.bodyAt(i))
              .toString()
              .split(/\s+/)
              .filter((word) => word !== '').length,
          ),
        ),
      ),
  }),
})
