import { FlumeError } from '../core/error.ts'
import { DStream } from './dstream.ts'
import { SparkContext } from './spark-context.ts'

/** What a job written for Spark may call and is not offered, with what to do instead. Typed jobs do not compile; others are told. */
const missing: readonly {
  readonly type: { readonly name: string; readonly prototype: object }
  readonly names: Readonly<Record<string, string>>
}[] = [
  {
    type: DStream,
    names: {
      saveAsHadoopFiles: 'use saveAsTextFiles or saveAsFiles',
      saveAsNewAPIHadoopFiles: 'use saveAsTextFiles or saveAsFiles',
    },
  },
  {
    type: SparkContext,
    names: {
      addSparkListener: 'use ssc.addStreamingListener',
    },
  },
]

function refuse(what: string, hint: string): () => never {
  return () => {
    throw new FlumeError('UNSUPPORTED', `${what} is not there yet`, { hint })
  }
}

for (const { type, names } of missing) {
  for (const [name, hint] of Object.entries(names)) {
    Object.defineProperty(type.prototype, name, { value: refuse(`${type.name}.${name}`, hint), configurable: true })
  }
}
