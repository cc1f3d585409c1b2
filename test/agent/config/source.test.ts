import assert from 'node:assert/strict'
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { ConfigSource, type ConfigSourceInput } from '../../../src/agent/config/source.ts'
import { formatFinding } from '../../../src/spec/finding.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { brief, shape } from '../../support/configurations.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { testComponents } from '../../support/test-components.ts'

const agent = `a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = localhost
a1.sources.r1.port = \${env:PORT}
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = logger
a1.sinks.k1.channel = c1
`
const runs = 'r1>c1 k1<c1'

function sourceOf(files: readonly string[], more: Partial<ConfigSourceInput> = {}): ConfigSource {
  return new ConfigSource({
    files,
    env: { PORT: '4711' },
    systemProperties: new Map(),
    mode: 'normal',
    components: testComponents,
    ...more,
  })
}

interface Server {
  readonly url: string
  readonly requests: IncomingMessage['headers'][]
  /** What is answered from now on. */
  answer: (request: IncomingMessage, response: ServerResponse) => void
}

async function serve(test: TestContext): Promise<Server> {
  const made: { -readonly [K in keyof Server]: Server[K] } = {
    url: '',
    requests: [],
    answer: (_, response) => response.end(agent),
  }
  const server = createServer((request, response) => {
    made.requests.push(request.headers)
    made.answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  test.after(() => {
    server.closeAllConnections()
    server.close()
  })
  made.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/conf/a1.properties`
  return made
}

it('a file is changed once it is rewritten, replaced or gone, and not before', async (test) => {
  const folder = await tempDir(test)
  const file = join(folder, 'a.properties')
  await writeFile(file, agent)
  const source = sourceOf([file])
  assert.equal(shape((await source.load()).model), runs)
  assert.equal(await source.changed(), false)

  await writeFile(file, agent.replace('netcat', 'exec'))
  assert.equal(await source.changed(), true)
  const broken = await source.load()
  assert.equal(broken.model, undefined)
  assert.equal(await source.changed(), false, 'a file that does not validate is not tried again (R-02)')

  await writeFile(`${file}.new`, agent)
  await rename(`${file}.new`, file)
  assert.equal(await source.changed(), true)
  assert.equal(shape((await source.load()).model), runs)
  // Flume goes by a later time only, and misses a file restored with its old time.
  await utimes(file, 1, 1)
  assert.equal(await source.changed(), true)
  await source.load()
  await rm(file)
  assert.equal(await source.changed(), true)
  assert.match(formatFinding((await source.load()).findings[0] as never), /there is no such file/)
  assert.equal(await source.changed(), false)
  await writeFile(file, agent)
  assert.equal(await source.changed(), true)
})

it('a module that a type names is watched too, also when it cannot be used', async (test) => {
  const folder = await tempDir(test)
  const file = join(folder, 'a.properties')
  const module = join(folder, 'mine.mjs')
  const sink = `export const mine = { kind: 'sink', type: 'mine', options: {}, create: () => undefined }\n`
  await writeFile(file, agent.replace('logger', './mine.mjs'))
  await writeFile(module, sink)
  const source = sourceOf([file])
  const one = await source.load()
  assert.equal(one.model?.sinks[0]?.spec.type, 'mine')
  assert.equal(await source.changed(), false)
  await writeFile(module, 'export const nothing = 1\n')
  assert.equal(await source.changed(), true)
  assert.equal((await source.load()).model, undefined)
  assert.equal(await source.changed(), false)
  await writeFile(module, `${sink}// another\n`)
  assert.equal(await source.changed(), true)
  const other = await source.load()
  assert.notEqual(
    other.model?.sinks[0]?.fingerprint,
    one.model?.sinks[0]?.fingerprint,
    'the code is in the fingerprint',
  )
  assert.equal(other.model?.sources[0]?.fingerprint, one.model?.sources[0]?.fingerprint)
})

it('an HTTP configuration is asked for with what is known of it, and 304 means unchanged (C-32)', async (test) => {
  const server = await serve(test)
  const lastModified = 'Sat, 21 Nov 2026 10:00:00 GMT'
  server.answer = (request, response) => {
    if (request.headers['if-modified-since'] === lastModified) response.writeHead(304).end()
    else response.writeHead(200, { 'last-modified': lastModified }).end(agent)
  }
  const source = sourceOf([server.url])
  const loaded = await source.load()
  assert.deepEqual(brief(loaded), [])
  assert.equal(shape(loaded.model), runs)
  assert.equal(await source.changed(), false)
  assert.equal(shape((await source.load()).model), runs, 'what was read before counts after a 304')
  assert.deepEqual(
    server.requests.map((headers) => headers['if-modified-since']),
    [undefined, lastModified, lastModified],
  )
  server.answer = (_, response) => response.end(agent.replace('netcat', 'FlumeSource'))
  assert.equal(await source.changed(), true)
  assert.equal((await source.load()).model?.sources[0]?.spec.type, 'FlumeSource')
})

it('the same text under a new date is no change (C-32)', async (test) => {
  const server = await serve(test)
  const source = sourceOf([server.url])
  await source.load()
  assert.equal(await source.changed(), false)
  assert.equal(server.requests.length, 2)
})

it('credentials go along as Basic authentication, and 401 says how to give them (C-32)', async (test) => {
  const server = await serve(test)
  server.answer = (request, response) => {
    const right = `Basic ${Buffer.from('flume:s3cret:ö').toString('base64')}`
    response.writeHead(request.headers.authorization === right ? 200 : 401).end(agent)
  }
  const refused = await sourceOf([server.url.replace('//', '//flume:wr0ng@')]).load()
  const text = refused.findings.map(formatFinding).join('\n')
  assert.match(
    text,
    /a1\.properties: error: cannot be read: .*\(401\) \(give them with --conf-user and --conf-password\)/,
  )
  assert.doesNotMatch(text, /wr0ng/)
  const right = sourceOf([server.url], { credentials: { user: 'flume', password: 's3cret:ö' } })
  assert.equal(shape((await right.load()).model), runs)
  assert.equal(shape((await sourceOf([server.url.replace('//', '//flume:s3cret%3A%C3%B6@')]).load()).model), runs)
})

for (const [status, says] of [
  [404, /there is no such page \(404\)/],
  [403, /refuses it \(403\)/],
  [500, /the server answers 500/],
  [304, /the server answers 304/],
] as const) {
  it(`an answer of ${status} is an error that says so (C-32)`, async (test) => {
    const server = await serve(test)
    server.answer = (_, response) => response.writeHead(status).end()
    const source = sourceOf([server.url])
    const { model, findings } = await source.load()
    assert.equal(model, undefined)
    assert.match(findings.map(formatFinding).join(), says)
    assert.equal(await source.changed(), false)
    server.answer = (_, response) => response.end(agent)
    assert.equal(await source.changed(), true)
  })
}

it('a server that does not answer within a minute is given up (C-32)', async (test) => {
  const server = await serve(test)
  const clock = new ManualClock()
  for (const headersFirst of [false, true]) {
    const asked = new Promise<void>((resolve) => {
      server.answer = (_, response) => {
        if (headersFirst) response.writeHead(200).write('a1.', () => resolve())
        else resolve()
      }
    })
    const loaded = sourceOf([server.url], { clock }).load()
    await asked
    await clock.advance(60_000)
    assert.match((await loaded).findings.map(formatFinding).join(), /cannot be read: no answer within 60 s/)
  }
})

it('a server that cannot be reached, a text without end, an address that is none, and a JSON address (C-31, C-32)', async (test) => {
  const server = await serve(test)
  server.answer = (_, response) => {
    const chunk = Buffer.alloc(1024 * 1024, '#')
    const more = (): void => {
      while (!response.destroyed && response.write(chunk)) {}
    }
    response.on('drain', more)
    more()
  }
  const said = async (address: string): Promise<string> =>
    (await sourceOf([address]).load()).findings.map(formatFinding).join()
  assert.match(await said(server.url), /is longer than 16777216 bytes/)
  assert.match(await said('http://127.0.0.1:1/a1'), /cannot be read: .*(bad port|ECONNREFUSED)/)
  assert.match(await said('http://[/a1'), /is no address/)
  assert.match(await said('http://h/a1.json'), /taken for JSON by its name/)
})

it('files and addresses are one configuration; the later one wins (C-30)', async (test) => {
  const folder = await tempDir(test)
  const server = await serve(test)
  const file = join(folder, 'more.properties')
  await writeFile(file, 'a1.sources.r1.type = FlumeSource\n')
  const { model } = await sourceOf([server.url, file]).load()
  assert.equal(model?.sources[0]?.spec.type, 'FlumeSource')
})

it('a copy of what runs is kept and used, loudly, when nothing can be read at the start (C-33)', async (test) => {
  const folder = await tempDir(test)
  const backupDirectory = join(folder, 'backup', 'flume')
  const file = join(folder, 'a.properties')
  await writeFile(file, `${agent}# füße\na1.sources.r1.max-line-length = \\u0037\na1.sinks.k1.ärger = \\ x\n`)
  const first = await sourceOf([file], { backupDirectory }).load()
  assert.equal(shape(first.model), runs)
  const copy = join(backupDirectory, '.a1.properties')
  assert.match(await readFile(copy, 'latin1'), /^a1\.sources\.r1\.port=\$\{env:PORT\}$/m, 'variables stay variables')
  assert.equal((await stat(copy)).mode & 0o777, 0o600)

  await rm(file)
  for (const agentName of ['a1', undefined]) {
    const source = sourceOf([file], { backupDirectory, agentName })
    const { model, findings } = await source.load()
    assert.equal(shape(model), runs)
    assert.equal(model?.sources[0]?.options['port'], 4711)
    assert.equal(model?.sources[0]?.options['max-line-length'], 7)
    assert.equal(model?.sources[0]?.fingerprint, first.model?.sources[0]?.fingerprint)
    const said = findings.map(formatFinding).join('\n')
    assert.match(said, /a\.properties: warning: cannot be read: there is no such file/)
    assert.match(said, /\.a1\.properties: warning: is the copy .* AND IS USED/)
    assert.equal(await source.changed(), false)
    await writeFile(file, agent.replace('netcat', 'FlumeSource'))
    assert.equal(await source.changed(), true)
    assert.equal((await source.load()).model?.sources[0]?.spec.type, 'FlumeSource')
    await rm(file)
    const { model: later } = await source.load()
    assert.equal(later, undefined, 'once it ran, an unreadable file changes nothing')
    await writeFile(file, agent.replace('${env:PORT}', '4711'))
    await sourceOf([file], { backupDirectory }).load()
    await rm(file)
    await sourceOf([file], { backupDirectory }).load()
    await writeFile(copy, await readFile(copy, 'latin1').then((text) => `${text}a1.sources.r1.max-line-length=7\n`))
  }
  const { model } = await sourceOf([file], { backupDirectory, mode: 'strict' }).load()
  assert.equal(model, undefined, 'strict takes nothing for another')
})

it('there is no copy of a file that does not validate; nor is one used for it (C-33)', async (test) => {
  const folder = await tempDir(test)
  const backupDirectory = join(folder, 'backup')
  const file = join(folder, 'a.properties')
  await writeFile(file, agent)
  await sourceOf([file], { backupDirectory }).load()
  const copy = await readFile(join(backupDirectory, '.a1.properties'), 'latin1')
  await writeFile(file, agent.replace('netcat', 'nutcat'))
  assert.equal((await sourceOf([file], { backupDirectory }).load()).model, undefined)
  assert.equal(await readFile(join(backupDirectory, '.a1.properties'), 'latin1'), copy)
})

it('a copy that cannot be written is a warning (C-33)', async (test) => {
  const folder = await tempDir(test)
  const file = join(folder, 'a.properties')
  await writeFile(file, agent)
  await mkdir(join(folder, '.a1.properties'))
  await mkdir(join(folder, '.a1.properties', 'x'))
  const { model, findings } = await sourceOf([file], { backupDirectory: folder }).load()
  assert.equal(shape(model), runs)
  assert.match(findings.map(formatFinding).join(), /warning: no copy of the configuration can be written/)
})
