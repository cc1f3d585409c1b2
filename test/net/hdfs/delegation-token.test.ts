import assert from 'node:assert/strict'
import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { readUrlToken, type Token, urlToken } from '../../../src/codec/hdfs/tokens.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { givenToken, TokenFile } from '../../../src/net/hdfs/delegation-token.ts'
import type { FileSystemError } from '../../../src/net/hdfs/file-system.ts'
import { openFileSystem } from '../../../src/net/hdfs/open.ts'
import { WebHdfs, type WebHdfsOptions } from '../../../src/net/hdfs/webhdfs.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { FakeWebHdfs, refuse } from '../../support/fake-web-hdfs.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { until } from '../../support/until.ts'

const fixtures = new URL('../../../../test/fixture/hdfs-tokens/', import.meta.url)
const recorded = readFileSync(new URL('token.url', fixtures), 'utf8')

function vint(bytes: Uint8Array): Buffer {
  const length = bytes.length <= 127 ? [bytes.length] : [0x8f, bytes.length]
  return Buffer.concat([Buffer.from(length), bytes])
}

function part(text: string): Buffer {
  return vint(Buffer.from(text))
}

/** A token of an owner, different for each number. */
function token(owner: string, number = 1, more: Partial<Token> = {}): Token {
  const identifier = Buffer.concat([
    Buffer.from([0]),
    part(owner),
    part('yarn'),
    part(''),
    Buffer.from([1, 2, number, 1]),
  ])
  return { identifier, password: Buffer.from([number]), kind: 'HDFS_DELEGATION_TOKEN', service: 'nn:8020', ...more }
}

function fileOf(...tokens: readonly Token[]): Buffer {
  const parts = tokens.flatMap(({ identifier, password, kind, service }) => [
    part(service),
    vint(identifier),
    vint(password),
    part(kind),
    part(service),
  ])
  return Buffer.concat([Buffer.from('HDTS\0'), Buffer.from([tokens.length]), ...parts, Buffer.from([0])])
}

describe('a file of delegation tokens', () => {
  const read = async (test: TestContext, bytes: Buffer, services: readonly string[] = ['nn:9870']) => {
    const path = join(await tempDir(test), 'tokens')
    writeFileSync(path, bytes)
    return new TokenFile(path, services).current()
  }

  it('of Hadoop gives the one for HDFS, for whatever server', async () => {
    for (const name of ['tokens-writable.bin', 'tokens-protobuf.bin']) {
      const file = new TokenFile(new URL(name, fixtures).pathname, ['nn:9870'])
      assert.equal((await file.current()).text, recorded)
    }
  })

  it('gives the one for the server that is asked, where there are several', async (test) => {
    const [one, two] = [token('a', 1, { service: 'one:9870' }), token('a', 2, { service: 'ha-hdfs:prod' })]
    assert.equal((await read(test, fileOf(one, two), ['x', 'ha-hdfs:prod'])).text, urlToken(two))
    await assert.rejects(read(test, fileOf(one, two), ['three:9870']), {
      code: 'USAGE',
      message: /tokens for one:9870, ha-hdfs:prod, and none for three:9870/,
      hint: /hdfs\.delegationToken/,
    })
    // As fetchdt leaves it for a name service: the same one for the service and for each of its name nodes.
    const same = ['ha-hdfs:prod', '10.0.0.1:8020'].map((service) => token('a', 1, { service }))
    assert.equal((await read(test, fileOf(...same))).identity?.owner, 'a')
  })

  it('that holds none for HDFS, is none, or is missing is refused in one line', async (test) => {
    await assert.rejects(read(test, fileOf(token('a', 1, { kind: 'RM_DELEGATION_TOKEN' }))), {
      code: 'USAGE',
      message: /tokens: it holds no token for HDFS among its 1/,
    })
    await assert.rejects(read(test, Buffer.from('<xml>')), { code: 'USAGE', message: /does not begin with HDTS/ })
    await assert.rejects(new TokenFile('/nowhere/tokens', []).current(), {
      code: 'USAGE',
      message: /no delegation token: .*ENOENT.*\/nowhere\/tokens/,
      hint: /hdfs fetchdt/,
    })
  })

  it('is read again when it has changed, and kept while it is being written', async (test) => {
    const path = join(await tempDir(test), 'tokens')
    writeFileSync(path, fileOf(token('a', 1)))
    const file = new TokenFile(path, [])
    const before = (await file.current()).text
    writeFileSync(path, 'HD')
    assert.equal((await file.current()).text, before)
    writeFileSync(path, fileOf(token('a', 2)))
    utimesSync(path, 1, 1)
    assert.equal((await file.current()).text, urlToken(token('a', 2)))
    rmSync(path)
    assert.equal((await file.current()).text, urlToken(token('a', 2)))
  })
})

describe('a WebHDFS client with a delegation token', () => {
  const start = async (test: TestContext, more: Partial<WebHdfsOptions>) => {
    const fake = await FakeWebHdfs.start()
    test.after(() => fake.stop())
    const files = new WebHdfs({ nameNodes: [fake.url], user: 'me', timeoutMs: 60_000, clock: systemClock, ...more })
    test.after(() => files.close())
    return { fake, files }
  }
  const given = (owner: string): WebHdfsOptions['token'] => givenToken(urlToken(token(owner)))

  it('sends it with every call, and the name of its owner without host and realm', async (test) => {
    const { fake, files } = await start(test, { token: given('etl/host@EXAMPLE.COM') })
    await files.create('/a', [Buffer.from('x')])
    await files.rename('/a', '/b')
    const calls = fake.queries.filter((query) => !query.includes('RENEWDELEGATIONTOKEN'))
    assert.equal(calls.length, 3)
    for (const query of calls) {
      assert.match(query, new RegExp(`&user\\.name=etl&delegation=${urlToken(token('etl/host@EXAMPLE.COM'))}`))
      assert.doesNotMatch(query, /doas/)
    }
  })

  it('acts for another user only with that user’s token', async (test) => {
    const { files } = await start(test, { token: given('alice@EXAMPLE.COM'), doAs: 'alice' })
    await files.mkdirs('/of-alice')
    const { fake, files: wrong } = await start(test, { token: given('bob'), doAs: 'alice' })
    await assert.rejects(wrong.mkdirs('/x'), {
      reason: 'denied',
      untouched: true,
      message: /is bob's, and cannot act for alice/,
      hint: /doas=alice/,
    })
    assert.deepEqual(fake.calls, [])
  })

  it('says which token is not taken any more, and never the token', async (test) => {
    for (const [status, exception, message] of [
      [403, 'InvalidToken', 'token (token for me: …) is expired'],
      [
        403,
        'SecurityException',
        'Failed to obtain user group information: …SecretManager$InvalidToken: Token is expired',
      ],
      [401, undefined, undefined],
    ] as const) {
      const { fake, files } = await start(test, { token: given('me') })
      fake.guard = (_, response) => {
        refuse(response, status, exception, message)
        return true
      }
      await assert.rejects(files.status('/x'), (error: FileSystemError) => {
        assert.equal(error.reason, 'denied')
        assert.equal(error.retry, true)
        assert.match(error.message, /the delegation token of the configuration is not taken/)
        assert.match(error.hint ?? '', /expired.*put a new one there/)
        assert.doesNotMatch(`${error.message} ${error.hint}`, new RegExp(urlToken(token('me'))))
        return true
      })
    }
  })

  it('goes to the next name node when a standby does not know the token yet', async (test) => {
    const { fake: standby } = await start(test, {})
    standby.guard = (_, response) => {
      refuse(response, 403, 'SecurityException', 'Failed …: …SecretManager$InvalidToken: …StandbyException')
      return true
    }
    const { fake } = await start(test, {})
    fake.put('/file', 'x')
    const { files } = await start(test, { token: given('me'), nameNodes: [standby.url, fake.url] })
    assert.equal((await files.status('/file'))?.sizeBytes, 1)
  })

  it('has it renewed when three quarters of its time are over, by its own name', async (test) => {
    const clock = new ManualClock()
    const { fake, files } = await start(test, { token: given('me'), clock })
    const renewals = (): string[] => fake.queries.filter((query) => query.includes('op=RENEWDELEGATIONTOKEN'))
    fake.renewedUntilMs = clock.now() + 1000
    await files.status('/')
    await until(() => renewals().length === 1)
    assert.match(renewals()[0] ?? '', new RegExp(`user\\.name=me&token=${urlToken(token('me'))}$`))
    assert.doesNotMatch(renewals()[0] ?? '', /delegation=/)
    await files.status('/')
    await clock.advance(740)
    await files.status('/')
    assert.equal(renewals().length, 1)
    await clock.advance(20)
    await files.status('/')
    await until(() => renewals().length === 2)
  })

  it('leaves the renewal to others where it is refused', async (test) => {
    const clock = new ManualClock()
    const { fake, files } = await start(test, { token: given('me'), clock })
    fake.guard = (_, response, url) => {
      if (url.searchParams.get('op') !== 'RENEWDELEGATIONTOKEN') return false
      refuse(response, 403, 'IOException', 'Delegation Token can be renewed only with kerberos or web authentication')
      return true
    }
    for (let call = 0; call < 5; call++) {
      await files.status('/')
      await clock.advance(3_600_000)
    }
    assert.equal(fake.queries.filter((query) => query.includes('op=RENEWDELEGATIONTOKEN')).length, 1)
  })

  it('does not show it when a name node sends us astray', async (test) => {
    const { fake, files } = await start(test, { token: given('me') })
    fake.guard = (_, response, url) => {
      response.writeHead(307, { Location: `ftp://elsewhere/x${url.search}` }).end()
      return true
    }
    await assert.rejects(files.create('/x', []), (error: Error) => {
      assert.match(error.message, /sends us to "ftp:\/\/elsewhere\/x"/)
      return true
    })
  })

  it('finds it where HADOOP_TOKEN_FILE_LOCATION says, unless one is given', async (test) => {
    const { fake } = await start(test, {})
    const path = join(await tempDir(test), 'tokens')
    writeFileSync(path, fileOf(token('env')))
    const settings = {
      mounts: new Map<string, string>(),
      env: { HADOOP_TOKEN_FILE_LOCATION: path },
      clock: systemClock,
      timeoutMs: 10_000,
    }
    const address = `${fake.url.replace('http', 'webhdfs')}/x`
    for (const [more, owner] of [
      [{}, 'env'],
      [{ delegationToken: urlToken(token('given')) }, 'given'],
    ] as const) {
      fake.queries.length = 0
      const { fileSystem } = openFileSystem(address, { ...settings, ...more })
      await fileSystem.status('/x')
      assert.ok(fake.queries.some((query) => query.includes(`op=GETFILESTATUS&user.name=${owner}&delegation=`)))
      await fileSystem.close()
    }
    assert.throws(() => openFileSystem(address, { ...settings, delegationToken: 'no token' }), {
      code: 'USAGE',
      hint: /GETDELEGATIONTOKEN/,
    })
    assert.equal(readUrlToken(recorded).service, '10.0.0.1:8020')
  })
})
