import assert from 'node:assert/strict'
import { constants } from 'node:crypto'
import { describe, it } from 'node:test'
import { type ChosenAlgorithms, chooseAlgorithms } from '../../../src/net/tls/names.ts'

function choose(lists: {
  include?: string[]
  exclude?: string[]
  suites?: string[]
  noSuites?: string[]
}): ChosenAlgorithms {
  return chooseAlgorithms({
    'include-protocols': lists.include,
    'exclude-protocols': lists.exclude,
    'include-cipher-suites': lists.suites,
    'exclude-cipher-suites': lists.noSuites,
  })
}
const said = ({ problems }: ChosenAlgorithms): string[] =>
  problems.map(({ option, severity, message }) => `${severity} ${option} ${message}`)

describe('protocols', () => {
  const cases = [
    { lists: {}, versions: ['TLSv1.2', 'TLSv1.3'] },
    { lists: { exclude: ['SSLv3', 'SSLv2Hello', 'TLSv1', 'TLSv1.1'] }, versions: ['TLSv1.2', 'TLSv1.3'] },
    { lists: { exclude: ['TLSv1.3'] }, versions: ['TLSv1.2', 'TLSv1.2'] },
    { lists: { include: ['TLSv1.3'] }, versions: ['TLSv1.3', 'TLSv1.3'] },
    { lists: { include: ['TLSv1.1', 'TLSv1.2'] }, versions: ['TLSv1.1', 'TLSv1.2'] },
    { lists: { include: ['TLSv1.2', 'TLSv1.3'], exclude: ['TLSv1.3'] }, versions: ['TLSv1.2', 'TLSv1.2'] },
    { lists: { suites: ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'] }, versions: ['TLSv1.2', 'TLSv1.2'] },
    { lists: { suites: ['TLS_AES_256_GCM_SHA384'] }, versions: ['TLSv1.3', 'TLSv1.3'] },
  ]
  for (const { lists, versions } of cases) {
    it(`${JSON.stringify(lists)} speaks ${versions.join(' to ')}`, () => {
      const chosen = choose(lists)
      assert.deepEqual(chosen.problems, [])
      assert.deepEqual([chosen.options.minVersion, chosen.options.maxVersion], versions)
    })
  }

  it('one left out in the middle stays out', () => {
    const { options } = choose({ include: ['TLSv1.1', 'TLSv1.3'] })
    assert.ok((options.secureOptions ?? 0) & constants.SSL_OP_NO_TLSv1_2)
    assert.equal((options.secureOptions ?? 0) & constants.SSL_OP_NO_TLSv1_3, 0)
  })

  it('a name there is not is a warning with the nearest one', () => {
    const { problems } = choose({ include: ['TLS1.2', 'TLSv1.2'], exclude: ['tlsv1'] })
    assert.deepEqual(
      problems.map(({ option, severity, hint }) => [option, severity, hint]),
      [
        ['include-protocols', 'warning', 'did you mean "TLSv1.2", "TLSv1.1" or "TLSv1.3"?'],
        ['exclude-protocols', 'warning', 'did you mean "TLSv1"?'],
      ],
    )
  })

  it('nothing left is an error', () => {
    assert.deepEqual(said(choose({ include: ['SSLv3'] })), [
      'warning include-protocols SSLv3 is not spoken any more',
      'error include-protocols leaves no TLS version that can be spoken',
    ])
    assert.deepEqual(said(choose({ exclude: ['TLSv1.2', 'TLSv1.3'] })), [
      'error exclude-protocols leaves no TLS version that can be spoken',
    ])
  })
})

describe('cipher suites', () => {
  const names = [
    ['TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256'],
    ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ['TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384', 'ECDHE-ECDSA-AES256-SHA384'],
    ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
    ['TLS_DHE_RSA_WITH_AES_256_CBC_SHA256', 'DHE-RSA-AES256-SHA256'],
    ['TLS_RSA_WITH_AES_128_CBC_SHA', 'AES128-SHA'],
    ['TLS_RSA_WITH_AES_256_GCM_SHA384', 'AES256-GCM-SHA384'],
    ['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ] as const
  for (const [java, openssl] of names) {
    it(`${java} is ${openssl}`, () => {
      const chosen = choose({ suites: [java] })
      assert.deepEqual(chosen.problems, [])
      assert.equal(chosen.options.ciphers, openssl)
    })
  }

  it('what is excluded is left out of the usual ones, also where both lists name it', () => {
    const usual = choose({ noSuites: ['TLS_AES_256_GCM_SHA384', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'] })
    const suites = usual.options.ciphers?.split(':') ?? []
    assert.ok(!suites.includes('TLS_AES_256_GCM_SHA384'))
    assert.ok(suites.includes('TLS_AES_128_GCM_SHA256'))
    assert.ok(!suites.includes('ECDHE-RSA-AES128-GCM-SHA256'))
    assert.ok(suites.includes('!ECDHE-RSA-AES128-GCM-SHA256'))
    const both = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384']
    assert.equal(choose({ suites: both, noSuites: [both[0] as string] }).options.ciphers, both[1])
  })

  it('a suite that is gone is nothing to exclude and a warning to include, a wrong name is a warning', () => {
    assert.deepEqual(said(choose({ noSuites: ['SSL_RSA_WITH_RC4_128_MD5'] })), [])
    assert.deepEqual(
      said(choose({ suites: ['TLS_AES_128_GCM_SHA256', 'TLS_ECDH_anon_WITH_RC4_128_SHA', 'AES-FOO'] })),
      [
        'warning include-cipher-suites TLS_ECDH_anon_WITH_RC4_128_SHA is not there any more',
        'warning include-cipher-suites "AES-FOO" is no cipher suite',
      ],
    )
  })

  it('nothing left is an error', () => {
    assert.deepEqual(said(choose({ suites: ['SSL_RSA_WITH_RC4_128_MD5'] })), [
      'warning include-cipher-suites SSL_RSA_WITH_RC4_128_MD5 is not there any more',
      'error include-cipher-suites leaves no cipher suite that can be spoken',
    ])
  })
})
