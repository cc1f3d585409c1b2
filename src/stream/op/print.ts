import type { RDD } from '../rdd/rdd.ts'
import type { Time } from '../time.ts'

const ruler = '-'.repeat(43)

/** The text that `print` writes for one batch (B60). Reads one record more than it shows, to know whether there are more. */
export async function printed<T>(rdd: RDD<T>, time: Time, count: number): Promise<string> {
  const taken = await rdd.take(count + 1)
  const lines = taken.slice(0, count).map((item) => rdd.textOf(item))
  const more = taken.length > count ? ['...'] : []
  return `${[ruler, `Time: ${time}`, ruler, ...lines, ...more, ''].join('\n')}\n`
}
