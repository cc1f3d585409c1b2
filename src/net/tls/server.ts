import { createSecureContext, type SecureContextOptions, type TLSSocket, type TlsOptions } from 'node:tls'
import { explain, FlumeError } from '../../core/error.ts'
import type { ServerTlsValues } from '../../spec/tls-options.ts'
import { chooseAlgorithms } from './names.ts'
import type { TlsProblem, TlsSettings } from './problem.ts'
import { authoritiesOf, globalLists, identityOf, openStore, storeValues } from './store.ts'

/** A handshake that is not over after this ends the connection, in milliseconds. */
export const handshakeMs = 20_000

/** What a listener needs to speak TLS. */
export interface ServerTls {
  readonly options: TlsOptions
  /** Why a connection whose handshake is over must not stay; undefined when it may. */
  refusal(socket: TLSSocket): string | undefined
}

/** Everything that keeps these options from working, files and passwords included where `settings` are given. */
export function serverTlsProblems(values: ServerTlsValues, settings?: TlsSettings): readonly TlsProblem[] {
  return values.ssl ? read(values, settings).problems : ignored(values)
}

/** Undefined where TLS is off; throws USAGE for options with an error among their problems. */
export function serverTls(values: ServerTlsValues, settings: TlsSettings): ServerTls | undefined {
  if (!values.ssl) return undefined
  const { options, problems } = read(values, settings)
  throwFirst(problems)
  const isAsked = values['client-auth'] !== 'none'
  return {
    options,
    // OpenSSL lets "wanted" mean "unchecked"; Java checks what it gets, and so does this.
    refusal: (socket) =>
      isAsked && !socket.authorized && Object.keys(socket.getPeerCertificate()).length > 0
        ? `its certificate is not trusted: ${socket.authorizationError}`
        : undefined,
  }
}

/** What is wrong first, as an error. */
export function throwFirst(problems: readonly TlsProblem[]): void {
  const found = problems.find(({ severity }) => severity === 'error')
  if (!found) return
  const { option, message, hint } = found
  throw new FlumeError('USAGE', `${option} ${message}`, hint ? { hint } : {})
}

function ignored(values: ServerTlsValues): readonly TlsProblem[] {
  if (values.keystore === undefined && values['client-auth'] === 'none') return []
  const option = values.keystore === undefined ? 'client-auth' : 'keystore'
  return [{ option, severity: 'warning', code: 'no-effect', message: 'has no effect: ssl is not true' }]
}

function read(values: ServerTlsValues, settings: TlsSettings | undefined) {
  const problems: TlsProblem[] = []
  const error = (option: string, code: string, message: string, hint?: string): void => {
    problems.push({ option, severity: 'error', code, message, ...(hint ? { hint } : {}) })
  }
  const algorithms = chooseAlgorithms(withGlobals(values, settings))
  problems.push(...algorithms.problems)
  const options: TlsOptions = { ...algorithms.options, handshakeTimeout: handshakeMs }
  // Somebody else's configuration, whose files are elsewhere.
  if (!settings) return { options, problems }
  const keystore = storeValues('keystore', values, settings)
  if (keystore.file === undefined) error('keystore', 'missing', 'is needed when ssl = true')
  else if (keystore.password === undefined && !isPemName(keystore))
    error('keystore-password', 'missing', 'is needed when ssl = true')
  else {
    const content = openStore('keystore', keystore)
    if ('option' in content) problems.push(content)
    else {
      const identity = identityOf(content)
      if (typeof identity === 'string') error('keystore', 'bad-store', `${keystore.file} ${identity}`)
      else Object.assign(options, identity)
    }
  }
  if (values['client-auth'] !== 'none') {
    options.requestCert = true
    options.rejectUnauthorized = values['client-auth'] === 'need'
    const truststore = storeValues('truststore', values, settings)
    if (truststore.file === undefined) {
      error('truststore', 'missing', `is needed when client-auth = ${values['client-auth']}`)
    } else {
      const content = openStore('truststore', truststore)
      if ('option' in content) problems.push(content)
      else {
        const ca = authoritiesOf(content)
        if (typeof ca === 'string') error('truststore', 'bad-store', `${truststore.file} ${ca}`)
        else Object.assign(options, { ca, allowPartialTrustChain: true })
      }
    }
  }
  if (!problems.some(({ severity }) => severity === 'error')) tryOut(options, problems)
  return { options, problems }
}

/** OpenSSL has the last word about keys and suites. */
export function tryOut(options: SecureContextOptions, problems: TlsProblem[]): void {
  try {
    createSecureContext(options)
  } catch (thrown) {
    problems.push({
      option: 'keystore',
      severity: 'error',
      code: 'bad-store',
      message: `is refused: ${explain(thrown)}`,
    })
  }
}

/** A PEM needs no password. */
export function isPemName({
  file = '',
  type,
}: {
  readonly file?: string | undefined
  readonly type?: string | undefined
}): boolean {
  return type === undefined ? /\.(pem|crt|key)$/i.test(file) : type.toUpperCase() === 'PEM'
}

/** The component's own lists, each else the global one. */
export function withGlobals<V extends Partial<ReturnType<typeof globalLists>>>(
  values: V,
  settings: TlsSettings | undefined,
): ReturnType<typeof globalLists> {
  const globals = globalLists(settings)
  return {
    'include-protocols': values['include-protocols'] ?? globals['include-protocols'],
    'exclude-protocols': values['exclude-protocols'] ?? globals['exclude-protocols'],
    'include-cipher-suites': values['include-cipher-suites'] ?? globals['include-cipher-suites'],
    'exclude-cipher-suites': values['exclude-cipher-suites'] ?? globals['exclude-cipher-suites'],
  }
}
