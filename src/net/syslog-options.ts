import { type KeepFields, keepFieldsOf } from '../codec/syslog.ts'
import { type Options, parsed, prefix, text } from '../spec/option.ts'

/** What Flume's syslog sources have in common. */
export const syslogOptions = {
  host: text({ default: '0.0.0.0', doc: 'Address to listen on.' }),
  bind: text({ optional: true, doc: 'Not read, as in Flume: host is.' }),
  keepFields: parsed<KeepFields>(
    'none | all | fields',
    'none, all, or some of priority, version, timestamp, hostname',
    {
      default: 'none',
      doc: 'What of the head stays in the body: none, all, or priority, version, timestamp, hostname.',
    },
    (value) => ({ value: keepFieldsOf(value) }),
  ),
  clientIPHeader: text({ optional: true, doc: "Name of a header for the sender's address." }),
  clientHostnameHeader: text({ optional: true, doc: "Name of a header for the sender's host name." }),
}

/** Patterns of the user's own (`format.regex` and its company), which Flume has and does not document. */
export const syslogFormatOptions = {
  'format.': prefix({ doc: 'Patterns of your own. Not there: any is an error.' }),
}

interface Problem {
  readonly option: string
  readonly severity?: 'warning'
  readonly code: string
  readonly message: string
  readonly hint: string
}

export function syslogProblems(
  options: Pick<Options<typeof syslogOptions>, 'bind'> & Partial<Options<typeof syslogFormatOptions>>,
): readonly Problem[] {
  const problems: Problem[] = []
  if (options.bind !== undefined) {
    problems.push({
      option: 'bind',
      severity: 'warning',
      code: 'not-read',
      message: 'syslog sources do not read bind, neither does Flume',
      hint: 'say host = … instead',
    })
  }
  for (const key of Object.keys(options['format.'] ?? {})) {
    problems.push({
      option: `format.${key}`,
      code: 'not-supported',
      message: 'patterns of your own are not supported',
      hint: 'take them apart with a regex_extractor interceptor',
    })
  }
  return problems
}
