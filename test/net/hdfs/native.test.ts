import assert from 'node:assert/strict'
import { after, before, describe, it, test } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { CommittedFile } from '../../../src/net/hdfs/committed-file.ts'
import { FileSystemError } from '../../../src/net/hdfs/file-system.ts'
import { JobFiles } from '../../../src/net/hdfs/job-files.ts'
import { NativeHdfs, type NativeHdfsOptions } from '../../../src/net/hdfs/native/native-hdfs.ts'
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts'
import { fileSystemContract } from '../../contract/file-system.ts'
import { FakeHdfs, type FaultPlace, type HdfsFault } from '../../support/fake-hdfs.ts'
import { freePort } from '../../support/free-port.ts'

const client = (fake: FakeHdfs, options: Partial<NativeHdfsOptions> = {}): NativeHdfs =>
  new NativeHdfs({ nameNodes: [fake.nameNode], user: 'flume', timeoutMs: 60_000, clock: systemClock, ...options })

fileSystemContract('HDFS in its own protocol', async () => {
  const fake = await FakeHdfs.start()
  return {
    fileSystem: client(fake),
    root: '/contract',
    stop: async () => {
      await fake.stop()
      assert.deepEqual(fake.complaints, [])
    },
  }
})

describe('a native client', () => {
  let fake: FakeHdfs
  let number = 0
  before(async () => {
    fake = await FakeHdfs.start()
  })
  after(async () => {
    await fake.stop()
    assert.deepEqual(fake.complaints, [])
  })
  const fresh = (): string => `/f${++number}`
  /** This happens at the first chance of its kind. */
  const once = (place: FaultPlace, fault: HdfsFault, skip = 0): void => {
    let left = skip
    fake.chance = (at) => {
      if (at !== place || left-- > 0) return undefined
      fake.chance = undefined
      return fault
    }
  }

  const blows: [name: string, place: FaultPlace, fault: HdfsFault, skip: number][] = [
    ['the first data node refuses the set-up', 'set-up', { kind: 'refuse', node: 0 }, 0],
    ['a later data node refuses the set-up', 'set-up', { kind: 'refuse', node: 2 }, 0],
    ['the connection ends while the pipeline is set up', 'set-up', { kind: 'cut before' }, 0],
    ['the connection ends before a packet is stored', 'packet', { kind: 'cut before' }, 1],
    ['the connection ends before the packet’s ack', 'packet', { kind: 'cut after' }, 1],
    ['the first data node cannot store a packet', 'packet', { kind: 'refuse', node: 0 }, 1],
    ['the second data node cannot store a packet', 'packet', { kind: 'refuse', node: 1 }, 1],
    ['the last data node cannot store a packet', 'packet', { kind: 'refuse', node: 2 }, 1],
    ['the connection ends before the last packet', 'last', { kind: 'cut before' }, 0],
    ['the connection ends before the last packet’s ack', 'last', { kind: 'cut after' }, 0],
    ['the name node’s connection ends before a call', 'call', { kind: 'cut before' }, 2],
    ['the name node’s connection ends before an answer', 'call', { kind: 'cut after' }, 2],
  ]
  for (const [name, place, fault, skip] of blows) {
    it(`writes on when ${name}`, async () => {
      const files = client(fake, { blockSizeBytes: 2048 })
      const path = fresh()
      // A last packet that was not stored is no loss here only while a copy is left to close.
      once(place, fault, skip)
      const file = await files.begin(path, [Buffer.from('one ')])
      await file.write([Buffer.alloc(700, 'a')])
      await file.write([Buffer.alloc(1500, 'b')])
      await file.close()
      assert.equal(fake.contentOf(path), `one ${'a'.repeat(700)}${'b'.repeat(1500)}`)
      assert.equal(fake.chance, undefined, 'it has happened')
      assert.equal(fake.isOpen(path), false)
      await files.close()
    })
  }

  it('sends a data node a heartbeat 30 s after the last packet, whenever that was', async () => {
    // The data node hangs up after 60 s.
    const clock = new ManualClock()
    const files = client(fake, { clock })
    const path = fresh()
    const file = await files.begin(path, [Buffer.from('one ')])
    const atFirst = fake.heartbeats
    const heard = async (heartbeats: number): Promise<void> => {
      while (fake.heartbeats < atFirst + heartbeats) await settle()
    }
    await clock.advance(20_000)
    await file.write([Buffer.from('two ')])
    await clock.advance(29_999)
    assert.equal(fake.heartbeats, atFirst)
    await clock.advance(1)
    await heard(1)
    await clock.advance(30_000)
    await heard(2)
    await file.write([Buffer.from('three')])
    await file.close()
    assert.equal(fake.contentOf(path), 'one two three')
    await files.close()
  })

  it('finds data nodes that live behind more dead ones than Java’s client would try', async () => {
    const large = await FakeHdfs.start(10)
    let dead = 7
    large.chance = (at) => (at === 'set-up' && dead-- > 0 ? { kind: 'refuse', node: 0 } : undefined)
    const files = client(large)
    const file = await files.begin('/behind', [Buffer.from('one ')])
    await file.write([Buffer.from('two')])
    await file.close()
    assert.equal(large.contentOf('/behind'), 'one two')
    assert.ok(dead < 0, 'all of them were met')
    await files.close()
    await large.stop()
    assert.deepEqual(large.complaints, [])
  })

  it('leaves a data node out that hangs, though others wait for it', async () => {
    for (const hung of [0, 1, 2]) {
      const files = client(fake, { timeoutMs: 4000 })
      const path = fresh()
      const file = await files.begin(path, [Buffer.from('one ')])
      const node = fake.dataNodes[hung]
      assert.ok(node)
      node.isAnswering = false
      await file.write([Buffer.from('two')])
      await file.close()
      node.isAnswering = true
      assert.equal(fake.contentOf(path), 'one two')
      assert.deepEqual(fake.fileOf(path)?.copies, [2])
      await files.close()
    }
  })

  it('brings another data node in when a copy is lost, and says how many there are', async () => {
    const wide = await FakeHdfs.start(4)
    const files = client(wide)
    const file = await files.begin('/f', [Buffer.from('one ')])
    assert.deepEqual(file.replicas, { actual: 3, wanted: 3 })
    let left = 1
    wide.chance = (place) => (place === 'packet' && left-- > 0 ? { kind: 'refuse', node: 1 } : undefined)
    await file.write([Buffer.from('two ')])
    assert.deepEqual(file.replicas, { actual: 3, wanted: 3 })
    left = 1
    await file.write([Buffer.from('three')])
    // The fourth is in use, and the one that failed is not taken again.
    assert.deepEqual(file.replicas, { actual: 2, wanted: 3 })
    await file.close()
    assert.equal(wide.contentOf('/f'), 'one two three')
    assert.deepEqual(wide.complaints, [])
    await files.close()
    await wide.stop()
  })

  it('gives up when recoveries bring no progress, and the file is closed with what was confirmed', async () => {
    const files = client(fake)
    const file = await files.begin(fresh(), [Buffer.from('kept')])
    fake.chance = (place) => (place === 'packet' || place === 'set-up' ? { kind: 'cut before' } : undefined)
    await assert.rejects(file.write([Buffer.from('lost')]), FileSystemError)
    fake.chance = undefined
    await assert.rejects(file.write([Buffer.from('more')]), FileSystemError)
    while (!(await files.recover(`/f${number}`, { force: true })));
    assert.equal(fake.contentOf(`/f${number}`), 'kept')
    await files.close()
  })

  it('rejects a write whose file was taken, and writes nothing more', async () => {
    const files = client(fake, { blockSizeBytes: 512 })
    const path = fresh()
    const file = await files.begin(path, [Buffer.alloc(512, 'a')])
    fake.expireLeases()
    await assert.rejects(file.write([Buffer.from('b')]), { reason: 'missing' })
    assert.equal(fake.contentOf(path), 'a'.repeat(512))
    await files.close()
  })

  it('waits while complete says not yet, and while the name node is in safe mode', async () => {
    const files = client(fake)
    fake.notYet = 4
    fake.exceptions.set('addBlock', {
      exception: 'org.apache.hadoop.hdfs.server.namenode.NotReplicatedYetException',
      times: 3,
    })
    fake.exceptions.set('create', {
      exception: 'org.apache.hadoop.hdfs.server.namenode.SafeModeException',
      times: 2,
    })
    const path = fresh()
    await files.create(path, [Buffer.from('one')])
    assert.equal(fake.contentOf(path), 'one')
    assert.equal(fake.notYet, 0)
    await files.close()
  })

  it('waits for the data nodes to find a name node again that has just started', async () => {
    const files = client(fake)
    fake.exceptions.set('addBlock', {
      exception: 'java.io.IOException',
      message:
        'File /f could only be written to 0 of the 1 minReplication nodes. There are 0 datanode(s) running and 0 node(s) are excluded in this operation.',
      times: 3,
    })
    const path = fresh()
    await files.create(path, [Buffer.from('one')])
    assert.equal(fake.contentOf(path), 'one')
    await files.close()
  })

  it('turns to the other name node when one is on standby or away', async () => {
    const standby = await FakeHdfs.start(0)
    for (const method of ['getFileInfo', 'mkdirs', 'getListing']) {
      standby.exceptions.set(method, { exception: 'org.apache.hadoop.ipc.StandbyException', times: 100 })
    }
    const away = { host: '127.0.0.1', port: await freePort() }
    const files = client(fake, { nameNodes: [away, standby.nameNode, fake.nameNode] })
    const path = fresh()
    await files.mkdirs(path)
    assert.equal((await files.status(path))?.kind, 'directory')
    assert.equal(standby.calls.get('getFileInfo'), undefined, 'it stays with the one that answered')
    await files.close()
    await standby.stop()
  })

  it('says at once, untouched, that nobody answers', async () => {
    const nameNodes = [{ host: '127.0.0.1', port: await freePort() }]
    const files = client(fake, { nameNodes, hint: 'start it' })
    await assert.rejects(files.create('/x', [Buffer.from('x')]), (error: FileSystemError) => {
      assert.equal(error.reason, 'unreachable')
      assert.equal(error.untouched, true)
      assert.equal(error.hint, 'start it')
      return true
    })
    await files.close()
  })

  it('gives up a name node that never answers when the call’s time is over', async () => {
    const files = client(fake, { timeoutMs: 300 })
    // The answer is lost again and again: the connection ends each time.
    fake.chance = (place) => (place === 'call' ? { kind: 'cut before' } : undefined)
    await assert.rejects(
      files.status('/x'),
      (error: FileSystemError) => error.reason === 'unreachable' && !error.untouched,
    )
    fake.chance = undefined
    await files.close()
  })

  it('refuses before the first byte what it cannot do, with what to use instead', async () => {
    fake.encryptDataTransfer = true
    const encrypted = client(fake)
    await assert.rejects(encrypted.create('/x', []), { reason: 'denied', hint: /webhdfs/, untouched: true })
    fake.encryptDataTransfer = false
    await encrypted.close()
    const exceptions: [exception: string, hint: RegExp][] = [
      ['org.apache.hadoop.hdfs.UnknownCryptoProtocolVersionException', /another directory/],
      ['org.apache.hadoop.security.AccessControlException', /HADOOP_USER_NAME/],
    ]
    for (const [exception, hint] of exceptions) {
      const files = client(fake)
      fake.exceptions.set('create', { exception, times: 1 })
      await assert.rejects(files.create('/x', []), { reason: 'denied', hint, untouched: true, retry: false })
      assert.equal(fake.contentOf('/x'), undefined)
      await files.close()
    }
  })

  it('serves the files of a job: written end to end, replaced, moved and read in chunks', async () => {
    const files = client(fake, { blockSizeBytes: 4 * 1024 * 1024 })
    const job = new JobFiles(files)
    const path = fresh()
    const part = Buffer.alloc(5 * 1024 * 1024, '0123456789')
    for (const times of [1, 4]) {
      const writer = await job.create(`${path}/_temporary/part`)
      for (let i = 0; i < times; i++) await writer.write(part)
      await writer.close()
      await job.rename(`${path}/_temporary/part`, `${path}/part`)
    }
    const read: Uint8Array[] = []
    for await (const chunk of job.read(`${path}/part`)) read.push(chunk)
    assert.ok(read.length > 1)
    assert.ok(Buffer.concat(read).equals(Buffer.concat([part, part, part, part])))
    assert.deepEqual(
      (await job.list(path)).map(({ name, isDirectory }) => [name, isDirectory]),
      [
        ['_temporary', true],
        ['part', false],
      ],
    )
    await job.delete(path)
    assert.equal(await job.exists(path), false)
    await files.close()
  })

  it('will not append to a file of another length', async () => {
    const files = client(fake)
    const path = fresh()
    await files.create(path, [Buffer.from('four')])
    await assert.rejects(files.append(path, [Buffer.from('x')], 3), { reason: 'other', untouched: true })
    assert.equal(fake.isOpen(path), false)
    await files.close()
  })
})

const runs = Number(process.env.SIM_RUNS ?? 12)
const firstSeed = Number(process.env.SIM_SEED ?? 1)

test('what was confirmed is in the file, whatever is cut, refused or lost, over blocks, flushes and appends', async () => {
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const fake = await FakeHdfs.start(4)
    try {
      await simulate(fake, seed)
    } catch (error) {
      throw new Error(`with SIM_SEED=${seed} SIM_RUNS=1`, { cause: error })
    } finally {
      await fake.stop()
    }
  }
})

async function simulate(fake: FakeHdfs, seed: number): Promise<void> {
  const random = seededRandom(seed)
  const below = (max: number): number => Math.floor(random() * max)
  const files = client(fake, {
    blockSizeBytes: 512 * (1 + below(20)),
    packetBytes: 600 + below(3000),
    replication: 1 + below(3),
  })
  const bytes = Buffer.from(Array.from({ length: 20_000 }, () => 97 + below(26)))
  const rate = [0, 0.02, 0.08][below(3)] as number
  fake.chance = (place) => {
    if (random() > (place === 'call' ? rate / 2 : rate)) return undefined
    const node = below(3)
    const fault = (['cut before', 'cut after', 'refuse'] as const)[below(place === 'call' ? 2 : 3)] as HdfsFault['kind']
    return fault === 'refuse' ? { kind: 'refuse', node } : { kind: fault as 'cut before' }
  }
  const file = new CommittedFile(files, '/file', systemClock)
  let expected = ''
  for (let writes = 0; writes < 25; writes++) {
    const size = below([3, 600, 6000][below(3)] as number)
    const piece = bytes.subarray(below(1000)).subarray(0, size)
    let isDone = false
    for (let tries = 0; !isDone; tries++) {
      assert.ok(tries < 50)
      await file.repair().catch(() => undefined)
      if (file.state === 'torn') continue
      isDone = await file.write([piece]).then(
        () => true,
        () => false,
      )
    }
    expected += piece.toString()
    if (random() < 0.15) await file.close().catch(() => undefined)
    if (random() < 0.1) fake.notYet = below(3)
  }
  fake.chance = undefined
  await file.repair()
  await file.close()
  assert.equal(fake.contentOf('/file'), expected)
  assert.equal(Buffer.from(await files.read('/file', 0, 1 << 20)).toString(), expected)
  assert.equal(fake.isOpen('/file'), false)
  assert.deepEqual(fake.complaints, [])
  await files.close()
}
