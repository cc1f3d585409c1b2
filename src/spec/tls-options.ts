import { choice, flag, list, type Options, secret, text } from './option.ts'

const versionOptions = {
  'exclude-protocols': list({ optional: true, doc: 'TLS versions not to use, by the names of Java, such as TLSv1.2.' }),
  'include-protocols': list({ optional: true, doc: 'TLS versions to use; TLSv1.2 and TLSv1.3 when left out.' }),
  'exclude-cipher-suites': list({
    optional: true,
    doc: 'Cipher suites not to use, by the names of Java or of OpenSSL.',
  }),
  'include-cipher-suites': list({ optional: true, doc: 'Cipher suites to use; those of Node when left out.' }),
}

const keystoreTypeDoc = 'JKS, PKCS12 or PEM; what the file is counts more.'

/** The TLS block of listeners (flume-components §1.3). The keys below `client-auth` are not Flume's. */
export const serverTlsOptions = {
  ssl: flag({ default: false, doc: 'Speak TLS.' }),
  keystore: text({
    optional: true,
    doc: 'File with the key and its certificates; -Djavax.net.ssl.keyStore or FLUME_SSL_KEYSTORE_PATH when left out.',
  }),
  'keystore-password': secret({
    optional: true,
    doc: 'Password of the key store; -Djavax.net.ssl.keyStorePassword or FLUME_SSL_KEYSTORE_PASSWORD when left out.',
  }),
  'keystore-type': text({ optional: true, doc: keystoreTypeDoc }),
  ...versionOptions,
  'client-auth': choice({
    default: 'none',
    of: ['none', 'want', 'need'],
    doc: 'Certificates of clients: not asked for, checked when there is one, or needed. Not in Flume.',
  }),
  truststore: text({
    optional: true,
    doc: 'With client-auth, the certificates whose clients are let in; -Djavax.net.ssl.trustStore or FLUME_SSL_TRUSTSTORE_PATH when left out.',
  }),
  'truststore-password': secret({ optional: true, doc: 'Password of the trust store.' }),
  'truststore-type': text({ optional: true, doc: keystoreTypeDoc }),
}
export type ServerTlsValues = Options<typeof serverTlsOptions>

/** The TLS block of clients (flume-components §1.4). The key store and `check-hostname` are not Flume's. */
export const clientTlsOptions = {
  ssl: flag({ default: false, doc: 'Speak TLS.' }),
  'trust-all-certs': flag({ default: false, doc: 'Accept any certificate.' }),
  truststore: text({
    optional: true,
    doc: 'File with the certificates to trust; -Djavax.net.ssl.trustStore or FLUME_SSL_TRUSTSTORE_PATH when left out, else the authorities that Node knows.',
  }),
  'truststore-password': secret({ optional: true, doc: 'Password of the trust store; a JKS is read without it, too.' }),
  'truststore-type': text({ optional: true, doc: keystoreTypeDoc }),
  ...versionOptions,
  'check-hostname': flag({
    default: false,
    doc: "Refuse a certificate that is not for the server's name; Flume never does.",
  }),
  keystore: text({
    optional: true,
    doc: 'File with a key and its certificates, for servers that ask for one. Not in Flume.',
  }),
  'keystore-password': secret({ optional: true, doc: 'Password of the key store.' }),
  'keystore-type': text({ optional: true, doc: keystoreTypeDoc }),
}
export type ClientTlsValues = Options<typeof clientTlsOptions>
