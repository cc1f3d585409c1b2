import assert from 'node:assert/strict'
import { copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createServer as createWebServer } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { createRpcClient } from '../src/client/api.ts'
import { AvroContainerWriter } from '../src/codec/avro/container.ts'
import { thriftTypes } from '../src/codec/thrift/protocol.ts'
import { valuesOf } from './support/avro-container.ts'
import { FakeWebHdfs } from './support/fake-web-hdfs.ts'
import { freePort } from './support/free-port.ts'
import { authority, keyStore } from './support/key-stores.ts'
import { RunningProcess } from './support/running-process.ts'
import { tempDir } from './support/temp-dir.ts'
import { callFrame, struct, thriftAgent } from './support/thrift.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const flumeTs = join(root, 'bin/flume-ts.js')
const streamTs = join(root, 'bin/stream-ts.js')

/** The files that a test below runs, those of Kafka beside a broker (test/peers/kafka.peer.ts); one that is added to conf/ must be added to a test too. */
const run = [
  'access-log-by-status.properties',
  'access-log.ts',
  'agent.properties',
  'dead-letters.properties',
  'avro-to-compressed-hdfs.properties',
  'apps-to-web.properties',
  'job.ts',
  'kafka-counts.ts',
  'kafka.properties',
  'netcat-to-logger.properties',
  'relay-far.properties',
  'relay-near.properties',
  'secured-hdfs.properties',
  'spark-receiver.properties',
  'spooldir-to-hdfs.properties',
  'tls.properties',
  'word-count.ts',
]

/** Whose keys conf/tls.properties uses. */
const keyStores = {
  FLUME_SSL_KEYSTORE_PATH: keyStore('server.jks'),
  FLUME_SSL_KEYSTORE_PASSWORD: 'changeit',
  FLUME_SSL_TRUSTSTORE_PATH: keyStore('trust.jks'),
  FLUME_SSL_TRUSTSTORE_PASSWORD: 'changeit',
}

test('every file of conf/ is run by a test', async () => {
  // What monitoring/ holds is for others to run, and test/docs/monitoring.test.ts reads it; components/ and jobs/ have tests of their own.
  const others = ['tsconfig.json', 'components', 'jobs', 'monitoring']
  const files = (await readdir(join(root, 'conf'))).filter((name) => !others.includes(name))
  assert.deepEqual(files.sort(), [...run].sort())
})

test('components of one’s own: each kind runs in one agent, and each example is used', async (t) => {
  const folder = await tempDir(t)
  const from = join(root, 'conf/components')
  const [spool, said, hdfs] = [join(folder, 'spool'), join(folder, 'ticks.txt'), join(folder, 'hdfs')]
  await mkdir(spool)
  const text = await readFile(join(from, 'agent.properties'), 'utf8')
  for (const file of await readdir(from)) {
    if (!file.endsWith('.ts')) continue
    assert.ok(text.includes(`= ./${file}`), `${file} is not used`)
    await copyFile(join(from, file), join(folder, file))
  }
  const agent = await startAgent(
    t,
    await copy('components/agent.properties', folder, { '/tmp/flume-drop': spool, '/tmp/flume-ticks.txt': said }),
    '--mount',
    `hdfs://namenode:8020=${hdfs}`,
  )
  await writeFile(join(folder, 'note'), 'three short words\nin two lines')
  await rename(join(folder, 'note'), join(spool, 'note'))
  const isDone = async (): Promise<boolean> =>
    (await readFile(said, 'utf8').catch(() => '')).split('\n').length > 3 &&
    (await readdir(spool)).includes('note.COMPLETED')
  for await (const _ of ticks()) if (await isDone()) break
  assert.equal(await agent.stop(), 0, agent.stderr)
  assert.match(await readFile(said, 'utf8'), /^(tick tock\n){3,}$/)
  assert.deepEqual(JSON.parse(await textBelow(join(hdfs, 'own'))), {
    headers: { words: '6' },
    body: 'three short words\nin two lines',
  })
})

for (const file of run.filter((name) => name.endsWith('.properties'))) {
  test(`conf/${file} has nothing wrong with it, not even a warning`, async () => {
    const validate = new RunningProcess(
      'validate',
      process.execPath,
      [flumeTs, 'validate', '--strict', '-f', join(root, 'conf', file)],
      { env: keyStores },
    )
    const code = await validate.exited
    assert.equal(code, 0, validate.stdout + validate.stderr)
  })
}

/** A copy of a file of conf/ with its addresses and folders replaced, each of which must stand in it. */
async function copy(
  file: string,
  folder: string,
  replaced: Readonly<Record<string, string | number>>,
): Promise<string> {
  const text = await readFile(join(root, 'conf', file), 'utf8')
  const words = Object.keys(replaced).sort((left, right) => right.length - left.length)
  for (const word of words) assert.ok(text.includes(word), `${file} does not say ${word}`)
  // In one pass: a port that was put in may itself contain the digits of another that is to be replaced.
  const any = new RegExp(words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'g')
  const path = join(folder, basename(file))
  await writeFile(path, words.length > 0 ? text.replaceAll(any, (word) => String(replaced[word])) : text)
  return path
}

async function startAgent(test: TestContext, file: string, ...args: string[]): Promise<RunningProcess> {
  const agent = new RunningProcess(`agent ${file}`, process.execPath, [flumeTs, 'agent', '-f', file, ...args])
  test.after(() => agent.stop())
  await agent.waitFor(/agent \S+ runs/)
  return agent
}

async function startJob(test: TestContext, job: string, ...args: string[]): Promise<RunningProcess> {
  const running = new RunningProcess(`job ${job}`, process.execPath, [streamTs, 'submit', job, ...args])
  test.after(() => running.stop())
  return running
}

/** Sends lines as `nc` does and resolves once each is answered OK. */
async function type(port: number, lines: readonly string[]): Promise<void> {
  const socket = connect(port, 'localhost')
  let answers = ''
  for await (const bytes of socket.on('connect', () => socket.write(`${lines.join('\n')}\n`))) {
    answers += bytes
    if (answers.split('OK\n').length > lines.length) break
  }
  assert.equal(answers, 'OK\n'.repeat(lines.length))
}

/** What all files of a folder and the folders in it hold, those in the making included. */
async function textBelow(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const texts = await Promise.all(files.sort().map((path) => readFile(path, 'latin1')))
  return texts.join('')
}

test('conf/tls.properties: syslog over TLS, and on over TLS with the certificates of both sides', async (t) => {
  const [syslog, relay] = [await freePort(), await freePort()]
  const file = await copy('tls.properties', await tempDir(t), { 6514: syslog, 4142: relay })
  const agent = new RunningProcess('agent', process.execPath, [flumeTs, 'agent', '-f', file], { env: keyStores })
  t.after(() => agent.stop())
  await agent.waitFor(/agent tls runs/)
  const socket = connectTls({ port: syslog, host: 'localhost', ca: authority })
  socket.end('<34>1 2003-08-24T05:14:15Z h secret words\n')
  await agent.waitFor(/secret words/)
  assert.equal(await agent.stop(), 0, agent.stderr)
})

test('conf/secured-hdfs.properties: lines go over WebHDFS, here to a server that asks for no ticket', async (t) => {
  const [folder, port, hdfs] = [await tempDir(t), await freePort(), await FakeWebHdfs.start()]
  t.after(() => hdfs.stop())
  const file = await copy('secured-hdfs.properties', folder, {
    44444: port,
    'swebhdfs://namenode:9871': hdfs.url.replace('http:', 'webhdfs:'),
    './data/secured-hdfs': folder,
  })
  const agent = new RunningProcess('agent', process.execPath, [flumeTs, 'agent', '-f', file], { env: { HOME: folder } })
  t.after(() => agent.stop())
  await agent.waitFor(/agent agent runs/)
  await type(port, ['one', 'two'])
  for await (const _ of ticks()) if (hdfs.paths.map((path) => hdfs.contentOf(path)).join('') === 'one\ntwo\n') break
  assert.equal(await agent.stop(), 0, agent.stderr)
  assert.match(hdfs.paths.join(), /^\/flume\/\d{4}-\d\d-\d\d\/FlumeData\.\d+$/)
  assert.deepEqual(await readdir(join(folder, '.flume/hdfs-open-files')), [])
})

test('conf/dead-letters.properties: what cannot be written is set aside with the reason', async (t) => {
  const folder = await tempDir(t)
  const port = await freePort()
  const file = await copy('dead-letters.properties', folder, { 5140: port, '/var/log/flume': folder })
  const agent = await startAgent(t, file)
  const body = '[{"headers":{"timestamp":"1700000000000"},"body":"good"},{"headers":{"timestamp":"soon"},"body":"bad"}]'
  assert.equal((await fetch(`http://localhost:${port}`, { method: 'POST', body })).status, 200)
  const dead = (): Promise<string> => textBelow(join(folder, 'dead')).catch(() => '')
  for await (const _ of ticks()) if ((await dead()).includes('bad')) break
  assert.equal(await agent.stop(), 0, agent.stderr)
  assert.equal(await textBelow(join(folder, 'days/2023-11-14')), 'good\n')
  assert.match(await dead(), /^\{.*deadLetter\.reason=.*timestamp header "soon".*\} bad\n$/)
})

const lines = ['to be', 'or not to be', 'that is the question']

test('the example: typed lines appear in the job, on the same port, and in HDFS', async (t) => {
  const folder = await tempDir(t)
  const port = await freePort()
  const hdfs = join(folder, 'hdfs')
  const agent = await startAgent(
    t,
    await copy('agent.properties', folder, { 44444: port }),
    '--mount',
    `hdfs://namenode:8020=${hdfs}`,
  )
  const job = await startJob(t, await copy('job.ts', folder, { 44444: port }))
  await job.waitFor(/subscribed to the agent/)
  await type(port, lines)
  for (const line of lines) await job.waitFor(new RegExp(`^${line}$`, 'm'))
  assert.equal(await job.stop(), 0, job.stderr)
  assert.equal(await agent.stop(), 0, agent.stderr)
  const stored = await textBelow(join(hdfs, 'flume/test'))
  assert.match(stored, /^SEQ\x06/)
  for (const line of lines) assert.ok(stored.includes(line), `${line} is not in HDFS`)
})

test("the first agent shows a socket's lines in its log", async (t) => {
  const port = await freePort()
  const agent = await startAgent(t, await copy('netcat-to-logger.properties', await tempDir(t), { 44444: port }))
  await type(port, ['hello'])
  await agent.waitFor(/Event: \{ headers:\{\} body: 68 65 6C 6C 6F .*hello/)
  assert.equal(await agent.stop(), 0, agent.stderr)
})

test('files dropped into the spool folder end up in HDFS, one folder per day', async (t) => {
  const folder = await tempDir(t)
  const spool = join(folder, 'spool')
  const hdfs = join(folder, 'hdfs')
  await mkdir(spool)
  const agent = await startAgent(
    t,
    await copy('spooldir-to-hdfs.properties', folder, { '/var/spool/flume': spool }),
    '--mount',
    `hdfs://namenode:8020=${hdfs}`,
  )
  await writeFile(join(folder, 'day.log'), lines.map((line) => `${line}\n`).join(''))
  await rename(join(folder, 'day.log'), join(spool, 'day.log'))
  const completed = async (): Promise<boolean> => (await readdir(spool)).includes('day.log.COMPLETED')
  for await (const _ of ticks()) if (await completed()) break
  assert.equal(await agent.stop(), 0, agent.stderr)
  assert.equal(await textBelow(join(hdfs, 'logs')), lines.map((line) => `${line}\n`).join(''))
  const [day] = await readdir(join(hdfs, 'logs'))
  assert.match(day ?? '', /^\d{4}-\d\d-\d\d$/)
})

test('Avro files become compressed containers, and their bytes a compressed stream', async (t) => {
  const folder = await tempDir(t)
  const [spool, hdfs] = [join(folder, 'spool'), join(folder, 'hdfs')]
  await mkdir(spool)
  const agent = await startAgent(
    t,
    await copy('avro-to-compressed-hdfs.properties', folder, { '/tmp/flume-ts/avro': spool }),
    '--mount',
    `hdfs://namenode:8020=${hdfs}`,
  )
  const schemas = ['"string"', '{"type":"record","name":"M","fields":[{"name":"m","type":"string"}]}']
  for (const [i, schema] of schemas.entries()) {
    const writer = new AvroContainerWriter({ schema, codec: 'deflate', sync: new Uint8Array(16) })
    const bytes = Buffer.concat([writer.header(), writer.blocks(3, (out, n) => out.string(`value ${n} of ${i}`))])
    await writeFile(join(folder, 'values'), bytes)
    await rename(join(folder, 'values'), join(spool, `${i}.avro`))
    const completed = async (): Promise<boolean> => (await readdir(spool)).includes(`${i}.avro.COMPLETED`)
    for await (const _ of ticks()) if (await completed()) break
  }
  assert.equal(await agent.stop(), 0, agent.stderr)
  const containers = (await readdir(join(hdfs, 'flume/avro'))).sort()
  const found = await Promise.all(
    containers.map(async (name) => {
      assert.match(name, /\.avro$/)
      return valuesOf(await readFile(join(hdfs, 'flume/avro', name)))
    }),
  )
  assert.deepEqual(
    found.map(({ schema, codec }) => [schema, codec]),
    schemas.map((schema) => [schema, 'snappy']),
  )
  const texts = found.flatMap(({ values }) => values.map((value) => (value as { m?: string }).m ?? value))
  const expected = [0, 1].flatMap((i) => [0, 1, 2].map((n) => `value ${n} of ${i}`))
  assert.deepEqual(texts, expected)
  const [stream] = await readdir(join(hdfs, 'flume/lines'))
  assert.match(stream as string, /^FlumeData\.\d+\.gz$/)
  const lines = gunzipSync(await readFile(join(hdfs, 'flume/lines', stream as string))).toString()
  assert.equal(lines, expected.map((text) => `\x18${text}\n`).join(''))
})

test('an access log is split by status, addresses shortened', async (t) => {
  const folder = await tempDir(t)
  const port = await freePort()
  const hdfs = join(folder, 'hdfs')
  const agent = await startAgent(
    t,
    await copy('access-log-by-status.properties', folder, { 44447: port }),
    '--mount',
    `hdfs://namenode:8020=${hdfs}`,
  )
  const line = (address: string, status: number): string =>
    `${address} - - [17/May/2026:10:05:03 +0000] "GET / HTTP/1.1" ${status} 9`
  await type(port, [line('10.0.0.1', 200), line('10.0.0.2', 404), line('10.1.2.3', 503), 'not a request'])
  assert.equal(await agent.stop(), 0, agent.stderr)
  assert.equal(await textBelow(join(hdfs, 'web/pages')), `${line('10.0.0.0', 200)}\nnot a request\n`)
  assert.equal(await textBelow(join(hdfs, 'web/errors')), `${line('10.0.0.0', 404)}\n${line('10.1.2.0', 503)}\n`)
})

test('the relay carries lines from the near agent to the files of the far one', async (t) => {
  const folder = await tempDir(t)
  const files = join(folder, 'files')
  const [entry, hop] = [await freePort(), await freePort()]
  // The near half first: it must bear that the far half is not there yet.
  const near = await startAgent(
    t,
    await copy('relay-near.properties', folder, { 44445: entry, 4141: hop, '/var/spool/flume': join(folder, 'spool') }),
  )
  await type(entry, lines)
  const far = await startAgent(
    t,
    await copy('relay-far.properties', folder, { 4141: hop, '/var/log/flume/relay': files }),
  )
  const all = lines.map((line) => `${line}\n`).join('')
  for await (const _ of ticks()) if ((await textBelow(files).catch(() => '')) === all) break
  assert.equal(await near.stop(), 0, near.stderr)
  assert.equal(await far.stop(), 0, far.stderr)
  assert.equal(await textBelow(files), all)
})

test('events by Thrift and Scribe go to a web service, and by Thrift to another agent while it is ill', async (t) => {
  const [thrift, scribe] = [await freePort(), await freePort()]
  const posted: string[] = []
  let isIll = false
  const service = createWebServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk
    })
    request.on('end', () => {
      if (!isIll) posted.push(body)
      response.writeHead(isIll ? 503 : 200).end()
    })
  })
  await new Promise<void>((resolve) => service.listen(0, 'localhost', resolve))
  t.after(() => service.close())
  const spare = await thriftAgent()
  t.after(() => spare.listener.close())
  const { port: web } = service.address() as AddressInfo
  const ports = {
    4143: thrift,
    1499: scribe,
    8080: web,
    4144: spare.listener.port,
    'hostname = localhost': 'hostname = 127.0.0.1',
  }
  const agent = await startAgent(t, await copy('apps-to-web.properties', await tempDir(t), ports))
  const client = await createRpcClient({ 'client.type': 'thrift', hosts: 'h', 'hosts.h': `localhost:${thrift}` })
  await client.appendBatch([{ body: 'one' }, { body: 'two' }])
  const logger = connect(scribe, 'localhost').on('error', () => undefined)
  logger.write(scribeCall('web', 'three'))
  for await (const _ of ticks()) if (posted.length === 3) break
  assert.deepEqual(posted, ['one', 'two', 'three'])
  isIll = true
  await client.append({ body: 'four', headers: { from: 'app' } })
  for await (const _ of ticks()) if (spare.events.length === 1) break
  assert.deepEqual(spare.events, [{ headers: { from: 'app' }, body: 'four' }])
  await client.close()
  logger.destroy()
  assert.equal(await agent.stop(), 0, agent.stderr)
})

/** A call of Scribe's Log with one entry. */
function scribeCall(category: string, message: string): Buffer {
  return callFrame('binary-old', 'Log', (writer) => {
    writer.fieldHead(thriftTypes.list, 1)
    writer.listHead(thriftTypes.struct, 1)
    struct(writer, () => {
      writer.fieldHead(thriftTypes.string, 1)
      writer.string(category)
      writer.fieldHead(thriftTypes.string, 2)
      writer.string(message)
    })
  })
}

test("the word count pulls an agent's events and counts them", async (t) => {
  const folder = await tempDir(t)
  const [entry, pull] = [await freePort(), await freePort()]
  const agent = await startAgent(t, await copy('spark-receiver.properties', folder, { 44446: entry, 4142: pull }))
  await type(entry, ['to be or not to be'])
  const job = await startJob(t, join(root, 'conf/word-count.ts'), 'localhost', String(pull))
  for (const [word, count] of Object.entries({ to: 2, be: 2, or: 1, not: 1 })) {
    await job.waitFor(new RegExp(`^\\(${word},${count}\\)$`, 'm'))
  }
  assert.equal(await job.stop(), 0, job.stderr)
  assert.equal(await agent.stop(), 0, agent.stderr)
})

test('the access log job counts requests per status and per client', async (t) => {
  const folder = await tempDir(t)
  const answers = [
    ['10.0.0.1', 200],
    ['10.0.0.2', 404],
    ['10.0.0.1', 200],
  ]
  const log = answers.map(
    ([client, status]) => `${client} - - [17/May/2026:10:05:03 +0000] "GET / HTTP/1.1" ${status} 9 "-" "x"\n`,
  )
  const server = createServer((socket) => socket.on('error', () => undefined).write(`${log.join('')}not a request\n`))
  t.after(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const job = await startJob(t, join(root, 'conf/access-log.ts'), '127.0.0.1', String(port), folder)
  await job.waitFor(/^\(200,2\)\n\(404,1\)$/m)
  await job.waitFor(/^\(10\.0\.0\.1,2\)\n\(10\.0\.0\.2,1\)$/m)
  assert.equal(await job.stop(), 0, job.stderr)
  const saved = (await textBelow(folder)).split('\n').filter((line) => line !== '')
  assert.deepEqual(saved.sort(), ['(10.0.0.1,2)', '(10.0.0.2,1)'])
})

/** Asks again and again, a moment apart, for as long as a test may take; for what no process says. */
async function* ticks(): AsyncGenerator<number> {
  for (let tick = 0; tick < 1800; tick++) {
    yield tick
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('it did not happen within 90 s')
}
