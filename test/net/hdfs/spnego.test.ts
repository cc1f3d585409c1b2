import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import { FlumeError } from '../../../src/core/error.ts'
import type { FileSystemError } from '../../../src/net/hdfs/file-system.ts'
import { type KerberosLibrary, KerberosNegotiator, type Negotiator } from '../../../src/net/hdfs/spnego.ts'
import { WebHdfs, type WebHdfsOptions } from '../../../src/net/hdfs/webhdfs.ts'
import { FakeWebHdfs } from '../../support/fake-web-hdfs.ts'
import { tempDir } from '../../support/temp-dir.ts'

/** Whoever shows `ticket-N` for the first time gets a cookie that is good for some calls. */
class Gate {
  readonly seen = new Set<string>()
  readonly cookies = new Map<string, number>()
  callsPerCookie = Number.POSITIVE_INFINITY
  /** What the server says to prove that it is itself. */
  proof = 'c2VydmVy'
  refusals = 0

  readonly guard = (request: IncomingMessage, response: ServerResponse, _: URL, where: 'name' | 'data'): boolean => {
    // Data nodes know the caller by a token in the address.
    if (where === 'data') return false
    const cookie = /^hadoop\.auth=(.*)$/.exec(request.headers.cookie ?? '')?.[1]
    if (cookie !== undefined) {
      const left = this.cookies.get(cookie) ?? 0
      this.cookies.set(cookie, left - 1)
      if (left > 0) return false
    }
    const ticket = /^Negotiate (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    if (ticket !== undefined && !this.seen.has(ticket)) {
      this.seen.add(ticket)
      const made = `"u=flume&p=flume@X&t=kerberos&e=${this.seen.size}&s=abc="`
      this.cookies.set(made, this.callsPerCookie)
      response.setHeader('Set-Cookie', ['other=1', `hadoop.auth=${made}; Path=/; HttpOnly`])
      response.setHeader('WWW-Authenticate', `Negotiate ${this.proof}`)
      return false
    }
    this.refusals++
    response.writeHead(401, {
      'WWW-Authenticate': 'Negotiate',
      'Content-Length': 0,
      'Set-Cookie': 'hadoop.auth=; Path=/',
    })
    response.end()
    return true
  }
}

/** A library without Kerberos: each conversation has a ticket of its own. */
class Tickets implements Negotiator {
  readonly hosts: string[] = []
  readonly answers: string[] = []

  async begin(host: string) {
    this.hosts.push(host)
    return {
      token: `ticket-${this.hosts.length}`,
      finish: async (answer: string) => {
        this.answers.push(answer)
        if (answer === 'd3Jvbmc=') throw new Error('not the one it should be')
      },
    }
  }
}

describe('a WebHDFS client before servers that ask for Kerberos tickets', () => {
  const start = async (test: TestContext, more: Partial<WebHdfsOptions> = {}) => {
    const [fake, gate, tickets] = [await FakeWebHdfs.start(), new Gate(), new Tickets()]
    fake.guard = gate.guard
    test.after(() => fake.stop())
    const options = {
      nameNodes: [fake.url],
      user: 'me',
      timeoutMs: 10_000,
      clock: systemClock,
      negotiator: tickets,
      ...more,
    }
    const files = new WebHdfs(options)
    test.after(() => files.close())
    return { fake, gate, tickets, files }
  }

  it('shows one, and then the cookie that it got for it', async (test) => {
    const { fake, gate, tickets, files } = await start(test)
    await files.create('/a', [Buffer.from('x')])
    await files.append('/a', [Buffer.from('y')], 1)
    await files.rename('/a', '/b')
    assert.equal(Buffer.from(await files.read('/b', 0, 10)).toString(), 'xy')
    assert.deepEqual(tickets.hosts, ['127.0.0.1'])
    assert.deepEqual(tickets.answers, [gate.proof])
    assert.equal(gate.refusals, 1)
    assert.match(fake.queries[0] ?? '', /user\.name=me/)
    // The ticket says who we are; a name beside it would have to be the same.
    for (const query of fake.queries.slice(1)) assert.doesNotMatch(query, /user\.name/)
  })

  it('shows another one when the cookie is over', async (test) => {
    const { gate, tickets, files } = await start(test)
    gate.callsPerCookie = 2
    for (let call = 0; call < 7; call++) await files.mkdirs('/x')
    assert.equal(tickets.hosts.length, 3)
  })

  it('acts for another user, by its own ticket', async (test) => {
    const { fake, files } = await start(test, { doAs: 'alice', user: 'alice' })
    await files.mkdirs('/of-alice')
    assert.match(fake.queries.at(-1) ?? '', /op=MKDIRS&doas=alice$/)
  })

  it('sends the bytes again to a gateway that asks when it gets them', async (test) => {
    const { fake, gate, files } = await start(test)
    fake.withoutRedirect = true
    gate.callsPerCookie = 0
    await files.create('/a', [Buffer.from('one')])
    await files.append('/a', [Buffer.from('two')], 3)
    assert.equal(fake.contentOf('/a'), 'onetwo')
  })

  it('gives up, without having changed anything, when the ticket is not taken', async (test) => {
    const { gate, fake, files } = await start(test)
    gate.seen.add('ticket-1')
    await assert.rejects(files.create('/a', [Buffer.from('x')]), (error: FileSystemError) => {
      assert.equal(error.reason, 'denied')
      assert.match(error.hint ?? '', /does not take the Kerberos ticket/)
      return error.untouched
    })
    assert.deepEqual(fake.paths, [])
  })

  it('has changed nothing when there is no ticket to show', async (test) => {
    const negotiator: Negotiator = {
      begin: async () => {
        throw new FlumeError('REFUSED', 'no ticket', { retry: true, hint: 'run kinit' })
      },
    }
    const { fake, files } = await start(test, { negotiator })
    await assert.rejects(files.create('/a', [Buffer.from('x')]), {
      reason: 'denied',
      untouched: true,
      retry: true,
      message: 'no ticket',
      hint: 'run kinit',
    })
    assert.deepEqual(fake.paths, [])
  })

  it('does not trust a server that cannot prove who it is', async (test) => {
    const { gate, files } = await start(test)
    gate.proof = 'd3Jvbmc='
    await assert.rejects(files.status('/'), { code: 'REFUSED', message: /does not prove/ })
  })

  it('shows none to a server that asks for another proof, or to one that does not ask', async (test) => {
    const { fake, tickets, files } = await start(test)
    fake.guard = (_, response) => {
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
      return true
    }
    await assert.rejects(files.status('/'), { reason: 'denied' })
    fake.guard = undefined
    await files.status('/')
    assert.deepEqual(tickets.hosts, [])
  })
})

describe('tickets of the Kerberos library', () => {
  interface Made {
    readonly service: string
    readonly options: Readonly<Record<string, unknown>>
    readonly env: Readonly<Record<string, string | undefined>>
  }
  const library = (env: Record<string, string | undefined>, made: Made[], problem?: Error): KerberosLibrary => ({
    GSS_MECH_OID_SPNEGO: 6,
    initializeClient: async (service, options) => {
      made.push({ service, options, env: { ...env } })
      await new Promise((resolve) => setImmediate(resolve))
      if (problem) throw problem
      assert.deepEqual({ ...env }, made.at(-1)?.env, 'another conversation has changed the environment meanwhile')
      return { contextComplete: false, step: async (challenge) => (challenge === '' ? 'first' : null) }
    },
  })

  it('are for the HTTP service of the host, from the user’s cache', async () => {
    const [env, made] = [{ KRB5CCNAME: 'FILE:/tmp/mine' }, [] as Made[]]
    const negotiator = new KerberosNegotiator(
      { principal: undefined, keytab: undefined },
      async () => library(env, made),
      env,
    )
    assert.equal((await negotiator.begin('nn.example.com')).token, 'first')
    assert.deepEqual(made, [{ service: 'HTTP@nn.example.com', options: { mechOID: 6 }, env }])
  })

  it('come from a keytab without a cache file, one conversation after the other, and the environment is as before', async (test) => {
    const folder = await tempDir(test)
    const env: Record<string, string | undefined> = { KRB5CCNAME: 'FILE:/tmp/mine' }
    const made: Made[] = []
    const negotiators = ['a', 'b'].map((name) => {
      const keytab = join(folder, `${name}.keytab`)
      writeFileSync(keytab, '')
      return new KerberosNegotiator({ principal: `${name}@X`, keytab }, async () => library(env, made), env)
    })
    negotiators.push(
      new KerberosNegotiator({ principal: undefined, keytab: undefined }, async () => library(env, made), env),
    )
    await Promise.all(negotiators.map((negotiator) => negotiator.begin('nn')))
    assert.deepEqual(
      made.map(({ options, env: { KRB5_CLIENT_KTNAME, KRB5CCNAME } }) => [
        options.principal,
        KRB5_CLIENT_KTNAME,
        KRB5CCNAME,
      ]),
      [
        ['a@X', `FILE:${folder}/a.keytab`, 'MEMORY:flume-ts a@X'],
        ['b@X', `FILE:${folder}/b.keytab`, 'MEMORY:flume-ts b@X'],
        [undefined, undefined, 'FILE:/tmp/mine'],
      ],
    )
    assert.deepEqual(env, { KRB5CCNAME: 'FILE:/tmp/mine' })
  })

  it('know this machine’s name for _HOST', async () => {
    const made: Made[] = []
    const negotiator = new KerberosNegotiator(
      { principal: 'flume/_HOST@X', keytab: undefined },
      async () => library({}, made),
      {},
    )
    await negotiator.begin('nn')
    assert.match(String(made[0]?.options.principal), /^flume\/[a-z0-9.-]+@X$/)
  })

  it('cannot be had without the package, which one line says', async () => {
    const missing = new KerberosNegotiator(
      { principal: undefined, keytab: undefined },
      async () => {
        throw Object.assign(new Error("Cannot find package 'kerberos'"), { code: 'ERR_MODULE_NOT_FOUND' })
      },
      {},
    )
    await assert.rejects(missing.begin('nn'), {
      code: 'UNSUPPORTED',
      message: /asks for Kerberos, and the package kerberos is not installed/,
      hint: /npm install kerberos@7\.0\.0/,
    })
  })

  const problems: readonly (readonly [keytab: string | undefined, message: RegExp, hint: RegExp])[] = [
    [undefined, /no Kerberos ticket for HTTP@nn: No credentials cache found/, /run kinit/],
    [process.execPath, /no Kerberos ticket for HTTP@nn: No credentials cache found/, /belong together/],
  ]
  for (const [keytab, message, hint] of problems) {
    it(`cannot be had where there is none ${keytab ? 'for the keytab' : 'in the cache'}: what to do is said`, async () => {
      const problem = new Error('No credentials cache found')
      const negotiator = new KerberosNegotiator({ principal: 'a@X', keytab }, async () => library({}, [], problem), {})
      await assert.rejects(negotiator.begin('nn'), { code: 'REFUSED', retry: true, message, hint })
    })
  }

  it('cannot be had from a keytab that is not there', async () => {
    const negotiator = new KerberosNegotiator(
      { principal: 'a@X', keytab: '/nowhere/a.keytab' },
      async () => library({}, []),
      {},
    )
    await assert.rejects(negotiator.begin('nn'), { code: 'REFUSED', message: /\/nowhere\/a\.keytab cannot be read/ })
  })
})
