import { readJavaPattern, readJavaSearch } from '../../codec/java-regex.ts'
import { parsed, text } from '../../spec/option.ts'
import { defineInterceptor } from '../contract.ts'

const options = {
  withName: text({ optional: true, doc: 'A header to take away.' }),
  fromList: text({ optional: true, doc: 'Several of them.' }),
  fromListSeparator: parsed(
    'regular expression',
    'a Java regular expression',
    { doc: 'What separates the names of fromList.', default: '\\s*,\\s*' },
    (value) => readJavaSearch(value, true),
  ),
  matching: text({ optional: true, doc: 'Headers whose whole name this Java regular expression matches.' }),
}

export const removeHeader = defineInterceptor({
  type: 'remove_header',
  aliases: ['org.apache.flume.interceptor.RemoveHeaderInterceptor$Builder'],
  summary: 'Takes headers away, by name or by pattern.',
  options,
  check: ({ matching }) => {
    const reading = matching === undefined ? undefined : readJavaPattern(matching)
    return reading && 'problem' in reading ? [{ option: 'matching', message: reading.problem }] : []
  },
  create: ({ withName, fromList, fromListSeparator, matching }) => {
    // I-06: all three count.
    const names = new Set(withName === undefined ? [] : [withName])
    if (fromList !== undefined) for (const name of fromListSeparator.split(fromList)) names.add(name)
    const reading = matching === undefined ? undefined : readJavaPattern(matching)
    const pattern = reading && 'value' in reading ? reading.value : undefined
    return {
      intercept: (batch) => {
        let kept = batch
        for (const name of batch.headers.keys()) {
          if (names.has(name) || pattern?.matches(name)) kept = kept.withHeader(name, undefined)
        }
        return kept
      },
    }
  },
})
