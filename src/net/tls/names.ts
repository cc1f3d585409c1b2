import { constants } from 'node:crypto'
import { DEFAULT_CIPHERS, getCiphers, type SecureContextOptions, type SecureVersion } from 'node:tls'
import { didYouMean } from '../../spec/nearest.ts'
import type { TlsProblem } from './problem.ts'

/** What protocols and cipher suites are configured, by the names that Java has for them. */
export interface NamedAlgorithms {
  readonly 'include-protocols': readonly string[] | undefined
  readonly 'exclude-protocols': readonly string[] | undefined
  readonly 'include-cipher-suites': readonly string[] | undefined
  readonly 'exclude-cipher-suites': readonly string[] | undefined
}

export interface ChosenAlgorithms {
  readonly options: SecureContextOptions
  readonly problems: readonly TlsProblem[]
}

const versions: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']
const usualVersions: readonly SecureVersion[] = ['TLSv1.2', 'TLSv1.3']
/** Names Java has for what nobody should speak and nothing here can. */
const deadVersions: readonly string[] = ['SSLv2Hello', 'SSLv3']
const versionBits: Readonly<Record<SecureVersion, number>> = {
  TLSv1: constants.SSL_OP_NO_TLSv1,
  'TLSv1.1': constants.SSL_OP_NO_TLSv1_1,
  'TLSv1.2': constants.SSL_OP_NO_TLSv1_2,
  'TLSv1.3': constants.SSL_OP_NO_TLSv1_3,
}

/**
 * What the lists leave, in the words of OpenSSL. As in Flume excluding wins over including, and names that mean nothing
 * are passed over; here that is said. Nothing left is an error.
 */
export function chooseAlgorithms(named: NamedAlgorithms): ChosenAlgorithms {
  const problems: TlsProblem[] = []
  const suites = chooseSuites(named, problems)
  let chosen = chooseVersions(named, problems)
  // A suite belongs to TLS 1.3 or to what came before: without one of them the version cannot be spoken.
  if (suites) {
    chosen = chosen.filter((version) => suites.some((suite) => suite.startsWith('TLS_') === (version === 'TLSv1.3')))
  }
  const [first] = chosen
  const last = chosen.at(-1)
  if (first === undefined || last === undefined) {
    const option = named['include-protocols']
      ? 'include-protocols'
      : suites
        ? 'include-cipher-suites'
        : 'exclude-protocols'
    if (!problems.some(({ severity }) => severity === 'error')) {
      problems.push({
        option,
        severity: 'error',
        code: 'nothing-left',
        message: 'leaves no TLS version that can be spoken',
      })
    }
    return { options: {}, problems }
  }
  const secureOptions = versions.reduce(
    (bits, version) => (chosen.includes(version) ? bits : bits | versionBits[version]),
    0,
  )
  // OpenSSL 3 lets the old versions in only below its usual level of security.
  const isOld = chosen.some((version) => !usualVersions.includes(version))
  const ciphers = [...(suites ?? DEFAULT_CIPHERS.split(':')), ...(isOld ? ['@SECLEVEL=0'] : [])].join(':')
  return { options: { minVersion: first, maxVersion: last, secureOptions, ciphers }, problems }
}

function chooseVersions(named: NamedAlgorithms, problems: TlsProblem[]): readonly SecureVersion[] {
  const read = (option: 'include-protocols' | 'exclude-protocols'): readonly string[] => {
    const names = named[option] ?? []
    for (const name of names) {
      if (versions.some((version) => version === name)) continue
      const isDead = deadVersions.includes(name)
      if (isDead && option === 'exclude-protocols') continue
      problems.push({
        option,
        severity: 'warning',
        code: 'unknown-protocol',
        message: isDead ? `${name} is not spoken any more` : `"${name}" is no TLS version`,
        hint: didYouMean(name, versions) ?? `there are ${versions.join(', ')}`,
      })
    }
    return names
  }
  const [included, excluded] = [read('include-protocols'), read('exclude-protocols')]
  return versions.filter(
    (version) => (included.length > 0 ? included : usualVersions).includes(version) && !excluded.includes(version),
  )
}

/** Undefined: nothing is said about suites. */
function chooseSuites(named: NamedAlgorithms, problems: TlsProblem[]): readonly string[] | undefined {
  const read = (option: 'include-cipher-suites' | 'exclude-cipher-suites'): readonly string[] =>
    (named[option] ?? []).flatMap((name) => {
      const suite = openSslNames(name).find((candidate) => available().has(candidate.toLowerCase()))
      if (suite !== undefined) return [suite]
      const isReal = javaSuite.test(name)
      if (isReal && option === 'exclude-cipher-suites') return []
      problems.push({
        option,
        severity: 'warning',
        code: 'unknown-cipher-suite',
        message: isReal ? `${name} is not there any more` : `"${name}" is no cipher suite`,
        ...(isReal ? {} : { hint: 'such as TLS_AES_256_GCM_SHA384 or TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384' }),
      })
      return []
    })
  const [included, excluded] = [read('include-cipher-suites'), read('exclude-cipher-suites')]
  const hasIncluded = (named['include-cipher-suites'] ?? []).length > 0
  if (!hasIncluded && excluded.length === 0) return undefined
  if (hasIncluded) {
    const left = included.filter((suite) => !excluded.includes(suite))
    if (left.length === 0) {
      const message = 'leaves no cipher suite that can be spoken'
      problems.push({ option: 'include-cipher-suites', severity: 'error', code: 'nothing-left', message })
    }
    return left
  }
  const usual = DEFAULT_CIPHERS.split(':').filter((suite) => !excluded.includes(suite))
  return [...usual, ...excluded.filter((suite) => !suite.startsWith('TLS_')).map((suite) => `!${suite}`)]
}

/** The form of a suite's name in Java, whether there is such a suite or not. */
const javaSuite = /^(?:TLS|SSL)_(?:([A-Za-z0-9]+(?:_[A-Za-z0-9]+)*)_WITH_)?[A-Z0-9]+(?:_[A-Z0-9]+)+$/

const keyExchanges: Readonly<Record<string, string>> = {
  RSA: '',
  DHE_RSA: 'DHE-RSA-',
  DHE_DSS: 'DHE-DSS-',
  ECDHE_RSA: 'ECDHE-RSA-',
  ECDHE_ECDSA: 'ECDHE-ECDSA-',
}

/** How OpenSSL may call a suite: as Java does (TLS 1.3), in its own older form, or as it stands. */
function openSslNames(name: string): readonly string[] {
  const [, exchange, cipher] = /^(?:TLS|SSL)_(.+?)_WITH_(.+)$/.exec(name) ?? []
  if (exchange === undefined || cipher === undefined) return [name]
  const head = keyExchanges[exchange]
  if (head === undefined) return []
  const own = cipher
    .replace(/^3DES_EDE_CBC_/, 'DES-CBC3-')
    .replace(/^(AES|CAMELLIA|ARIA)_(\d+)_CBC_/, '$1$2-')
    .replace(/^(AES|ARIA)_(\d+)_/, '$1$2-')
    .replace(/^CHACHA20_POLY1305_SHA256$/, 'CHACHA20-POLY1305')
    .replaceAll('_', '-')
  return [`${head}${own}`]
}

let availableSuites: ReadonlySet<string> | undefined
/** Asked once: it never changes. */
function available(): ReadonlySet<string> {
  availableSuites ??= new Set(getCiphers())
  return availableSuites
}
