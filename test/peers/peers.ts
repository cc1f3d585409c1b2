// Starts the real Flume, Spark and Hadoop as child processes. Each is awaited by its own output and
// ends with its test; the Java ones also end when this process does, because their standard input does.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/core/clock.ts'
import { type ProcessOptions, RunningProcess } from '../support/running-process.ts'
import { install, javaFolder, type PeerName } from './install.ts'

/** Java 17 and newer close these; Hadoop, Spark and Flume reach into them. Java 8 knows no such option. */
const opened = [
  ...[
    'lang',
    'lang.invoke',
    'lang.reflect',
    'io',
    'net',
    'nio',
    'util',
    'util.concurrent',
    'util.concurrent.atomic',
  ].map((name) => `java.${name}`),
  ...['sun.nio.ch', 'sun.nio.cs', 'sun.security.action', 'sun.util.calendar', 'jdk.internal.ref'],
].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`)

const startTimeoutMs = 90_000
/** Starts a Java program on the class path of a peer. `jvm` are options of the virtual machine, such as `-Dx=y`. */
export async function startJava(
  peer: PeerName,
  main: string,
  args: readonly string[],
  { jvm = [], ...options }: ProcessOptions & { readonly jvm?: readonly string[] } = {},
): Promise<RunningProcess> {
  const classPath = await install(peer)
  const log = `-Dlog4j.configuration=file:${join(javaFolder, 'log4j.properties')}`
  return new RunningProcess(
    `${peer} ${main}`,
    'java',
    [...opened, '-Xmx768m', log, ...jvm, '-cp', classPath, 'Tethered', main, ...args],
    options,
  )
}

export interface FlumeOptions extends ProcessOptions {
  readonly version?: '1.9' | '1.11' | '1.11-kafka'
  /** The agent's name in `properties`; `a1` when left out. */
  readonly agent?: string
  /** The configuration file's text. */
  readonly properties: string
  readonly jvm?: readonly string[]
  /** What its log says once it serves; when left out, every source is started and every TCP port of one takes connections. */
  readonly ready?: RegExp
}

/** Starts a real Flume agent and resolves once it serves. */
export async function startFlume({
  version = '1.11',
  agent = 'a1',
  properties,
  ready,
  ...options
}: FlumeOptions): Promise<RunningProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-peer-'))
  const file = join(folder, 'agent.properties')
  await writeFile(file, properties)
  const flume = await startJava(
    `flume-${version}`,
    'org.apache.flume.node.Application',
    ['-n', agent, '-f', file],
    options,
  )
  flume.afterwards(() => rm(folder, { recursive: true, force: true }))
  try {
    await (ready ? flume.waitFor(ready) : awaitStarted(flume, properties, agent))
  } catch (error) {
    await flume.stop()
    throw error
  }
  return flume
}

/** Resolves once the agent has started every source (or else every sink) and each port of a source is open. */
async function awaitStarted(flume: RunningProcess, properties: string, agent: string): Promise<void> {
  const value = (key: string): string | undefined =>
    new RegExp(`^\\s*${agent}\\.${key}\\s*=\\s*(.*?)\\s*$`, 'm').exec(properties)?.[1]
  const words = (key: string): string[] => (value(key) ?? '').split(/\s+/).filter((word) => word !== '')

  const sources = words('sources')
  if (sources.length === 0) {
    for (const sink of words('sinks')) await flume.waitFor(new RegExp(`Starting Sink ${sink}`))
  }
  for (const source of sources) {
    await flume.waitFor(new RegExp(`Starting Source ${source}`))
    const port = value(`sources.${source}.port`)
    const isUdp = /udp/i.test(value(`sources.${source}.type`) ?? '')
    if (port) await awaitOpen(flume, Number(port), isUdp ? takesDatagrams : takesConnections)
  }
}

/** Resolves once the port is open; rejects when the process ends first or takes too long. */
async function awaitOpen(
  peer: RunningProcess,
  port: number,
  isOpen: (port: number) => Promise<boolean>,
): Promise<void> {
  const untilMs = systemClock.monotonic() + startTimeoutMs
  const ended = peer.exited.then((code) => {
    throw new Error(`${peer.name} ended with ${code} before it listened on ${port}\n${peer.stderr.slice(-4_000)}`)
  })
  ended.catch(() => undefined)
  while (!(await Promise.race([isOpen(port), ended]))) {
    if (systemClock.monotonic() > untilMs)
      throw new Error(`${peer.name} does not listen on ${port}\n${peer.stderr.slice(-4_000)}`)
    await Promise.race([systemClock.sleep(50), ended])
  }
}

/** What Linux says of the sockets that are bound: nobody answers a datagram. */
async function takesDatagrams(port: number): Promise<boolean> {
  const bound = `:${port.toString(16).toUpperCase().padStart(4, '0')} `
  const tables = await Promise.all(
    ['udp', 'udp6'].map((name) => readFile(`/proc/net/${name}`, 'latin1').catch(() => '')),
  )
  return tables.some((table) => table.includes(bound))
}

/** Resolves once everything that a real Flume has acknowledged has left its channels; its monitoring answers on the port. */
export async function awaitDrained(flume: RunningProcess, port: number): Promise<void> {
  await awaitOpen(flume, port, async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined)
    const metrics = ((await answer?.json()) ?? {}) as Record<string, Record<string, string>>
    const channels = Object.entries(metrics).filter(([name]) => name.startsWith('CHANNEL.'))
    return (
      channels.length > 0 &&
      channels.every(([, counts]) => counts['EventTakeSuccessCount'] === counts['EventPutSuccessCount'])
    )
  })
}

/** Settings of the JVM that let `awaitDrained` ask on the port. */
export function monitoredOn(port: number): readonly string[] {
  return ['-Dflume.monitoring.type=http', `-Dflume.monitoring.port=${port}`]
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/**
 * What Flume 1.11 makes of configurations, one virtual machine for all of them: for each what would run, such as
 * `r1>c1 k1<c1 g1=FailoverSinkProcessor(k2<c1 k3<c1) [c1]`, or `!` and the failure that ended its reading.
 */
export async function flumeOutcomes(
  configurations: readonly { readonly agent: string; readonly text: string }[],
  options: FlumeOutcomeOptions = {},
): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-peer-'))
  try {
    for (const [index, { agent, text }] of configurations.entries()) {
      await writeFile(join(folder, `${String(index).padStart(4, '0')}-${agent}.properties`), text)
    }
    await using flume = await startJava('flume-1.11', 'ConfigOutcomes', [folder], options)
    await flume.waitFor(/^DONE$/m)
    // Flume logs to standard output too; the answers are marked.
    const outcomes = [...flume.stdout.matchAll(/^> \d{4} (.*)$/gm)].map(([, outcome]) => (outcome as string).trim())
    if (outcomes.length !== configurations.length) {
      throw new Error(
        `${outcomes.length} answers to ${configurations.length} configurations\n${flume.stderr.slice(-4_000)}`,
      )
    }
    return outcomes
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export type FlumeOutcomeOptions = ProcessOptions & { readonly jvm?: readonly string[] }

export interface SparkReceiver {
  readonly process: RunningProcess
  /** Bodies received so far, in the order of arrival. */
  bodies(): string[]
  /** Resolves to the bodies once there are `count`. */
  waitForBodies(count: number, timeoutMs?: number): Promise<string[]>
}

/** Starts Spark 2.4's own Flume receiver: `push` listens for Avro on the port, `poll` pulls from a Spark sink there. */
export async function startSparkReceiver(
  mode: 'push' | 'poll',
  port: number,
  host = '127.0.0.1',
): Promise<SparkReceiver> {
  const spark = await startJava('spark-2.4', 'SparkFlumeReceiver', [mode, host, String(port)])
  // A listening receiver can be sent to only once it says so.
  await awaitOrStop(spark, mode === 'push' ? /Flume receiver started/ : /READY/)
  const bodies = (): string[] => [...spark.stdout.matchAll(/^EVENT \{.*?\} (.*)$/gm)].map((match) => match[1] as string)
  return {
    process: spark,
    bodies,
    waitForBodies: (count, timeoutMs) =>
      spark.waitUntil(() => (bodies().length >= count ? bodies() : undefined), `${count} events`, timeoutMs),
  }
}

/** A real HDFS of this machine's own. */
export interface Hdfs {
  readonly process: RunningProcess
  /** `hdfs://localhost:PORT`. */
  readonly uri: string
  readonly rpcPort: number
  /** Of all name nodes. */
  readonly rpcPorts: readonly number[]
  /** `http://localhost:PORT`, where the name node speaks WebHDFS. */
  readonly httpUri: string
  readonly httpPort: number
  /** Runs `hdfs dfs ARGS` (Hadoop's FsShell) and resolves to its standard output; rejects when it fails. */
  shell(...args: readonly string[]): Promise<string>
  /**
   * Makes a folder for `HADOOP_CONF_DIR` in which `hdfs://AUTHORITY` (such as `namenode:8020`, or the name of a service of
   * two name nodes) is this HDFS, natively and over WebHDFS; removed when the HDFS stops.
   */
  configurationFor(authority: string): Promise<string>
  /** Adds a data node in a process of its own, which can be killed and halted; in `folder` one goes on that was there. */
  startDataNode(folder?: string): Promise<RunningProcess>
  /** Stops the name node and starts it again on its port; resolves when it serves, safe mode aside. */
  restartNameNode(): Promise<void>
  /** Has the name node do something; `MiniHdfs.java` says what there is. */
  command(line: string): Promise<void>
}

/** Versions of Hadoop that there are mini clusters of. */
export type HadoopVersion = '3.2.1' | '3.3.6'

export interface HdfsOptions {
  readonly version?: HadoopVersion
  /** Data nodes in the name node's process. */
  readonly dataNodes?: number
  /** 2: one is active, the other stands by. */
  readonly nameNodes?: 1 | 2
  /** Hadoop's own, such as `dfs.encrypt.data.transfer`. */
  readonly configuration?: Readonly<Record<string, string>>
}

const clusters: Readonly<Record<HadoopVersion, PeerName>> = { '3.2.1': 'hadoop-3.2', '3.3.6': 'hadoop-3.3-cluster' }

/** Starts an HDFS (3.2.1 unless told; name nodes and data nodes in one process) and resolves once it serves. */
export async function startHdfs({
  version = '3.2.1',
  dataNodes = 1,
  nameNodes = 1,
  configuration = {},
}: HdfsOptions = {}): Promise<Hdfs> {
  const peer = clusters[version]
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-peer-'))
  const settings = Object.entries(configuration).map(([key, value]) => `${key}=${value}`)
  const args = [join(folder, 'dfs'), String(dataNodes), String(nameNodes), ...settings]
  const hdfs = await startJava(peer, 'MiniHdfs', args, { cwd: folder })
  hdfs.afterwards(() => rm(folder, { recursive: true, force: true }))
  const ready = await awaitOrStop(hdfs, /^READY (\S+) (\S+) (\d+)$/m)
  const uris = (ready[1] as string).split(',').map((uri) => new URL(uri.replace(/^hdfs/, 'http')))
  const uri = (ready[1] as string).split(',')[0]?.replace(/\/$/, '') as string
  const httpUri = ready[2] as string
  const rpcPorts = uris.map(({ port }) => Number(port))
  const service = async (authority: string): Promise<string> => {
    const conf = join(folder, `conf-${authority.replace(/[^\w.-]/g, '_')}`)
    await mkdir(conf, { recursive: true })
    await writeFile(join(conf, 'core-site.xml'), site({ 'fs.defaultFS': `hdfs://${authority}` }))
    const one = {
      'dfs.namenode.rpc-address': uris[0]?.host as string,
      'dfs.namenode.http-address': new URL(httpUri).host,
      'dfs.webhdfs.enabled': 'true',
    }
    const names = uris.map((_, index) => `nn${index}`)
    const several = {
      'dfs.nameservices': authority,
      [`dfs.ha.namenodes.${authority}`]: names.join(','),
      ...Object.fromEntries(
        uris.map(({ host }, index) => [`dfs.namenode.rpc-address.${authority}.${names[index]}`, host]),
      ),
      [`dfs.client.failover.proxy.provider.${authority}`]:
        'org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider',
    }
    await writeFile(join(conf, 'hdfs-site.xml'), site(nameNodes === 1 ? one : several))
    return conf
  }
  return {
    process: hdfs,
    uri,
    rpcPort: rpcPorts[0] as number,
    rpcPorts,
    httpUri,
    httpPort: Number(new URL(httpUri).port),
    shell: async (...args) => {
      // Where there are two name nodes, Hadoop's client finds the active one by its own configuration.
      const options =
        nameNodes === 1 ? ['-fs', uri] : ['-conf', join(await service('ha'), 'hdfs-site.xml'), '-fs', 'hdfs://ha']
      const shell = await startJava(peer, 'org.apache.hadoop.fs.FsShell', [...options, ...args], { cwd: folder })
      const code = await shell.exited
      await shell.stop()
      if (code !== 0) throw new Error(`hdfs dfs ${args.join(' ')} ended with ${code}\n${shell.stderr.slice(-2_000)}`)
      return shell.stdout
    },
    configurationFor: service,
    startDataNode: async (data) => {
      const node = await startJava(
        peer,
        'MiniHdfs',
        ['datanode', data ?? (await mkdtemp(join(folder, 'data-'))), uri],
        {
          cwd: folder,
        },
      )
      await awaitOrStop(node, /^READY (\d+)$/m)
      return node
    },
    restartNameNode: () => tell(Number(ready[3]), 'restart-namenode'),
    command: (line) => tell(Number(ready[3]), line),
  }
}

/** The door of a name node that wants Kerberos tickets; resolves to the process and its port. */
export async function startSecuredNameNode(
  version: HadoopVersion,
): Promise<{ readonly process: RunningProcess; readonly port: number }> {
  const door = await startJava(clusters[version], 'MiniHdfs', ['kerberos'], {
    jvm: [
      '--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED',
      '-Djava.security.krb5.realm=EXAMPLE.COM',
      '-Djava.security.krb5.kdc=127.0.0.1:1',
    ],
  })
  const [, port] = await awaitOrStop(door, /^READY (\d+)$/m)
  return { process: door, port: Number(port) }
}

/** A real HDFS that asks for Kerberos tickets, with a KDC of its own. */
export interface SecureHdfs {
  readonly process: RunningProcess
  /** `http://localhost:PORT`, where the name node speaks WebHDFS. */
  readonly httpUri: string
  /** For KRB5_CONFIG. */
  readonly krb5Conf: string
  /** Holds `flume@EXAMPLE.COM`, who may act for anybody; /flume is that user's, /alice is alice's. */
  readonly keytab: string
  readonly folder: string
  /** Has it do something; `SecureHdfs.java` says what there is. */
  command(line: string): Promise<void>
}

/** Starts a KDC and an HDFS (3.2.1) that wants its tickets; resolves once it serves. A token must be renewed so often. */
export async function startSecureHdfs(renewIntervalMs: number): Promise<SecureHdfs> {
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-peer-'))
  const hdfs = await startJava('hadoop-3.2-secure', 'SecureHdfs', [folder, String(renewIntervalMs)], {
    cwd: folder,
    jvm: [
      '--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED',
      '--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED',
    ],
  })
  hdfs.afterwards(() => rm(folder, { recursive: true, force: true }))
  const [, httpUri, krb5Conf, keytab, port] = (await awaitOrStop(
    hdfs,
    /^READY (\S+) (\S+) (\S+) (\d+)$/m,
  )) as unknown as string[]
  return {
    process: hdfs,
    httpUri: httpUri as string,
    krb5Conf: krb5Conf as string,
    keytab: keytab as string,
    folder,
    command: (line) => tell(Number(port), line),
  }
}

/** Sends a line to a control port; resolves when it was answered. */
function tell(port: number, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${line}\n`))
    socket.on('data', () => resolve())
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`${line} was not done`)))
  })
}

function site(values: Readonly<Record<string, string>>): string {
  const properties = Object.entries(values).map(
    ([name, value]) => `  <property><name>${name}</name><value>${value}</value></property>`,
  )
  return ['<?xml version="1.0"?>', '<configuration>', ...properties, '</configuration>', ''].join('\n')
}

async function awaitOrStop(peer: RunningProcess, ready: RegExp): Promise<RegExpExecArray> {
  try {
    return await peer.waitFor(ready)
  } catch (error) {
    await peer.stop()
    throw error
  }
}
