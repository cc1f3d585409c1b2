import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { TokenFile } from '../../src/net/hdfs/delegation-token.ts'
import { type KerberosLibrary, KerberosNegotiator } from '../../src/net/hdfs/spnego.ts'
import { WebHdfs, type WebHdfsOptions } from '../../src/net/hdfs/webhdfs.ts'
import { type SecureHdfs, startSecureHdfs } from './peers.ts'

/** How long a token is good without being renewed. */
const renewIntervalMs = 12_000

/** The optional package, or where it was built: it needs a compiler and the headers of Kerberos. */
const packageName = process.env['KERBEROS_PACKAGE'] ?? 'kerberos'
const library: KerberosLibrary | undefined = await import(packageName).then(
  (module) => module.default ?? module,
  () => undefined,
)

if (!library) {
  console.error(
    'SKIPPED: tickets need the optional package kerberos (npm install kerberos, or KERBEROS_PACKAGE for one built elsewhere)',
  )
}

describe('a real HDFS that asks for Kerberos', () => {
  let hdfs: SecureHdfs
  before(async () => {
    hdfs = await startSecureHdfs(renewIntervalMs)
  })
  after(async () => {
    await hdfs.process.stop()
  })
  const client = (more: Partial<WebHdfsOptions>): WebHdfs =>
    new WebHdfs({ nameNodes: [hdfs.httpUri], user: 'me', timeoutMs: 30_000, clock: systemClock, ...more })
  const roundTrip = async (files: WebHdfs, folder: string): Promise<void> => {
    await files.create(`${folder}/a`, [Buffer.from('one ')])
    await files.append(`${folder}/a`, [Buffer.from('two')], 4)
    await files.rename(`${folder}/a`, `${folder}/b`)
    assert.equal(Buffer.from(await files.read(`${folder}/b`, 0, 100)).toString(), 'one two')
    // Under way for a moment, while the last block is recovered.
    if (!(await files.truncate(`${folder}/b`, 3)))
      while ((await files.status(`${folder}/b`))?.sizeBytes !== 3) await systemClock.sleep(100)
    assert.equal(await files.delete(`${folder}/b`), true)
  }

  it('takes a delegation token out of a file that Hadoop has written', async () => {
    const path = join(hdfs.folder, 'tokens')
    await hdfs.command(`token ${path} nobody`)
    const token = new TokenFile(path, [])
    assert.equal((await token.current()).identity?.owner, 'flume@EXAMPLE.COM')
    const files = client({ token })
    await roundTrip(files, '/flume')
    await assert.rejects(files.create('/alice/x', [Buffer.from('x')]), {
      reason: 'denied',
      message: /Permission denied/,
    })
    await files.close()
  })

  it('lets a token of another user’s act for that user only', async () => {
    const path = join(hdfs.folder, 'tokens-of-alice')
    await hdfs.command(`token ${path} flume alice`)
    const files = client({ token: new TokenFile(path, []), doAs: 'alice' })
    await roundTrip(files, '/alice')
    await files.close()
    const wrong = client({ token: new TokenFile(path, []), doAs: 'bob' })
    await assert.rejects(wrong.status('/'), { message: /is alice's, and cannot act for bob/ })
    await wrong.close()
  })

  it('takes no token that was cancelled, and the one that is put in its place', async () => {
    const path = join(hdfs.folder, 'tokens-to-cancel')
    await hdfs.command(`token ${path} flume`)
    const files = client({ token: new TokenFile(path, []) })
    await files.status('/flume')
    await hdfs.command(`cancel ${path}`)
    await assert.rejects(files.create('/flume/x', [Buffer.from('x')]), {
      reason: 'denied',
      retry: true,
      untouched: true,
      message: /the delegation token in .*tokens-to-cancel is not taken: .*InvalidToken/,
      hint: /expired, or was cancelled: put a new one there/,
    })
    await hdfs.command(`token ${path} flume`)
    await roundTrip(files, '/flume')
    await files.close()
  })

  it('is told apart by one line when there is neither token nor package', async () => {
    const negotiator = new KerberosNegotiator(
      { principal: undefined, keytab: undefined },
      () => import('no-such-package' as string),
    )
    const files = client({ negotiator })
    await assert.rejects(files.status('/'), {
      reason: 'denied',
      message: /asks for Kerberos/,
      hint: /npm install kerberos/,
    })
    await files.close()
  })

  describe('with tickets', {
    skip: !library,
  }, () => {
    before(() => {
      process.env['KRB5_CONFIG'] = hdfs.krb5Conf
    })
    const negotiator = (principal = 'flume@EXAMPLE.COM', keytab = hdfs.keytab): KerberosNegotiator =>
      new KerberosNegotiator({ principal, keytab }, async () => library as KerberosLibrary)

    it('takes one that was fetched by a keytab', async () => {
      const files = client({ negotiator: negotiator() })
      await roundTrip(files, '/flume')
      await assert.rejects(files.create('/alice/x', [Buffer.from('x')]), {
        reason: 'denied',
        message: /Permission denied/,
      })
      await files.close()
    })

    it('lets it act for another user', async () => {
      const files = client({ negotiator: negotiator(), doAs: 'alice' })
      await roundTrip(files, '/alice')
      await files.close()
    })

    it('is told from one where the keytab is another’s, or there is no ticket', async () => {
      const wrong = client({ negotiator: negotiator('nobody@EXAMPLE.COM') })
      await assert.rejects(wrong.status('/'), {
        reason: 'denied',
        message: /no Kerberos ticket for HTTP@localhost/,
        hint: /hdfs\.kerberosKeytab/,
      })
      await wrong.close()
      process.env['KRB5CCNAME'] = `FILE:${join(hdfs.folder, 'no-cache')}`
      const none = client({
        negotiator: new KerberosNegotiator(
          { principal: undefined, keytab: undefined },
          async () => library as KerberosLibrary,
        ),
      })
      await assert.rejects(none.status('/'), { reason: 'denied', hint: /run kinit/ })
      await none.close()
    })

    it('renews a token for its renewer, while one that nobody renews ends', async () => {
      const [path, left] = [join(hdfs.folder, 'tokens-to-renew'), join(hdfs.folder, 'tokens-to-leave')]
      await hdfs.command(`token ${path} flume`)
      await hdfs.command(`token ${left} flume`)
      const renewed = client({ negotiator: negotiator(), token: new TokenFile(path, []) })
      const alone = client({ token: new TokenFile(left, []) })
      const beganMs = systemClock.monotonic()
      let problem: unknown
      while (systemClock.monotonic() - beganMs < 2 * renewIntervalMs) {
        await renewed.status('/flume')
        problem ??= await alone.status('/flume').then(
          () => undefined,
          (error: unknown) => error,
        )
        await systemClock.sleep(500)
      }
      assert.match(String(problem), /the delegation token in .*tokens-to-leave is not taken: .*expired/)
      await renewed.close()
      await alone.close()
    })
  })
})
