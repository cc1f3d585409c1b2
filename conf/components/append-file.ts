// A sink: when `write` returns, the events leave the channel; when it throws, they come again.
import { type FileHandle, open } from 'node:fs/promises'
import { count, defineSink, type Sink, text } from 'flume-ts/agent'

export const appendFile = defineSink({
  type: 'append-file',
  aliases: [],
  summary: 'Appends each body as a line to a file.',
  options: {
    path: text({ doc: 'The file.' }),
    batchSize: count({ default: 100, min: 1, doc: 'Most events of one write.' }),
  },
  batchSizeOption: 'batchSize',
  create: ({ path, batchSize }): Sink => {
    let file: FileHandle | undefined
    return {
      batchSize,
      async write(batch) {
        file ??= await open(path, 'a')
        const lines = Array.from({ length: batch.count }, (_, i) => [batch.bodyAt(i), Buffer.from('\n')])
        await file.appendFile(Buffer.concat(lines.flat()))
        await file.datasync()
      },
      async stop() {
        await file?.close()
      },
    }
  },
})
