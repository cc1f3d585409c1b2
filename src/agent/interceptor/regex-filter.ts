import { BodyTexts } from '../../codec/body-texts.ts'
import { type Charset, charsetNamed } from '../../codec/charset.ts'
import { readJavaSearch } from '../../codec/java-regex.ts'
import { flag, type Options, parsed } from '../../spec/option.ts'
import { defineInterceptor, type EventBatch, type Interceptor } from '../contract.ts'

const options = {
  regex: parsed(
    'regular expression',
    'a Java regular expression',
    { doc: 'Searched for anywhere in the body, which is read as UTF-8.', default: '.*' },
    (value) => readJavaSearch(value, false),
  ),
  excludeEvents: flag({ default: false, doc: 'Drop the events that match; otherwise those that do not.' }),
}
type RegexFilterOptions = Options<typeof options>

export const regexFilter = defineInterceptor({
  type: 'regex_filter',
  aliases: ['org.apache.flume.interceptor.RegexFilteringInterceptor$Builder'],
  summary: 'Keeps or drops events by what their bodies say.',
  options,
  create: (options) => new RegexFilter(options),
})

/** Flume: the charset of the platform (I-03). */
const utf8 = charsetNamed('UTF-8') as Charset

class RegexFilter implements Interceptor {
  readonly #options: RegexFilterOptions

  constructor(options: RegexFilterOptions) {
    this.#options = options
  }

  intercept(batch: EventBatch): EventBatch {
    const { regex, excludeEvents } = this.#options
    const texts = new BodyTexts(batch, utf8)
    const kept = new Uint32Array(batch.count)
    let count = 0
    for (let i = 0; i < batch.count; i++) if (regex.test(texts.at(i)) !== excludeEvents) kept[count++] = i
    return count === batch.count ? batch : batch.select(kept.subarray(0, count))
  }
}
