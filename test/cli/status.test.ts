import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '../../src/monitor/logger.ts'
import { agentPages } from '../../src/monitor/pages.ts'
import type { AgentSnapshot } from '../../src/monitor/snapshot.ts'
import { PageServer, type ServedPage } from '../../src/net/page-server.ts'
import { agentSnapshot } from '../support/agent-snapshot.ts'
import { freePort } from '../support/free-port.ts'
import { runVerb } from '../support/run-verb.ts'

async function served(test: TestContext, page: (path: string) => ServedPage | undefined): Promise<string> {
  const server = await PageServer.open({ host: '127.0.0.1', port: 0, log: silentLogger, page })
  test.after(() => server.close())
  return String(server.port)
}
const agent = (test: TestContext, snapshot: AgentSnapshot): Promise<string> =>
  served(test, agentPages({ snapshot: () => snapshot }))

test('a healthy agent is shown as tables, exit 0', async (test) => {
  const port = await agent(test, agentSnapshot())
  for (const address of [port, `127.0.0.1:${port}`, `http://127.0.0.1:${port}`, `http://127.0.0.1:${port}/metrics`]) {
    const { code, out, err } = await runVerb('status', address)
    assert.deepEqual([code, err], [0, ''])
    assert.equal(
      out,
      `agent a1
  part     name  state
  channel  c1    running
  sink     k1    running
  source   r1    running

  source  received  accepted  refused  routed  dropped
  r1             6         5        1       4  1 interceptor

  channel  entered  delivered  held  dropped
  c1             4          3     1  0

all is well: every event is accounted for
`,
    )
  }
})

test('what fails is said, exit 1; what strangers named cannot move the cursor', async (test) => {
  const health = [{ kind: 'sink' as const, name: 'k\u001b[2J', state: 'failing' as const, problem: 'no such host' }]
  const { code, out } = await runVerb('status', await agent(test, agentSnapshot({ health })))
  assert.equal(code, 1)
  assert.ok(out.includes('sink k\\x1b[2J is failing: no such host\n'), out)
  assert.doesNotMatch(out, /\u001b/)
})

test('a ledger that does not add up is exit 1', async (test) => {
  const channels = [{ ...(agentSnapshot().channels[0] as AgentSnapshot['channels'][number]), held: 7 }]
  const { code, out } = await runVerb('status', await agent(test, agentSnapshot({ channels })))
  assert.equal(code, 1)
  assert.match(out, /channel c1: entered 4 is not delivered 3 \+ held 7 \+ dropped 0/)
})

test('--json is the snapshot with the verdict', async (test) => {
  const { code, out } = await runVerb('status', '--json', await agent(test, agentSnapshot()))
  assert.equal(code, 0)
  assert.deepEqual(JSON.parse(out), { ok: true, problems: [], ...agentSnapshot() })
})

test('nobody there, somebody else there, or no address: one line each', async (test) => {
  const text = (body: string): ServedPage => ({ status: 200, contentType: 'text/plain', body })
  const flume = await served(test, (path) => (path === '/metrics' ? text('{}') : undefined))
  const other = await served(test, () => text('<html>'))
  const odd = await served(test, () => text('{"agent":"a1","sources":3}'))
  const broken = await served(test, () => ({ ...text(''), status: 500 }))
  const large = await served(test, () => text('x'.repeat(17 * 1024 * 1024)))
  const cases: readonly [address: string, code: number, line: RegExp][] = [
    [
      String(await freePort()),
      1,
      /no agent answers at 127\.0\.0\.1:\d+: .*ECONNREFUSED.*-Dflume\.monitoring\.type=http/,
    ],
    [flume, 1, /has no \/status page \(a Flume of the Apache Software Foundation has only \/metrics/],
    [other, 1, /is not the status of an agent/],
    [odd, 1, /is not the status of an agent/],
    [broken, 1, /answered 500/],
    [large, 1, /answered more than \d+ bytes/],
    ['a b', 2, /"a b" is no address/],
  ]
  for (const [address, code, line] of cases) {
    const { code: answered, out, err } = await runVerb('status', address)
    assert.deepEqual([answered, out], [code, ''], err)
    assert.match(err, line)
    assert.equal(err.split('\n').length, 2)
  }
})

test('an agent that takes the connection and says nothing is given up', async (test) => {
  const sockets: Socket[] = []
  const silent = createServer((socket) => sockets.push(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  test.after(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const { port } = silent.address() as AddressInfo
  const { code, err } = await runVerb('status', '--timeout', '50', String(port))
  assert.equal(code, 1)
  assert.match(err, /^flume-ts: 127\.0\.0\.1:\d+ did not answer within 50 ms\n$/)
  assert.equal((await runVerb('status', '--timeout', 'soon')).code, 2)
})
