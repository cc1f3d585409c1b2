import { FlumeError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import { HttpPoster } from '../../net/http-poster.ts'
import { clientTls, clientTlsProblems } from '../../net/tls/client.ts'
import { flag, millis, type Options, prefix, required, text } from '../../spec/option.ts'
import type { ClientTlsValues } from '../../spec/tls-options.ts'
import {
  type CheckSettings,
  defineSink,
  type OptionProblem,
  type Sink,
  type SinkContext,
  type Written,
} from '../contract.ts'

const statusDoc = 'below it a status such as 503, or a group such as 5XX; the status counts before the group'

const options = {
  endpoint: required<URL>(
    'URL',
    'an http: or https: address',
    { doc: 'Where each event is posted, its body as the body.' },
    (word) => {
      const url = URL.canParse(word) ? new URL(word) : undefined
      if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
        return { problem: 'is not an http: or https: address' }
      return { value: url }
    },
  ),
  connectTimeout: millis({ default: 5000, min: 1, doc: 'Limit for connecting.' }),
  requestTimeout: millis({ default: 5000, min: 1, doc: 'Limit for an answer.' }),
  contentTypeHeader: text({ default: 'text/plain', doc: 'Content-Type of every request.' }),
  acceptHeader: text({ default: 'text/plain', doc: 'Accept of every request.' }),
  defaultBackoff: flag({
    default: true,
    doc: 'Pause after an answer that is no success and that nothing below names.',
  }),
  defaultRollback: flag({ default: true, doc: 'Keep the event, and send it again, after such an answer.' }),
  defaultIncrementMetrics: flag({
    default: false,
    doc: 'Count the event in EventDrainSuccessCount after such an answer.',
  }),
  'backoff.': prefix({ doc: `Pause after this answer: ${statusDoc}. 2XX: false.` }),
  'rollback.': prefix({ doc: `Keep the event, and send it again, after this answer: ${statusDoc}. 2XX: false.` }),
  'incrementMetrics.': prefix({ doc: `Count the event after this answer: ${statusDoc}. 2XX: true.` }),
}
type HttpOptions = Options<typeof options>

const overrides = ['backoff.', 'rollback.', 'incrementMetrics.'] as const
const statusPattern = /^([1-9]\d\d|[1-9]XX)$/

export const http = defineSink({
  type: 'http',
  aliases: ['org.apache.flume.sink.http.HttpSink'],
  summary: 'Posts each event to a web address.',
  options,
  check,
  describe: ({ endpoint }) => `${endpoint.origin}${endpoint.pathname}`,
  create: (values, context) => new HttpSink(values, context),
})

/** As Java's own HTTPS: the trust store of the whole agent, and the certificate must be for the name that is called. */
const httpsTrust: ClientTlsValues = {
  ssl: true,
  'trust-all-certs': false,
  'check-hostname': true,
  truststore: undefined,
  'truststore-password': undefined,
  'truststore-type': undefined,
  keystore: undefined,
  'keystore-password': undefined,
  'keystore-type': undefined,
  'exclude-protocols': undefined,
  'include-protocols': undefined,
  'exclude-cipher-suites': undefined,
  'include-cipher-suites': undefined,
}

function check(values: HttpOptions, settings?: CheckSettings): readonly OptionProblem[] {
  const problems: OptionProblem[] = []
  if (values.endpoint.protocol === 'https:')
    problems.push(...clientTlsProblems(httpsTrust, settings).map((problem) => ({ ...problem, option: 'endpoint' })))
  for (const name of overrides) {
    for (const [status, word] of Object.entries(values[name])) {
      const option = `${name}${status}`
      if (!statusPattern.test(status)) {
        const message = 'matches no answer: a status is three digits, a group one digit and XX'
        problems.push({ option, severity: 'warning', code: 'no-effect', message })
      } else if (!/^(true|false)$/i.test(word)) {
        const message = `"${word}" is neither true nor false, and means false`
        problems.push({ option, severity: 'warning', code: 'not-a-flag', message })
      }
    }
  }
  for (const name of ['contentTypeHeader', 'acceptHeader'] as const) {
    if (/[^\t\x20-\x7e\x80-\xff]/.test(values[name]))
      problems.push({ option: name, code: 'bad-header', message: 'holds characters that no header may have' })
  }
  if (values.endpoint.username !== '' || values.endpoint.password !== '') {
    const message = 'user and password in the address are not sent'
    problems.push({ option: 'endpoint', severity: 'warning', code: 'no-effect', message })
  }
  return problems
}

/** What becomes of an event after an answer. */
interface Verdict {
  readonly rollback: boolean
  readonly backoff: boolean
  readonly counted: boolean
}

/** One event a request (N-10): an answer says of one event only what becomes of it. */
class HttpSink implements Sink {
  readonly batchSize = 1
  readonly #options: HttpOptions
  readonly #context: SinkContext
  readonly #poster: HttpPoster
  readonly #verdicts = new Map<number, Verdict>()

  constructor(values: HttpOptions, context: SinkContext) {
    this.#options = values
    this.#context = context
    const url = new URL(values.endpoint)
    url.username = ''
    url.password = ''
    this.#poster = new HttpPoster({
      url,
      headers: { 'content-type': values.contentTypeHeader, accept: values.acceptHeader },
      tls: url.protocol === 'https:' ? clientTls(httpsTrust, context.settings) : undefined,
      connectTimeoutMs: values.connectTimeout,
      requestTimeoutMs: values.requestTimeout,
      clock: context.clock,
      counters: context.counters,
    })
  }

  async write(batch: EventBatch): Promise<Written> {
    const body = batch.bodyAt(0)
    if (body.length === 0) {
      this.#context.log.warn('an event without a body is dropped: there is nothing to post')
      return { delivered: false, pause: true }
    }
    const status = await this.#poster.post(body)
    const { rollback, backoff, counted } = this.#verdictOn(status)
    if (rollback) {
      const hint = `rollback.${status} = false drops events that get this answer`
      throw new FlumeError('REFUSED', `${this.#options.endpoint.host} answered ${status}`, {
        retry: true,
        atOnce: !backoff,
        hint,
      })
    }
    return { delivered: isSuccess(status), counted, pause: backoff }
  }

  async stop(): Promise<void> {
    this.#poster.close()
  }

  #verdictOn(status: number): Verdict {
    let verdict = this.#verdicts.get(status)
    if (!verdict) {
      const { defaultRollback, defaultBackoff, defaultIncrementMetrics } = this.#options
      // Flume: the defaults hold for a success too, so that without rollback.2XX it is sent again for ever (N-11).
      const success = isSuccess(status)
      verdict = {
        rollback: this.#override('rollback.', status) ?? (!success && defaultRollback),
        backoff: this.#override('backoff.', status) ?? (!success && defaultBackoff),
        counted: this.#override('incrementMetrics.', status) ?? (success || defaultIncrementMetrics),
      }
      this.#verdicts.set(status, verdict)
    }
    return verdict
  }

  #override(name: (typeof overrides)[number], status: number): boolean | undefined {
    const words = this.#options[name]
    const word = words[`${status}`] ?? words[`${Math.floor(status / 100)}XX`]
    return word === undefined ? undefined : word.toLowerCase() === 'true'
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}
