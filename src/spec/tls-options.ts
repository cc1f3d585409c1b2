import { flag, list, type Options, secret, text } from './option.ts'

/** Words that Flume reads in the TLS block of its listeners (flume-components §1.3). */
export const serverTlsOptions = {
  ssl: flag({ default: false, doc: 'Speak TLS. Not there yet: true is an error.' }),
  keystore: text({ optional: true, doc: 'Key store for TLS.' }),
  'keystore-password': secret({ optional: true, doc: 'Password of the key store.' }),
  'keystore-type': text({ optional: true, doc: 'Type of the key store: JKS or PKCS12.' }),
  'exclude-protocols': list({ optional: true, doc: 'TLS versions not to use, besides SSLv3.' }),
  'include-protocols': list({ optional: true, doc: 'TLS versions to use; all when left out.' }),
  'exclude-cipher-suites': list({ optional: true, doc: 'Cipher suites not to use.' }),
  'include-cipher-suites': list({ optional: true, doc: 'Cipher suites to use; all when left out.' }),
}

/** Words that Flume reads in the TLS block of its clients (flume-components §1.4). */
export const clientTlsOptions = {
  ssl: flag({ default: false, doc: 'Speak TLS. Not there yet: true is an error.' }),
  'trust-all-certs': flag({ default: false, doc: 'Accept any certificate.' }),
  truststore: text({ optional: true, doc: 'Store of the certificates to trust.' }),
  'truststore-password': secret({ optional: true, doc: 'Password of the trust store.' }),
  'truststore-type': text({ optional: true, doc: 'Type of the trust store: JKS or PKCS12.' }),
  'exclude-protocols': list({ optional: true, doc: 'TLS versions not to use, besides SSLv3.' }),
  'include-protocols': list({ optional: true, doc: 'TLS versions to use; all when left out.' }),
  'exclude-cipher-suites': list({ optional: true, doc: 'Cipher suites not to use.' }),
  'include-cipher-suites': list({ optional: true, doc: 'Cipher suites to use; all when left out.' }),
}

/** A connection that must be secret must not silently be open: TLS that is asked for and not there is an error. */
export function tlsProblems(options: Pick<Options<typeof serverTlsOptions>, 'ssl'>): readonly {
  readonly option: string
  readonly code: string
  readonly message: string
  readonly hint: string
}[] {
  if (!options.ssl) return []
  return [
    {
      option: 'ssl',
      code: 'not-supported',
      message: 'TLS is not supported here yet',
      hint: 'remove ssl = true, and protect the connection by other means such as a tunnel',
    },
  ]
}
