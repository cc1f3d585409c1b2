import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RunningProcess } from '../support/running-process.ts'
import { startHdfs } from './peers.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const command = (name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningProcess =>
  new RunningProcess(`${name} ${args[0]}`, process.execPath, [join(root, 'bin', `${name}.js`), ...args], {
    cwd: root,
    env,
  })

/** A line of `hdfs dfs -text` for a record with a BytesWritable: its key and its bytes in hex. */
function bodyOf(line: string): string {
  const [, hex = ''] = line.split('\t')
  return Buffer.from(hex.replaceAll(' ', ''), 'hex').toString()
}

test('the example runs word for word against a real HDFS: typed lines are in the job and in /flume/test', async () => {
  const hdfs = await startHdfs()
  await using _hdfs = hdfs.process
  const env = { HADOOP_CONF_DIR: await hdfs.configurationFor('namenode:8020') }
  await using agent = command('flume-ts', ['agent', '-f', 'conf/agent.properties'], env)
  await agent.waitFor(/agent agent1 runs/)
  await using job = command('stream-ts', ['submit', 'conf/job.ts'])
  await job.waitFor(/subscribed to the agent/)

  // More than the ten events after which the sink, by Flume's defaults, begins a new file; a few at a time, as typed.
  const lines = Array.from({ length: 25 }, (_, i) => `line ${i + 1}: Größe 🚰`)
  const socket = connect(44_444, 'localhost')
  let answers = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    answers += text
  })
  for (let at = 0; at < lines.length; at += 5) {
    const typed = lines.slice(at, at + 5)
    socket.write(`${typed.join('\n')}\n`)
    await job.waitFor(new RegExp(`^${typed.at(-1)}$`, 'm'))
  }
  socket.end()
  const shown = job.stdout.split('\n').filter((line) => line.startsWith('line '))
  assert.deepEqual(shown, lines)
  assert.equal(answers, 'OK\n'.repeat(lines.length))

  assert.equal(await job.stop(), 0, job.stderr)
  assert.equal(await agent.stop(), 0, agent.stderr)
  const names = (await hdfs.shell('-ls', '/flume/test')).match(/\/flume\/test\/\S+/g) ?? []
  assert.equal(names.length, 3, names.join(' '))
  for (const name of names) assert.match(name, /^\/flume\/test\/FlumeData\.\d+$/)
  const text = await hdfs.shell('-text', ...names)
  assert.deepEqual(text.trimEnd().split('\n').map(bodyOf).sort(), [...lines].sort())
})
