import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { avroClient } from '../../src/cli/avro-client.ts'
import { type AvroAgent, avroAgent } from '../support/avro-agent.ts'
import { freePort } from '../support/free-port.ts'
import { runVerb } from '../support/run-verb.ts'
import { RunningProcess } from '../support/running-process.ts'
import { TempFiles } from '../support/temp-files.ts'

const flumeTs = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))
const files = new TempFiles()

async function agent(test: TestContext): Promise<AvroAgent> {
  const one = await avroAgent()
  test.after(() => one.listener.close())
  return one
}
const to = ({ listener }: AvroAgent): string[] => ['-H', '127.0.0.1', '-p', String(listener.port)]
const bodies = ({ events }: AvroAgent): string[] => events.map(({ body }) => body)

describe('avro-client', () => {
  it('sends the lines of a file in batches of 5, with the headers of a file (L-08, L-09)', async (test) => {
    const receiver = await agent(test)
    const lines = Array.from({ length: 12 }, (_, i) => `grüezi ${i}`)
    const file = await files.write('lines.txt', `${lines.join('\n')}\r\nlast`)
    const headers = await files.write('headers.properties', '# ours\nhost = web-1\ndc=z\\u00fcrich\n')
    const { code, out, err } = await runVerb('avro-client', ...to(receiver), '-F', file, '-R', headers)
    assert.deepEqual([code, out, err], [0, 'sent 13 events\n', ''])
    assert.deepEqual(bodies(receiver), [...lines, 'last'])
    assert.deepEqual(receiver.calls, [5, 5, 3])
    for (const event of receiver.events) assert.deepEqual(event.headers, { host: 'web-1', dc: 'zürich' })
  })

  it('sends standard input, line by line as it comes', async (test) => {
    const receiver = await agent(test)
    const client = new RunningProcess('avro-client', process.execPath, [flumeTs, 'avro-client', ...to(receiver)])
    client.type('one\ntw')
    const first = new Promise<void>((resolve) => {
      const look = (): void => (receiver.events.length > 0 ? resolve() : void setImmediate(look))
      look()
    })
    await first
    assert.deepEqual(bodies(receiver), ['one'])
    client.endInput('o\nthree')
    assert.equal(await client.exited, 0, client.stderr)
    assert.deepEqual(bodies(receiver), ['one', 'two', 'three'])
    assert.equal(client.stdout, 'sent 3 events\n')
  })

  it('sends the files of a folder, and renames each to .COMPLETED (not to Flume\'s "fileSuffix")', async (test) => {
    const receiver = await agent(test)
    const first = await files.write('spool/1.log', 'a\nb\n')
    const folder = dirname(first)
    await files.write('spool/2.log', 'c\n')
    const { code, out, err } = await runVerb('avro-client', ...to(receiver), '--dirname', folder)
    assert.deepEqual([code, out, err], [0, 'sent 3 events\n', ''])
    assert.deepEqual(bodies(receiver).sort(), ['a', 'b', 'c'])
    assert.deepEqual((await readdir(folder)).filter((name) => !name.startsWith('.')).sort(), [
      '1.log.COMPLETED',
      '2.log.COMPLETED',
    ])
  })

  it('stops at the first batch of a folder that is refused, and leaves the file to be sent again', async (test) => {
    const receiver = await agent(test)
    receiver.status = 'FAILED'
    const file = await files.write('refused/1.log', 'a\n')
    const { code, err } = await runVerb('avro-client', ...to(receiver), '--dirname', dirname(file))
    assert.equal(code, 1)
    assert.match(err, /answered FAILED; 0 events were delivered before/)
    assert.ok((await readdir(dirname(file))).includes('1.log'))
    receiver.status = 'OK'
    const again = await runVerb('avro-client', ...to(receiver), '--dirname', dirname(file))
    assert.equal(again.code, 0, again.err)
    assert.deepEqual(bodies(receiver), ['a'])
  })

  it('takes a properties file, several hosts and all (L-08)', async (test) => {
    const receiver = await agent(test)
    const dead = `127.0.0.1:${await freePort()}`
    const properties = await files.write(
      'rpc.properties',
      `client.type = default_failover\nhosts = h1 h2\nhosts.h1 = ${dead}\nhosts.h2 = ${receiver.place}\nbatch-size = 2\n`,
    )
    const file = await files.write('five.txt', '1\n2\n3\n4\n5\n')
    // With one dash, as commons-cli takes long names.
    const { code, err } = await runVerb('avro-client', '-rpcProps', properties, '-filename', file)
    assert.equal(code, 0, err)
    assert.deepEqual(receiver.calls, [2, 2, 1])
  })

  it('--batch-size sets how many events go in a call', async (test) => {
    const receiver = await agent(test)
    const chunks = [Buffer.from('1\n2\n3\n4\n5\n6\n7\n')]
    const terminal = { stdout: { write: () => 0 }, stderr: { write: () => 0 }, env: {} }
    const input = (async function* () {
      yield* chunks
    })()
    assert.equal(await avroClient([...to(receiver), '--batch-size', '100'], terminal, input), 0)
    assert.deepEqual(receiver.calls, [7])
  })

  it('fills batches across the pieces in which a file is read', async (test) => {
    const receiver = await agent(test)
    const lines = Array.from({ length: 30_000 }, (_, i) => `line ${i}`)
    const file = await files.write('large.txt', lines.join('\n'))
    const { code, err } = await runVerb('avro-client', ...to(receiver), '-F', file, '--batch-size', '7000')
    assert.equal(code, 0, err)
    assert.deepEqual(receiver.calls, [7000, 7000, 7000, 7000, 2000])
    assert.deepEqual(bodies(receiver), lines)
  })

  it('fails with 1 and says how much went before (L-10, mended)', async (test) => {
    const receiver = await agent(test)
    const big = await files.write('big.txt', 'x\n'.repeat(20))
    receiver.statusAfter = { calls: 2, status: 'FAILED' }
    const { code, out, err } = await runVerb('avro-client', ...to(receiver), '-F', big)
    assert.deepEqual([code, out], [1, ''])
    assert.match(err, /^flume-ts: 127\.0\.0\.1:\d+ answered FAILED; 10 events were delivered before \(.*\)\n$/)
  })

  const cases: readonly [name: string, argv: string[], code: number, line: RegExp][] = [
    ['nowhere to send to', [], 2, /where to send is not given \(name it with -H HOST -p PORT, or with -P FILE\)/],
    ['a host without a port', ['-H', 'h'], 2, /where to send is not given/],
    ['a file and a folder', ['-H', 'h', '-p', '1', '-F', 'x', '--dirname', 'y'], 2, /exclude each other/],
    ['a port that is none', ['-H', 'h', '-p', 'x'], 2, /"h:x" is not host:port/],
    ['a properties file that is not there', ['-P', '/no/such'], 2, /\/no\/such cannot be read/],
    ['a header file that is not there', ['-H', 'h', '-p', '1', '-R', '/no/such'], 2, /\/no\/such cannot be read/],
    ['a batch size of nothing', ['-H', 'h', '-p', '1', '--batch-size', '0'], 2, /--batch-size 0 is not/],
    ['an option there is not', ['--fast'], 2, /unknown option '--fast'/],
    ['help', ['-h'], 0, /^$/],
  ]
  for (const [name, argv, code, line] of cases) {
    it(`${name}: exit ${code}`, async () => {
      const outcome = await runVerb('avro-client', ...argv)
      assert.equal(outcome.code, code, outcome.err)
      assert.match(outcome.err, line)
    })
  }

  it('a host that is not there and a file that is not there: exit 1', async (test) => {
    const away = await runVerb('avro-client', '-H', '127.0.0.1', '-p', String(await freePort()), '-F', '/no/such')
    assert.equal(away.code, 1)
    assert.match(away.err, /cannot connect to 127\.0\.0\.1/)
    const missing = await runVerb('avro-client', ...to(await agent(test)), '-F', join('/no', 'such'))
    assert.equal(missing.code, 1)
    assert.match(missing.err, /ENOENT.*0 events were delivered before/)
  })
})
