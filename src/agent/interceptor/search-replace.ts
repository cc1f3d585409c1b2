import { BodyTexts } from '../../codec/body-texts.ts'
import { charsetNamed } from '../../codec/charset.ts'
import { type JavaReplacement, readJavaReplacement, readJavaSearch } from '../../codec/java-regex.ts'
import { type Options, parsed, required, text } from '../../spec/option.ts'
import { BatchBuilder, defineInterceptor, type EventBatch, type Interceptor } from '../contract.ts'

const options = {
  searchPattern: required(
    'regular expression',
    'a Java regular expression',
    { doc: 'Every match in the body is replaced.' },
    (value) => readJavaSearch(value, true),
  ),
  replaceString: text({
    default: '',
    doc: 'What matches are replaced by; $1 and ${name} are groups, a backslash stands before what is to stand for itself.',
  }),
  charset: parsed(
    'charset',
    'the Java name of a charset',
    { doc: 'What bodies are written in.', default: 'UTF-8' },
    (name) => {
      const value = charsetNamed(name)
      if (!value) return { problem: 'is no charset that is known here' }
      return value.encode ? { value } : { problem: 'can be read but not written here' }
    },
  ),
}
type SearchReplaceOptions = Options<typeof options>

export const searchReplace = defineInterceptor({
  type: 'search_replace',
  aliases: ['org.apache.flume.interceptor.SearchAndReplaceInterceptor$Builder'],
  summary: 'Replaces parts of bodies.',
  options,
  check: ({ searchPattern, replaceString }) => {
    const reading = readJavaReplacement(replaceString, searchPattern)
    return 'problem' in reading ? [{ option: 'replaceString', message: reading.problem }] : []
  },
  create: (options) => {
    const reading = readJavaReplacement(options.replaceString, options.searchPattern)
    if ('problem' in reading) throw new TypeError(`replaceString ${reading.problem}`)
    return new SearchReplace(options, reading.value)
  },
})

class SearchReplace implements Interceptor {
  readonly #options: SearchReplaceOptions
  readonly #replacement: JavaReplacement

  constructor(options: SearchReplaceOptions, replacement: JavaReplacement) {
    this.#options = options
    this.#replacement = replacement
  }

  intercept(batch: EventBatch): EventBatch {
    const { searchPattern, charset } = this.#options
    const encode = charset.encode as (text: string) => Uint8Array
    const texts = new BodyTexts(batch, charset)
    let bodies: BatchBuilder | undefined
    for (let i = 0; i < batch.count; i++) {
      const before = texts.at(i)
      const after = searchPattern.replaceAll(before, this.#replacement)
      if (after !== before && !bodies) {
        bodies = new BatchBuilder(batch.bodyBytes, batch.count)
        for (let earlier = 0; earlier < i; earlier++) bodies.add(batch.bodyAt(earlier))
      }
      // A body without a match keeps its bytes; Flume writes it anew, U+FFFD for what was malformed.
      bodies?.add(after === before ? batch.bodyAt(i) : encode(after))
    }
    return bodies ? bodies.build().withHeaders(batch.headers) : batch
  }
}
