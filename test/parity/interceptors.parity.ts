import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { awaitDrained, monitoredOn, startFlume } from '../peers/peers.ts'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'

const flumeTs = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))

const lines = [
  '10.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326',
  '10.0.0.2 - - [29/Feb/2024:00:00:00 +0000] "POST /login?password=secret HTTP/1.1" 302 0',
  '10.0.0.3 - - [01/Jan/1999:23:59:59 +0530] "GET /gr\u00fc\u00dfe HTTP/1.1" 404 17',
  '10.0.0.4 - - [31/Dec/2023:12:00:00 +0100] "GET / HTTP/1.1" 503 -',
  'DEBUG nothing to see',
  'not a request at all, password=a password=b',
  '',
]

/** What both get, the port and the folder aside. */
function properties(port: number, folder: string): string {
  const interceptors: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    dc: { type: 'static', key: 'dc', value: 'ams' },
    again: { type: 'static', key: 'dc', value: 'never' },
    where: { type: 'host', useIP: 'true', hostHeader: 'from' },
    drop: { type: 'regex_filter', regex: '^DEBUG', excludeEvents: 'true' },
    hide: { type: 'search_replace', searchPattern: '(password)=(\\\\w+)', replaceString: '$1=\\\\$$1' },
    split: {
      type: 'regex_extractor',
      regex: '^(\\\\S+) \\\\S+ (\\\\w+)?.*\\\\[([^\\\\]]+)\\\\] "(?:(GET)|(POST)) ([^ ]*).*" (\\\\d{3})',
      serializers: 'ip user time get post path status',
      'serializers.ip.name': 'ip',
      'serializers.user.name': 'user',
      'serializers.time.name': 'timestamp',
      'serializers.time.type': 'org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer',
      'serializers.time.pattern': 'dd/MMM/yyyy:HH:mm:ss Z',
      'serializers.get.name': 'get',
      'serializers.post.name': 'post',
      'serializers.path.name': 'path',
      'serializers.status.name': 'status',
    },
    clean: { type: 'remove_header', fromList: 'from,ip', matching: 'pat.' },
  }
  const rows = [
    'a1.sources = r1',
    'a1.channels = c1 c2 c3',
    'a1.sinks = k1 k2 k3',
    'a1.sources.r1.type = netcat',
    'a1.sources.r1.bind = 127.0.0.1',
    `a1.sources.r1.port = ${port}`,
    'a1.sources.r1.channels = c1 c2 c3',
    `a1.sources.r1.interceptors = ${Object.keys(interceptors).join(' ')}`,
    'a1.sources.r1.selector.type = multiplexing',
    'a1.sources.r1.selector.header = status',
    'a1.sources.r1.selector.mapping.200 = c1',
    'a1.sources.r1.selector.mapping.302 = c1 c2',
    'a1.sources.r1.selector.optional.404 = c2',
    'a1.sources.r1.selector.default = c3',
  ]
  for (const [name, options] of Object.entries(interceptors)) {
    for (const [key, value] of Object.entries(options))
      rows.push(`a1.sources.r1.interceptors.${name}.${key} = ${value}`)
  }
  for (const i of [1, 2, 3]) {
    rows.push(
      `a1.channels.c${i}.type = memory`,
      `a1.sinks.k${i}.type = hdfs`,
      `a1.sinks.k${i}.channel = c${i}`,
      `a1.sinks.k${i}.hdfs.path = file://${folder}/c${i}`,
      `a1.sinks.k${i}.hdfs.fileType = DataStream`,
      `a1.sinks.k${i}.hdfs.rollCount = 0`,
      `a1.sinks.k${i}.hdfs.rollInterval = 0`,
      `a1.sinks.k${i}.serializer = header_and_text`,
    )
  }
  return rows.join('\n')
}

async function send(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.write(lines.map((line) => `${line}\n`).join(''))
  let answered = ''
  for await (const chunk of socket) {
    answered += chunk
    if (answered.length >= 3 * lines.length) break
  }
  assert.equal(answered, 'OK\n'.repeat(lines.length))
}

/** Each line that the channel's sink wrote, its headers in an order of their own. */
async function written(folder: string): Promise<Record<string, readonly string[]>> {
  const found: Record<string, string[]> = {}
  for (const channel of (await readdir(folder)).sort()) {
    const names = (await readdir(join(folder, channel))).filter((name) => !name.endsWith('.crc')).sort()
    const texts = await Promise.all(names.map((name) => readFile(join(folder, channel, name), 'utf8')))
    found[channel] = texts
      .join('')
      .split('\n')
      .map((line) => {
        const [, headers, body] = /^\{(.*?)\} ?(.*)$/.exec(line) ?? []
        if (headers === undefined) return line
        // A group that took no part: null in Flume, no header here.
        const kept = headers.split(', ').filter((header) => !header.endsWith('=null'))
        return `{${kept.sort().join(', ')}} ${body}`
      })
  }
  return found
}

test('interceptors and a multiplexing selector do what those of Flume 1.11 do (I-01 to I-06, P-09, P-10)', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-parity-'))
  t.after(() => rm(folder, { recursive: true }))
  const theirPort = await freePort()
  const monitoring = await freePort()
  await using flume = await startFlume({
    version: '1.11',
    properties: properties(theirPort, join(folder, 'theirs')),
    jvm: ['-Dfile.encoding=UTF-8', ...monitoredOn(monitoring)],
  })
  await send(theirPort)
  // A batch is done when the channel's wait for more is over; a stop gives every file its final name.
  await awaitDrained(flume, monitoring)
  await flume.stop()

  const ourPort = await freePort()
  const file = join(folder, 'agent.properties')
  await writeFile(file, properties(ourPort, join(folder, 'ours')))
  const agent = new RunningProcess('agent', process.execPath, [flumeTs, 'agent', '-f', file])
  t.after(() => agent.stop())
  await agent.waitFor(/agent \S+ runs/)
  await send(ourPort)
  assert.equal(await agent.stop(), 0, agent.stderr)

  const theirs = await written(join(folder, 'theirs'))
  assert.equal(Object.keys(theirs).join(' '), 'c1 c2 c3')
  assert.deepEqual(await written(join(folder, 'ours')), theirs)
})
