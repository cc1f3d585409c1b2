// What the two commands do, shown on this machine with nothing but Node: `npm run demo`.
//
// First the README's example, both files as they are: an agent and a job on the same port, lines typed at that port, the
// same lines in the job's console and in HDFS, for which a local folder stands in. Then a job that counts a web site's
// access log. Everything is checked at the end; the exit code is 1 when a line is missing or a count is wrong.
import { createReadStream, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { accessLog } from './access-log.mjs'
import { Program, stopPrograms } from './program.mjs'
import { readSequenceFile } from './sequence-file.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const examplePort = 44444
const typedLines = [
  'To be, or not to be, that is the question:',
  "Whether 'tis nobler in the mind to suffer",
  'The slings and arrows of outrageous fortune,',
  'Or to take arms against a sea of troubles',
  'And by opposing end them.',
  'Größe, naïveté, 水槽, 🚰: text of any kind',
  'a line that says "OK"',
  ...Array.from({ length: 18 }, (_, i) => `line ${i + 8} of 25, typed by the demo`),
]
const logLines = 5_000
/** Longest wait for anything, in milliseconds: a machine with much else to do takes its time. */
const patienceMs = 90_000
const logSeed = 20_260_517

const terminal = process.stdout.isTTY === true
const paint = (code) => (text) => (terminal ? `\x1b[${code}m${text}\x1b[0m` : text)
const [bold, dim, green, red, cyan, yellow] = [1, 2, 32, 31, 36, 33].map(paint)
const say = (text = '') => console.log(text)
const from = (name, colour) => (line) => say(`  ${colour(`${name} │`)} ${line}`)
const shown = (path) => relative(process.cwd(), path) || '.'

const folder = join(process.cwd(), 'data', 'demo')
const failures = []
function check(ok, good, bad) {
  say(`  ${ok ? green('✔') : red('✖')} ${ok ? good : bad}`)
  if (!ok) failures.push(bad)
}

const interrupted = new Promise((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => reject(Object.assign(new Error(signal), { signal })))
  }
})
interrupted.catch(() => undefined)

let exitCode = 1
try {
  await Promise.race([demo(), interrupted])
  exitCode = failures.length === 0 ? 0 : 1
} catch (error) {
  if (error.signal) {
    say(`\n${error.signal}: stopping what runs`)
    exitCode = 130
  } else {
    say(`\n${red('✖')} ${error.message}`)
  }
} finally {
  await stopPrograms()
}
process.exit(exitCode)

async function demo() {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await example()
  await statistics()
  say(`\n${bold('Left to look at')}, in ${shown(folder)}:`)
  say(
    '  hdfs/flume/test/FlumeData.*   what HDFS would hold: SequenceFiles of ten events, as the example asks by its defaults',
  )
  say('  web/access.log                the access log; web/clients-*: the requests per client of each batch')
  say('  agent.log, job.log, web.log   what the programs logged')
  say(
    failures.length === 0
      ? `\n${green('✔')} everything arrived, nothing is left running`
      : `\n${red('✖')} ${failures.length} checks failed`,
  )
}

async function example() {
  heading('1. An agent and a job on one port')
  for (const file of ['conf/agent.properties', 'conf/job.ts']) {
    say(`${dim(`── ${file} ${'─'.repeat(100 - file.length)}`)}`)
    for (const line of readFileSync(join(root, file), 'utf8').trimEnd().split('\n')) say(`  ${dim(line)}`)
  }
  await mustBeFree(examplePort)

  const mount = join(folder, 'hdfs')
  command(`flume-ts agent -f conf/agent.properties --mount hdfs://namenode:8020=${shown(mount)}`)
  const agent = new Program(
    'the agent',
    join(root, 'bin/flume-ts.js'),
    ['agent', '-f', join(root, 'conf/agent.properties'), '--mount', `hdfs://namenode:8020=${mount}`],
    { cwd: folder, logFile: join(folder, 'agent.log'), show: from('agent', yellow) },
  )
  await agent.until('it listens', patienceMs, (_, log) => /agent agent1 runs/.test(log))

  command('stream-ts submit conf/job.ts')
  const job = new Program('the job', join(root, 'bin/stream-ts.js'), ['submit', join(root, 'conf/job.ts')], {
    cwd: folder,
    logFile: join(folder, 'job.log'),
    show: batches('job', cyan),
  })
  await job.until('it subscribes to the agent', patienceMs, (_, log) => /subscribed/i.test(log))

  command('nc localhost 44444')
  const sent = [...typedLines]
  const socket = await open(examplePort)
  // print() shows ten events of a batch: the next ones are typed when these have been seen, however slow the machine is.
  for (let at = 0; at < sent.length; at += 5) {
    const lines = sent.slice(at, at + 5)
    for (const line of lines) say(`  ${green('typed │')} ${line}`)
    socket.write(`${lines.join('\n')}\n`)
    const seen = at + lines.length
    await job.until(`${seen} lines are in its console`, patienceMs, (printed) => bodiesOf(printed).length >= seen)
  }
  if (terminal && process.stdin.isTTY) sent.push(...(await typeAlong(socket)))
  await socket.acknowledged(sent.length)
  await job.until('every line is in its console', patienceMs, (lines) => bodiesOf(lines).length >= typedLines.length)
  socket.end()

  say(dim('\n  stopping the job, then the agent, as Ctrl-C does'))
  const codes = [await job.stop(), await agent.stop()]
  say(bold('\nChecked'))
  const stored = storedLines(join(mount, 'flume/test'))
  check(
    socket.oks === sent.length,
    `the agent answered OK to each of ${sent.length} lines`,
    `the agent answered OK ${socket.oks} times to ${sent.length} lines`,
  )
  check(
    same(bodiesOf(job.lines).slice(0, typedLines.length), typedLines),
    `the job's console shows the demo's ${typedLines.length} lines, in order`,
    "the job's console does not show the lines that were typed",
  )
  check(
    same(stored, sent),
    `the files below ${shown(join(mount, 'flume/test'))} hold them too`,
    `the files hold ${stored.length} lines, not the ${sent.length} that were typed`,
  )
  check(
    codes.every((code) => code === 0),
    'both ended with exit code 0',
    `the job ended with ${codes[0]}, the agent with ${codes[1]}`,
  )
}

async function statistics() {
  heading('2. A live statistic of an access log')
  const web = join(folder, 'web')
  mkdirSync(web)
  const lines = accessLog(logLines, logSeed)
  writeFileSync(join(web, 'access.log'), `${lines.join('\n')}\n`)
  say(`  ${logLines} requests, made up, in ${shown(join(web, 'access.log'))}; they are sent at some 2,000 a second.`)

  const clients = new Set()
  const server = createServer((socket) => {
    clients.add(socket)
    socket.on('error', () => undefined)
    void feed(socket, join(web, 'access.log'))
  })
  await new Promise((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  command(`stream-ts submit conf/access-log.ts localhost ${port} ${shown(web)}`)
  const job = new Program(
    'the job',
    join(root, 'bin/stream-ts.js'),
    ['submit', join(root, 'conf/access-log.ts'), '127.0.0.1', String(port), web],
    {
      cwd: folder,
      logFile: join(folder, 'web.log'),
      show: batches('job', cyan),
    },
  )
  const statuses = () => sumOf(job.lines.map((line) => /^\((\d{3}),(\d+)\)$/.exec(line)))
  const all = (counts) => [...counts.values()].reduce((sum, count) => sum + count, 0)
  await job.until('every request is counted', patienceMs, () => all(statuses()) >= logLines)
  const code = await job.stop()
  for (const socket of clients) socket.destroy()
  server.close()

  say(bold('\nChecked'))
  const expected = (field) => sumOf(lines.map((line) => [line, field(line), '1']))
  const byStatus = expected((line) => line.split('" ')[1].slice(0, 3))
  check(
    sameCounts(statuses(), byStatus),
    `the batches' counts per status add up to the log's: ${[...byStatus]
      .sort()
      .map((pair) => pair.join(' '))
      .join(', ')}`,
    'the counts per status differ from the log',
  )
  const parts = readdirSync(web, { recursive: true }).filter((name) => /part-\d+$/.test(name))
  const saved = parts.flatMap((name) => readFileSync(join(web, name), 'utf8').split('\n'))
  const byClient = expected((line) => line.split(' ')[0])
  const savedCounts = sumOf(saved.map((line) => /^\(([\d.]+),(\d+)\)$/.exec(line)))
  check(
    sameCounts(savedCounts, byClient),
    `the saved counts of ${byClient.size} clients add up to the log's`,
    'the saved counts per client differ from the log',
  )
  check(code === 0, 'the job ended with exit code 0', `the job ended with ${code}`)
}

function heading(text) {
  say(`\n${bold(text)}\n`)
}

function command(text) {
  say(`\n${bold(`$ ${text}`)}`)
}

/** Shows the batches that hold something; an empty one is three lines of nothing each second. */
function batches(name, colour) {
  const show = from(name, colour)
  let held = []
  return (line) => {
    if (/^-+$/.test(line) || line === '') return
    if (/^Time: /.test(line)) held = [line]
    else {
      for (const each of held) show(dim(each))
      held = []
      show(line)
    }
  }
}

/** The event bodies among the lines that `print` wrote: neither rulers nor times. A body may follow its headers as JSON. */
function bodiesOf(lines) {
  return lines
    .filter(
      (line, at) =>
        line !== '' && !/^-{43}$/.test(line) && !(/^Time: \d+ ms$/.test(line) && /^-{43}$/.test(lines[at - 1] ?? '')),
    )
    .filter((line) => line !== '...')
    .map((line) => line.replace(/^\{"[^}]*\} /, ''))
}

function storedLines(path) {
  return readdirSync(path)
    .filter((name) => /^FlumeData\.\d+$/.test(name))
    .sort()
    .flatMap((name) => readSequenceFile(readFileSync(join(path, name))))
}

async function mustBeFree(port) {
  for (const host of ['127.0.0.1', '::1']) {
    await new Promise((resolve, reject) => {
      const probe = createServer()
      probe.on('error', (error) => {
        // A machine without IPv6 has that port free in its own way.
        if (error.code !== 'EADDRINUSE') resolve()
        else
          reject(
            new Error(
              `port ${port} is in use, and the example's files name it: end what listens there, then run the demo again`,
            ),
          )
      })
      probe.listen(port, host, () => probe.close(resolve))
    })
  }
}

/** A connection to the agent's port, as `nc` makes it, which counts the answers. */
async function open(port) {
  const socket = connect(port, 'localhost')
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  let answers = ''
  let wake = () => undefined
  socket.on('data', (bytes) => {
    answers += bytes
    wake()
  })
  return {
    get oks() {
      return answers.split('\n').filter((line) => line === 'OK').length
    },
    write: (text) => socket.write(text),
    end: () => socket.end(),
    async acknowledged(count) {
      const giveUp = AbortSignal.timeout(patienceMs)
      giveUp.addEventListener('abort', () => wake())
      while (this.oks < count && !giveUp.aborted)
        await new Promise((resolve) => {
          wake = resolve
        })
    },
  }
}

/** Lets a person at a terminal type lines too, until an empty one or for a minute. */
async function typeAlong(socket) {
  say(bold('\n  Your turn: type lines, they take the same way. An empty line goes on.'))
  const typed = []
  const reader = createInterface({ input: process.stdin })
  const timer = setTimeout(() => reader.close(), 60_000)
  reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  for await (const line of reader) {
    if (line === '') break
    typed.push(line)
    socket.write(`${line}\n`)
  }
  clearTimeout(timer)
  reader.close()
  return typed
}

/** Sends the file in twelve pieces, some 2,000 lines a second, and keeps the connection open. */
async function feed(socket, file) {
  const highWaterMark = 90 * 1024
  for await (const chunk of createReadStream(file, { highWaterMark })) {
    socket.write(chunk)
    await sleep(250)
  }
}

function sumOf(matches) {
  const counts = new Map()
  for (const match of matches) if (match) counts.set(match[1], (counts.get(match[1]) ?? 0) + Number(match[2]))
  return counts
}

function same(left, right) {
  return left.length === right.length && left.every((item, at) => item === right[at])
}

function sameCounts(left, right) {
  return left.size === right.size && [...left].every(([key, count]) => right.get(key) === count)
}
