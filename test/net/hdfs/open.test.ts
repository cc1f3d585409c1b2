import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import { parseHadoopXml, readHadoopConfiguration } from '../../../src/net/hdfs/hadoop-configuration.ts'
import { LocalFileSystem } from '../../../src/net/hdfs/local.ts'
import { NativeHdfs } from '../../../src/net/hdfs/native/native-hdfs.ts'
import { findNameNodePorts, findNameNodes, nativeOptions, openFileSystem } from '../../../src/net/hdfs/open.ts'
import { WebHdfs } from '../../../src/net/hdfs/webhdfs.ts'
import { FakeWebHdfs } from '../../support/fake-web-hdfs.ts'
import { keyStore } from '../../support/key-stores.ts'

const plain = { mounts: new Map<string, string>(), env: {}, clock: systemClock, timeoutMs: 1000 }

describe('the name nodes of an address', () => {
  const ha = {
    'dfs.nameservices': 'other, prod',
    'dfs.ha.namenodes.prod': 'nn1,nn2',
    'dfs.namenode.http-address.prod.nn1': 'one:9870',
    'dfs.namenode.http-address.prod.nn2': 'two:9870',
    'dfs.namenode.https-address.prod.nn1': 'one:9871',
  }
  const site = { 'fs.defaultFS': 'hdfs://namenode:8020', 'dfs.namenode.http-address': 'web:1234' }
  const cases: [address: string, configuration: Record<string, string>, expected: string[]][] = [
    ['hdfs://nn:8020', {}, ['http://nn:9870', 'http://nn:50070']],
    ['hdfs://nn', {}, ['http://nn:9870', 'http://nn:50070']],
    ['webhdfs://nn:1234', {}, ['http://nn:1234']],
    ['webhdfs://nn', {}, ['http://nn:9870', 'http://nn:50070']],
    ['swebhdfs://nn:1234', {}, ['https://nn:1234']],
    ['swebhdfs://nn', {}, ['https://nn:9871', 'https://nn:50470']],
    ['hdfs://prod', ha, ['http://one:9870', 'http://two:9870']],
    ['webhdfs://prod', ha, ['http://one:9870', 'http://two:9870']],
    ['swebhdfs://prod', ha, ['https://one:9871']],
    ['hdfs://prod', { ...ha, 'dfs.http.policy': 'HTTPS_ONLY' }, ['https://one:9871']],
    ['hdfs://namenode:8020', site, ['http://web:1234']],
    ['hdfs://web:8020', site, ['http://web:1234']],
    ['hdfs://', site, ['http://web:1234']],
    ['hdfs://elsewhere:8020', site, ['http://elsewhere:9870', 'http://elsewhere:50070']],
    ['hdfs://namenode:8020', { ...site, 'dfs.namenode.http-address': '0.0.0.0:77' }, ['http://namenode:77']],
  ]
  for (const [address, configuration, expected] of cases) {
    it(`${address} with ${JSON.stringify(configuration).slice(0, 60)} are ${expected.join(', ')}`, () => {
      const [scheme = '', authority = ''] = address.split('://')
      assert.deepEqual(findNameNodes(scheme, authority, {}, new Map(Object.entries(configuration))), expected)
    })
  }

  it('are what hdfs.webhdfs.url says, before all else', () => {
    const webHdfsUrl = 'a:1, https://b:2/webhdfs/v1'
    assert.deepEqual(findNameNodes('hdfs', 'prod', { webHdfsUrl }, new Map(Object.entries(ha))), [
      'http://a:1',
      'https://b:2/webhdfs/v1',
    ])
  })

  it('must be known for a name service', () => {
    const configuration = new Map([['dfs.nameservices', 'prod']])
    assert.throws(() => findNameNodes('hdfs', 'prod', {}, configuration), { code: 'USAGE', hint: /hdfs\.webhdfs\.url/ })
  })

  it('need a host', () => assert.throws(() => findNameNodes('hdfs', '', {}, new Map()), { code: 'USAGE' }))
})

describe('the name nodes’ own ports', () => {
  const ha = {
    'dfs.nameservices': 'other, prod',
    'dfs.ha.namenodes.prod': 'nn1,nn2',
    'dfs.namenode.rpc-address.prod.nn1': 'one:8020',
    'dfs.namenode.rpc-address.prod.nn2': 'two:9000',
  }
  const site = { 'fs.defaultFS': 'hdfs://namenode:8020', 'dfs.namenode.rpc-address': 'inside:9000' }
  const cases: [authority: string, configuration: Record<string, string>, expected: string[]][] = [
    ['nn:9000', {}, ['nn:9000']],
    ['nn', {}, ['nn:8020']],
    ['[::1]:9000', {}, ['::1:9000']],
    ['prod', ha, ['one:8020', 'two:9000']],
    ['', { ...ha, 'fs.defaultFS': 'hdfs://prod/' }, ['one:8020', 'two:9000']],
    ['namenode:8020', site, ['inside:9000', 'namenode:8020']],
    ['', site, ['inside:9000', 'namenode:8020']],
    ['elsewhere:8020', site, ['elsewhere:8020']],
    ['namenode:8020', { ...site, 'dfs.namenode.rpc-address': '0.0.0.0:8020' }, ['namenode:8020']],
    ['namenode:8020', { ...site, 'dfs.namenode.rpc-address': 'namenode:8020' }, ['namenode:8020']],
  ]
  for (const [authority, configuration, expected] of cases) {
    it(`of hdfs://${authority} with ${JSON.stringify(configuration).slice(0, 60)} are ${expected.join(', ')}`, () => {
      const found = findNameNodePorts(authority, new Map(Object.entries(configuration)))
      assert.deepEqual(
        found.map(({ host, port }) => `${host}:${port}`),
        expected,
      )
    })
  }

  it('must be known for a name service, and need a host', () => {
    const service = new Map([['dfs.nameservices', 'prod']])
    assert.throws(() => findNameNodePorts('prod', service), { code: 'USAGE', message: /rpc-address\.prod/ })
    assert.throws(() => findNameNodePorts('', new Map()), { code: 'USAGE' })
  })
})

describe('what Hadoop’s configuration says about files', () => {
  const read = (values: Record<string, string>) => nativeOptions(new Map(Object.entries(values)))

  it('is left to the name node where it says nothing', () => {
    const { replication, blockSizeBytes, umask, checksum, packetBytes, useHostNames } = read({})
    assert.deepEqual([replication, blockSizeBytes, umask, packetBytes], [undefined, undefined, undefined, undefined])
    assert.deepEqual(checksum, { type: 2, chunkBytes: 512 })
    assert.equal(useHostNames, false)
  })

  it('is read with Hadoop’s units', () => {
    const found = read({
      'dfs.replication': '2',
      'dfs.blocksize': '64m',
      'fs.permissions.umask-mode': '027',
      'dfs.client-write-packet-size': '128k',
      'dfs.client.use.datanode.hostname': 'true',
    })
    assert.equal(found.replication, 2)
    assert.equal(found.blockSizeBytes, 64 * 1024 * 1024)
    assert.equal(found.umask, 0o027)
    assert.equal(found.packetBytes, 128 * 1024)
    assert.equal(found.useHostNames, true)
  })

  const wrong = { 'dfs.replication': 'three', 'fs.permissions.umask-mode': 'u=rwx', 'dfs.checksum.type': 'NULL' }
  for (const [key, value] of Object.entries(wrong)) {
    it(`is refused with its key when ${key} is ${value}`, () => {
      assert.throws(() => read({ [key]: value }), { code: 'USAGE', message: new RegExp(key.replaceAll('.', '\\.')) })
    })
  }

  it('must have blocks of whole chunks', () => {
    const mounts = new Map<string, string>()
    const options = { ...read({ 'dfs.blocksize': '1000' }), ...plain, mounts, nameNodes: [], user: 'u' }
    assert.throws(() => new NativeHdfs(options), /multiple of 512/)
  })
})

describe('an address', () => {
  it('of hdfs: is spoken to natively, by HTTP when told so or given an HTTP address', () => {
    const kind = (address: string, settings: object): string =>
      openFileSystem(address, { ...plain, ...settings }).fileSystem.constructor.name
    assert.equal(kind('hdfs://nn:8020/x', {}), 'NativeHdfs')
    assert.equal(kind('hdfs://nn:8020/x', { client: 'webhdfs' }), 'WebHdfs')
    assert.equal(kind('hdfs://nn:8020/x', { webHdfsUrl: 'nn:9870' }), 'WebHdfs')
    assert.equal(kind('hdfs://nn:8020/x', { webHdfsUrl: 'nn:9870', client: 'native' }), 'NativeHdfs')
    assert.equal(kind('webhdfs://nn:9870/x', { client: 'native' }), 'WebHdfs')
    assert.ok(openFileSystem('swebhdfs://nn/x', plain).fileSystem instanceof WebHdfs)
  })

  it('is served from the mount with the longest beginning, at a boundary', () => {
    const mounts = new Map([
      ['hdfs://nn:8020', '/tmp/all'],
      ['hdfs://nn:8020/logs/', '/tmp/logs'],
    ])
    const where = (address: string): string => {
      const { fileSystem, path } = openFileSystem(address, { ...plain, mounts })
      return `${fileSystem instanceof LocalFileSystem ? fileSystem.address : 'elsewhere'} ${path}`
    }
    assert.equal(where('hdfs://nn:8020/x/%Y?#'), '/tmp/all /x/%Y?#')
    assert.equal(where('hdfs://nn:8020'), '/tmp/all /')
    assert.equal(where('hdfs://nn:8020/logs/x'), '/tmp/logs /x')
    assert.equal(where('hdfs://nn:8020/logsx'), '/tmp/all /logsx')
    assert.equal(where('hdfs://nn:80201/x'), 'elsewhere /x')
  })

  it('without a scheme is local, or where fs.defaultFS says (H-26)', async (t) => {
    const conf = await mkdtemp(join(tmpdir(), 'flume-ts-'))
    t.after(() => rm(conf, { recursive: true }))
    const bare = openFileSystem('/flume/%Y', plain)
    assert.ok(bare.fileSystem instanceof LocalFileSystem)
    assert.equal(bare.path, '/flume/%Y')
    await writeFile(join(conf, 'core-site.xml'), site({ 'fs.defaultFS': 'hdfs://nn:8020/' }))
    const env = { HADOOP_CONF_DIR: conf }
    const byDefault = openFileSystem('/flume', { ...plain, env })
    assert.ok(byDefault.fileSystem instanceof NativeHdfs)
    assert.equal(byDefault.fileSystem.address, 'hdfs://nn:8020')
    assert.equal(byDefault.path, '/flume')
    const atHome = openFileSystem('logs/%Y', { ...plain, env: { ...env, HADOOP_USER_NAME: 'etl' } })
    assert.equal(atHome.path, '/user/etl/logs/%Y')
    assert.equal(openFileSystem('logs/%Y', plain).path, join(process.cwd(), 'logs/%Y'))
    const mounted = openFileSystem('/flume', { ...plain, env, mounts: new Map([['hdfs://nn:8020', '/tmp/m']]) })
    assert.equal(mounted.fileSystem.address, '/tmp/m')
  })

  it('of the local file system has three slashes, or one', () => {
    for (const address of ['file:///var/log', 'file:/var/log', 'file://localhost/var/log']) {
      assert.equal(openFileSystem(address, plain).path, '/var/log', address)
    }
    assert.throws(() => openFileSystem('file://var/log', plain), { code: 'USAGE' })
  })

  it('of another kind is refused with the kinds there are', () => {
    assert.throws(() => openFileSystem('s3a://b/x', plain), { code: 'USAGE', hint: /webhdfs/ })
  })
})

test('Hadoop’s XML is read with comments, entities and references to other properties', async (t) => {
  const conf = await mkdtemp(join(tmpdir(), 'flume-ts-'))
  t.after(() => rm(conf, { recursive: true }))
  await writeFile(
    join(conf, 'hdfs-site.xml'),
    `<?xml version="1.0"?><configuration><!-- <property><name>off</name><value>1</value></property> -->
    <property> <name> a </name> <value>x &amp; &lt;y&gt;</value> <final>true</final></property>
    <property><name>b</name><value>\${a}:\${missing}</value></property>
    <property><name>loop</name><value>\${loop}</value></property>
    <property><name>empty</name></property></configuration>`,
  )
  const values = readHadoopConfiguration({ HADOOP_CONF_DIR: conf })
  assert.deepEqual(
    [...values],
    [
      ['a', 'x & <y>'],
      ['b', 'x & <y>:${missing}'],
      ['loop', '${loop}'],
    ],
  )
  assert.equal(readHadoopConfiguration({}).size, 0)
  assert.equal(parseHadoopXml('not xml').size, 0)
})

function site(values: Record<string, string>): string {
  const properties = Object.entries(values).map(
    ([name, value]) => `<property><name>${name}</name><value>${value}</value></property>`,
  )
  return `<configuration>${properties.join('')}</configuration>`
}

test('swebhdfs trusts whom ssl-client.xml names, else whom the agent trusts, and nobody else', async (t) => {
  const conf = await mkdtemp(join(tmpdir(), 'hadoop-conf-'))
  t.after(() => rm(conf, { recursive: true }))
  const pem = readFileSync(keyStore('server.pem'), 'utf8')
  const secure = await FakeWebHdfs.start({ key: pem, cert: pem })
  t.after(() => secure.stop())
  const address = secure.url.replace('https:', 'swebhdfs:')
  const status = (more: object) => openFileSystem(`${address}/x`, { ...plain, ...more }).fileSystem.status('/')
  await assert.rejects(status({}), { code: 'CONNECTION' })
  assert.ok(await status({ env: { FLUME_SSL_TRUSTSTORE_PATH: keyStore('trust.jks') } }))
  assert.ok(await status({ properties: new Map([['javax.net.ssl.trustStore', keyStore('ca.pem')]]) }))
  const write = (store: string, password: string) =>
    writeFile(
      join(conf, 'ssl-client.xml'),
      `<configuration>
        <property><name>ssl.client.truststore.location</name><value>${keyStore(store)}</value></property>
        <property><name>ssl.client.truststore.password</name><value>${password}</value></property>
      </configuration>`,
    )
  const env = { HADOOP_CONF_DIR: conf }
  await write('trust-java8.p12', 'changeit')
  assert.ok(await status({ env }))
  await write('stranger.jks', 'changeit')
  await assert.rejects(status({ env }), { code: 'CONNECTION' })
  await write('trust.p12', 'wrong')
  assert.throws(() => void status({ env }), { code: 'USAGE', message: /truststore .*the password is wrong/ })
})
