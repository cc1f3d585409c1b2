import type { ConnectionOptions } from 'node:tls'
import type { ClientTlsValues } from '../../spec/tls-options.ts'
import { chooseAlgorithms } from './names.ts'
import type { TlsProblem, TlsSettings } from './problem.ts'
import { throwFirst, tryOut, withGlobals } from './server.ts'
import { authoritiesOf, identityOf, openStore, storeValues } from './store.ts'

/** What a client needs to speak TLS; everything but where to. */
export interface ClientTls {
  readonly options: ConnectionOptions
}

/** Everything that keeps these options from working, files and passwords included where `settings` are given. */
export function clientTlsProblems(values: ClientTlsValues, settings?: TlsSettings): readonly TlsProblem[] {
  if (values.ssl) return read(values, settings).problems
  if (values.truststore === undefined && values.keystore === undefined) return []
  const option = values.truststore === undefined ? 'keystore' : 'truststore'
  return [{ option, severity: 'warning', code: 'no-effect', message: 'has no effect: ssl is not true' }]
}

/** Undefined where TLS is off; throws USAGE for options with an error among their problems. */
export function clientTls(values: ClientTlsValues, settings: TlsSettings): ClientTls | undefined {
  if (!values.ssl) return undefined
  const { options, problems } = read(values, settings)
  throwFirst(problems)
  return { options }
}

function read(values: ClientTlsValues, settings: TlsSettings | undefined) {
  const { options: algorithms, problems: found } = chooseAlgorithms(withGlobals(values, settings))
  const problems: TlsProblem[] = [...found]
  const error = (option: string, code: string, message: string): void => {
    problems.push({ option, severity: 'error', code, message })
  }
  const options: ConnectionOptions = { ...algorithms }
  // As Flume: whose certificate is trusted may answer under any name.
  if (!values['check-hostname']) options.checkServerIdentity = () => undefined
  // Somebody else's configuration, whose files are elsewhere.
  if (!settings) return { options, problems }
  const truststore = storeValues('truststore', values, settings)
  if (values['trust-all-certs']) {
    options.rejectUnauthorized = false
    if (values.truststore !== undefined) {
      const message = 'has no effect: trust-all-certs is true'
      problems.push({ option: 'truststore', severity: 'warning', code: 'no-effect', message })
    }
  } else if (truststore.file !== undefined) {
    const content = openStore('truststore', truststore)
    if ('option' in content) problems.push(content)
    else {
      const ca = authoritiesOf(content)
      if (typeof ca === 'string') error('truststore', 'bad-store', `${truststore.file} ${ca}`)
      // As Java: a certificate of the store is trusted for itself, whoever issued it.
      else Object.assign(options, { ca, allowPartialTrustChain: true })
    }
  }
  const keystore = storeValues('keystore', values, undefined)
  if (keystore.file !== undefined) {
    const content = openStore('keystore', keystore)
    if ('option' in content) problems.push(content)
    else {
      const identity = identityOf(content)
      if (typeof identity === 'string') error('keystore', 'bad-store', `${keystore.file} ${identity}`)
      else Object.assign(options, identity)
    }
  }
  if (!problems.some(({ severity }) => severity === 'error')) tryOut(options, problems)
  return { options, problems }
}
