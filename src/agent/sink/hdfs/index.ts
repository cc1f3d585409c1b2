import { lookup, lookupService } from 'node:dns/promises'
import { hostname } from 'node:os'
import { hadoopCodecNamed, hadoopCodecNames } from '../../../codec/compression/hadoop.ts'
import type { RoundUnit } from '../../../codec/date-letters.ts'
import { TimeZone } from '../../../codec/time-zone.ts'
import { givenToken } from '../../../net/hdfs/delegation-token.ts'
import { type FileSystem, parentOf } from '../../../net/hdfs/file-system.ts'
import type { Ending } from '../../../net/hdfs/finish-file.ts'
import { fileSystemSchemes, openFileSystem, splitAddress } from '../../../net/hdfs/open.ts'
import {
  bytes,
  choice,
  count,
  flag,
  millis,
  nested,
  type Options,
  seconds,
  secret,
  text,
  whole,
} from '../../../spec/option.ts'
import {
  defineSink,
  EventBatch,
  FlumeError,
  type HeaderColumn,
  type OptionProblem,
  type Serializer,
  type SerializerContext,
  type Sink,
  type SinkContext,
} from '../../contract.ts'
import { Bucket, type BucketTools } from './bucket.ts'
import { Closer } from './closer.ts'
import { CompressedSerializer } from './compressed-serializer.ts'
import { findLeftovers, finishLeftovers } from './leftovers.ts'
import { OpenFiles } from './open-files.ts'
import { knownMachineNames, machineNames, PathPattern, type Share } from './path-pattern.ts'
import { Pool } from './pool.ts'
import { checkKeys, SequenceSerializer } from './sequence-serializer.ts'

const options = {
  'hdfs.path': text({
    doc: 'Directory of the files, such as hdfs://namenode:8020/flume/%Y-%m-%d; escape sequences allowed. Without a scheme: Hadoop’s default file system.',
  }),
  'hdfs.filePrefix': text({ default: 'FlumeData', doc: 'How file names begin; escape sequences allowed.' }),
  'hdfs.fileSuffix': text({
    default: '',
    doc: 'How file names end, such as .log; no dot is added. The codec’s own ending, such as .gz, when left out.',
  }),
  'hdfs.inUsePrefix': text({ default: '', doc: 'Put before the name of a file that is being written.' }),
  'hdfs.inUseSuffix': text({ default: '.tmp', doc: 'Put behind the name of a file that is being written.' }),
  'hdfs.emptyInUseSuffix': flag({
    default: false,
    doc: 'Use no suffix while a file is being written, whatever hdfs.inUseSuffix says.',
  }),
  'hdfs.rollInterval': seconds({ default: 30, doc: 'Close a file this long after it was opened; 0 or less never.' }),
  'hdfs.rollSize': bytes({
    default: 1024,
    doc: 'Begin a new file when the bodies in the file reach this size; 0 or less never.',
  }),
  'hdfs.rollCount': count({ default: 10, doc: 'Begin a new file after this many events; 0 or less never.' }),
  'hdfs.idleTimeout': seconds({ default: 0, doc: 'Close a file that got nothing for this long; 0 or less never.' }),
  'hdfs.batchSize': count({
    default: 100,
    min: 1,
    doc: 'Events written and confirmed at once, by one hflush. Over WebHDFS, where an append takes 15 to 450 ms, up to 64 batches share one.',
  }),
  'hdfs.codeC': text({
    optional: true,
    doc: `Compression of a CompressedStream or a SequenceFile: ${hadoopCodecNames.join(', ')}, their Java classes, or None. zstandard needs Node 22.15.`,
  }),
  'hdfs.fileType': choice({
    of: ['SequenceFile', 'DataStream', 'CompressedStream'],
    default: 'SequenceFile',
    doc: 'SequenceFile: Hadoop records, compressed in blocks with hdfs.codeC. DataStream: what the serializer writes. CompressedStream: the same, compressed with hdfs.codeC, each batch a member of its own.',
  }),
  'hdfs.writeFormat': choice({
    of: ['Writable', 'Text'],
    default: 'Writable',
    doc: 'How a SequenceFile holds the bodies: as BytesWritable or as Text.',
  }),
  'hdfs.maxOpenFiles': count({
    default: 5000,
    min: 1,
    doc: 'With more open files than this, the one not written for the longest time is closed.',
  }),
  'hdfs.minBlockReplicas': count({
    optional: true,
    min: 0,
    doc: 'Close a file when its block has fewer copies; as many as the file should have when left out. Without effect over WebHDFS, which closes the file after every batch.',
  }),
  'hdfs.callTimeout': millis({
    default: 30_000,
    doc: 'Longest time for one exchange with HDFS; 0 or less waits for ever.',
  }),
  'hdfs.threadsPoolSize': count({ default: 10, min: 1, doc: 'Files that are written at the same time.' }),
  'hdfs.rollTimerPoolSize': count({ default: 1, min: 1, doc: 'Without effect: timers need no threads here.' }),
  'hdfs.kerberosPrincipal': text({
    optional: true,
    doc: 'Who to be for a cluster that asks for Kerberos, such as flume/_HOST@EXAMPLE.COM; whoever the ticket cache is of when left out. Over WebHDFS, by the optional package kerberos.',
  }),
  'hdfs.kerberosKeytab': text({
    optional: true,
    doc: 'File with the principal’s key, by which tickets are fetched; the user’s ticket cache when left out.',
  }),
  'hdfs.delegationToken': secret({
    optional: true,
    doc: 'Delegation token as GETDELEGATIONTOKEN of WebHDFS answers it; WebHDFS only.',
  }),
  'hdfs.delegationTokenFile': text({
    optional: true,
    doc: 'File of tokens as hdfs fetchdt writes it, read again when it changes; what HADOOP_TOKEN_FILE_LOCATION names when left out. WebHDFS only.',
  }),
  'hdfs.proxyUser': text({
    optional: true,
    doc: 'User whose rights are used. With a delegation token it must be the token’s owner.',
  }),
  'hdfs.round': flag({ default: false, doc: 'Round the time of escape sequences down.' }),
  'hdfs.roundValue': count({ default: 1, doc: 'Round down to a multiple of this many units.' }),
  'hdfs.roundUnit': text({ default: 'second', doc: 'second, minute or hour.' }),
  'hdfs.timeZone': text({
    optional: true,
    doc: 'Zone of the escape sequences, such as Europe/Berlin; the machine’s own when left out.',
  }),
  'hdfs.useLocalTimeStamp': flag({
    default: false,
    doc: 'Use the time of writing for escape sequences instead of the timestamp header.',
  }),
  'hdfs.closeTries': whole('count', { default: 0, doc: 'How often closing a file is tried; 0 or less has no limit.' }),
  'hdfs.retryInterval': whole('seconds', {
    default: 180,
    doc: 'Pause between tries to close a file; 0 or less tries once.',
  }),
  'hdfs.useRawLocalFileSystem': flag({
    default: false,
    doc: 'Without effect: files of file: paths never get checksum files here.',
  }),
  'hdfs.client': choice({
    of: ['native', 'webhdfs'],
    optional: true,
    doc: 'How hdfs: is spoken to: by HDFS’s own protocol, or by HTTP where only that is open; native when left out, unless hdfs.webhdfs.url is given.',
  }),
  'hdfs.sync': flag({
    default: false,
    doc: 'A batch is confirmed only when it is on the data nodes’ disks (hsync instead of hflush); native only.',
  }),
  'hdfs.webhdfs.url': text({
    optional: true,
    doc: 'HTTP address of the name node, or several separated by commas; else from HADOOP_CONF_DIR, else port 9870, then 50070.',
  }),
  'hdfs.openFilesDir': text({
    default: '~/.flume/hdfs-open-files',
    doc: 'Folder of this machine where files in use are noted, so that the next start finishes those that a kill leaves; agents may share it. For local files and WebHDFS: in HDFS’s own protocol leases tell. "none" notes nothing.',
  }),
  'hdfs.headerSlash': choice({
    of: ['directory', 'replace'],
    default: 'directory',
    doc: 'What a slash in a header’s value does in %{header}: make a directory, as in Flume, or become an underscore.',
  }),
  serializer: nested<Serializer, SerializerContext>('serializer', {
    default: 'TEXT',
    doc: 'Writes the events of a DataStream or a CompressedStream.',
  }),
}
type HdfsOptions = Options<typeof options>

export const hdfs = defineSink({
  type: 'hdfs',
  title: 'HDFS',
  aliases: ['org.apache.flume.sink.hdfs.HDFSEventSink', 'HDFSEventSink'],
  summary: 'Writes events to files in HDFS or a local folder, one set of files per expanded path.',
  options,
  batchSizeOption: 'hdfs.batchSize',
  check,
  describe: (options) => options['hdfs.path'],
  create: async (options, context) => {
    const names = [...machineNames(options['hdfs.path']), ...machineNames(options['hdfs.filePrefix'])]
    return new HdfsSink(options, context, await thisMachine(names), await newSerializers(options, context))
  },
})

const roundUnits: readonly RoundUnit[] = ['second', 'minute', 'hour']

function check(options: HdfsOptions): readonly OptionProblem[] {
  const problems: OptionProblem[] = []
  const say = (
    option: keyof HdfsOptions & string,
    message: string,
    hint: string,
    severity: OptionProblem['severity'] = 'error',
  ): void => {
    problems.push({ option, message, hint, severity })
  }
  const codec = codecOf(options)
  if (codec && 'problem' in codec) say('hdfs.codeC', codec.problem, codec.hint)
  if (options['hdfs.fileType'] === 'CompressedStream' && !codec)
    say('hdfs.codeC', 'a CompressedStream needs a codec', `use ${hadoopCodecNames.join(', ')}`)
  if (options['hdfs.fileType'] === 'DataStream' && codec)
    say('hdfs.codeC', 'a DataStream is not compressed', 'set hdfs.fileType = CompressedStream, or leave the codec out')
  const { scheme, authority, path } = splitAddress(options['hdfs.path'])
  if (scheme !== '' && !fileSystemSchemes.includes(scheme)) {
    say('hdfs.path', `there is no file system for ${scheme}:`, `use ${fileSystemSchemes.join(', ')}`)
  }
  if (authority.includes('%')) say('hdfs.path', 'the host cannot hold escape sequences', 'write it out')
  if (/(^|\/)\.\.?(\/|$)/.test(path)) say('hdfs.path', 'the path holds . or ..', 'write it out')
  for (const key of ['hdfs.path', 'hdfs.filePrefix'] as const) {
    const pattern = key === 'hdfs.path' ? path : options[key]
    if (scheme !== '' && scheme !== 'file' && /:|%c/.test(pattern)) {
      say(key, 'HDFS takes no colon in names, so nothing can be written', 'write %H%M%S instead of %c', 'warning')
    }
    for (const name of machineNames(options[key])) {
      if (!knownMachineNames.includes(name)) {
        say(key, `%[${name}] is not known`, `use ${knownMachineNames.map((known) => `%[${known}]`).join(', ')}`)
      }
    }
  }
  for (const key of ['hdfs.fileSuffix', 'hdfs.inUsePrefix', 'hdfs.inUseSuffix'] as const) {
    if (options[key].includes('/'))
      say(key, 'a part of a file name cannot hold a slash', 'put directories into hdfs.path')
  }
  if (options['hdfs.round']) {
    const unit = roundUnits.find((known) => known === options['hdfs.roundUnit'].toLowerCase())
    if (!unit) say('hdfs.roundUnit', 'times are not rounded, as in Flume', `use ${roundUnits.join(', ')}`, 'warning')
    const most = unit === 'hour' ? 24 : 60
    const value = options['hdfs.roundValue']
    if (unit && (value < 1 || value > most)) say('hdfs.roundValue', `${value} does not fit`, `use 1 to ${most}`)
  }
  const zone = options['hdfs.timeZone']
  if (zone !== undefined && !TimeZone.find(zone)) {
    say('hdfs.timeZone', `${zone} is not a time zone; GMT is used, as in Flume`, 'write it as Europe/Berlin', 'warning')
  }
  if (
    options['hdfs.fileType'] === 'SequenceFile' &&
    options.serializer &&
    options.serializer.type.toLowerCase() !== 'text'
  ) {
    say('serializer', 'a SequenceFile has no serializer', 'add hdfs.fileType = DataStream', 'warning')
  }
  const isNative = scheme === 'hdfs' || scheme === ''
  const client = options['hdfs.client'] ?? (options['hdfs.webhdfs.url'] === undefined ? 'native' : 'webhdfs')
  for (const key of ['hdfs.minBlockReplicas', 'hdfs.sync'] as const) {
    if ((isNative && client === 'native') || options[key] === undefined || options[key] === false) continue
    say(key, 'it has an effect only on hdfs: addresses in HDFS’s own protocol', 'leave it out', 'warning')
  }
  problems.push(
    ...checkProofs(options, isNative && client === 'native' ? 'native' : scheme === 'file' ? 'file' : 'webhdfs'),
  )
  if (client === 'native' && options['hdfs.webhdfs.url'] !== undefined) {
    say('hdfs.webhdfs.url', 'it has no effect with hdfs.client = native', 'leave one of them out', 'warning')
  }
  if (options['hdfs.emptyInUseSuffix'] && options['hdfs.inUseSuffix'] !== '.tmp') {
    say('hdfs.inUseSuffix', 'hdfs.emptyInUseSuffix = true overrules it', 'leave one of them out', 'warning')
  }
  return problems
}

/** What says who the sink is: a ticket or a token, which only WebHDFS takes. */
function checkProofs(options: HdfsOptions, way: 'native' | 'webhdfs' | 'file'): readonly OptionProblem[] {
  const problems: OptionProblem[] = []
  const ticket = ['hdfs.kerberosPrincipal', 'hdfs.kerberosKeytab'] as const
  const token = ['hdfs.delegationToken', 'hdfs.delegationTokenFile'] as const
  for (const option of [...ticket, ...token]) {
    if (options[option] === undefined || way === 'webhdfs') continue
    const hint = 'use hdfs.client = webhdfs, or an address that begins with webhdfs: or swebhdfs:'
    if (way === 'file')
      problems.push({ option, message: 'a local file needs none', hint: 'leave it out', severity: 'warning' })
    else
      problems.push({ option, message: 'HDFS’s own protocol is spoken without Kerberos here', hint, severity: 'error' })
  }
  if (options['hdfs.kerberosKeytab'] !== undefined && options['hdfs.kerberosPrincipal'] === undefined) {
    const message = 'a keytab may hold many principals'
    problems.push({ option: 'hdfs.kerberosKeytab', message, hint: 'set hdfs.kerberosPrincipal', severity: 'error' })
  }
  if (options['hdfs.delegationToken'] === undefined) return problems
  if (options['hdfs.delegationTokenFile'] !== undefined) {
    const message = 'hdfs.delegationToken overrules it'
    problems.push({ option: 'hdfs.delegationTokenFile', message, hint: 'leave one of them out', severity: 'warning' })
  }
  try {
    givenToken(options['hdfs.delegationToken'])
  } catch (error) {
    const hint = (error instanceof FlumeError && error.hint) || 'fetch a new one'
    problems.push({ option: 'hdfs.delegationToken', message: (error as Error).message, hint, severity: 'error' })
  }
  return problems
}

/** Over WebHDFS an append takes up to half a second whatever its size: what comes meanwhile joins the next one, up to these. */
const batchesAhead = 64
const bytesAhead = 16 * 1024 * 1024

/** The codec that the options name; undefined for none. */
function codecOf(options: HdfsOptions): ReturnType<typeof hadoopCodecNamed> | undefined {
  const name = options['hdfs.codeC']
  return name === undefined || name.toLowerCase() === 'none' ? undefined : hadoopCodecNamed(name)
}

class HdfsSink implements Sink {
  readonly batchSize: number
  readonly #options: HdfsOptions
  readonly #context: SinkContext
  readonly #serializers: Serializers
  readonly #fileSystem: FileSystem
  readonly #pattern: PathPattern
  readonly #root: string
  /** The lowest directory under which all of this sink's files lie. */
  readonly #fixedRoot: string
  readonly #tools: BucketTools
  /** Open buckets, the one written last at the end. */
  readonly #buckets = new Map<string, Bucket>()
  /** Closes begun by timers, which a stop waits for. */
  readonly #closing = new Set<Promise<void>>()
  /** Finishes files of a killed agent meanwhile. */
  #leftovers: Promise<void> | undefined
  readonly #stopping = new AbortController()
  #bytesUnderWay = 0

  constructor(
    options: HdfsOptions,
    context: SinkContext,
    machine: Readonly<Record<string, string>>,
    serializers: Serializers,
  ) {
    this.#options = options
    this.#context = context
    this.#serializers = serializers
    this.batchSize = options['hdfs.batchSize']
    const address = options['hdfs.path']
    const { fileSystem, path } = openFileSystem(address, {
      mounts: context.settings.mounts,
      env: context.settings.env,
      properties: context.settings.properties,
      clock: context.clock,
      timeoutMs: Math.max(0, options['hdfs.callTimeout']),
      client: options['hdfs.client'],
      sync: options['hdfs.sync'],
      webHdfsUrl: options['hdfs.webhdfs.url'],
      proxyUser: options['hdfs.proxyUser'],
      delegationToken: options['hdfs.delegationToken'],
      delegationTokenFile: options['hdfs.delegationTokenFile'],
      kerberos: { principal: options['hdfs.kerberosPrincipal'], keytab: options['hdfs.kerberosKeytab'] },
    })
    this.#fileSystem = fileSystem
    this.#pattern = this.#newPattern(path, machine)
    const fixed = path.startsWith('/') ? path : `/${path}`
    this.#root = parentOf(fixed.slice(0, fixed.includes('%') ? fixed.indexOf('%') : undefined) || '/')
    this.#fixedRoot = fixed.includes('%') ? this.#root : fixed
    this.#tools = this.#newTools()
  }

  /** A native file is flushed in a millisecond, so there is one batch under way; elsewhere many share an append. */
  get overlap(): number {
    return this.#fileSystem.hasLeases || this.#bytesUnderWay >= bytesAhead ? 1 : batchesAhead
  }

  /** Rejects CONNECTION while HDFS cannot be reached. */
  async start(): Promise<void> {
    await this.#fileSystem.status(this.#root)
    // Asked for once, before the first file of this run.
    this.#leftovers ??= (await this.#finishLeftovers()).done
  }

  /**
   * Resolves when the bytes of every file the batch touched are confirmed (H-11). A rejection may leave some files with
   * their part of the batch (H-12): it is delivered at least once, and never in part of an event.
   */
  async write(batch: EventBatch): Promise<void> {
    if (this.#options['hdfs.fileType'] === 'SequenceFile') checkKeys(batch)
    const shares = this.#pattern.partition(batch, this.#context.clock.now())
    const evicted: Promise<void>[] = []
    this.#bytesUnderWay += batch.bodyBytes
    const writes = shares.map((share) => this.#bucket(share, evicted).write(share.batch))
    const results = await Promise.allSettled([...writes, ...evicted])
    this.#bytesUnderWay -= batch.bodyBytes
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
  }

  /** Closes and renames every file, each tried once more (H-08); when HDFS is away the rest is not tried. */
  async stop(): Promise<void> {
    this.#tools.closer.beginStop()
    const buckets = [...this.#buckets.values()]
    this.#buckets.clear()
    await Promise.all([...buckets.map((bucket) => bucket.close()), ...this.#closing])
    this.#stopping.abort()
    await this.#leftovers
    await this.#tools.closer.stop()
    await this.#tools.openFiles?.stop()
    await this.#fileSystem.close()
  }

  /** Finishes what a killed agent left, found by leases, or by what it has noted. */
  async #finishLeftovers(): Promise<{ readonly done: Promise<void> }> {
    const { clock, log } = this.#context
    const tools = { fileSystem: this.#fileSystem, clock, log, signal: this.#stopping.signal }
    const { openFiles } = this.#tools
    if (openFiles) return openFiles.finishAbandoned(tools)
    if (!this.#fileSystem.hasLeases) return { done: Promise.resolve() }
    const get = this.#options
    const settings = {
      root: this.#fixedRoot,
      inUsePrefix: get['hdfs.inUsePrefix'],
      filePrefix: get['hdfs.filePrefix'],
      fileSuffix: this.#serializers.fileSuffix,
      inUseSuffix: get['hdfs.emptyInUseSuffix'] ? '' : get['hdfs.inUseSuffix'],
    }
    const found = await findLeftovers(this.#fileSystem, settings, this.#context)
    return { done: finishLeftovers(found, { ...tools, ending: this.#serializers.ending }) }
  }

  #newOpenFiles(): OpenFiles | undefined {
    const directory = this.#options['hdfs.openFilesDir']
    if (this.#fileSystem.hasLeases || directory === 'none') return undefined
    const settings = {
      directory,
      place: this.#fileSystem.address,
      user: this.#options['hdfs.proxyUser'] ?? '',
      ending: this.#serializers.ending,
    }
    return new OpenFiles(settings, this.#context.log)
  }

  #bucket({ directory, prefix }: Share, evicted: Promise<void>[]): Bucket {
    const key = `${directory}/${prefix}`
    let bucket = this.#buckets.get(key)
    if (bucket) {
      this.#buckets.delete(key)
    } else {
      const made = new Bucket(directory, prefix, this.#tools, () => this.#expire(key, made))
      bucket = made
      // H-09: a place is made before the new bucket takes it.
      if (this.#buckets.size >= this.#options['hdfs.maxOpenFiles']) {
        const [oldestKey, oldest] = this.#buckets.entries().next().value as [string, Bucket]
        this.#buckets.delete(oldestKey)
        evicted.push(oldest.close())
      }
    }
    this.#buckets.set(key, bucket)
    return bucket
  }

  #expire(key: string, bucket: Bucket): void {
    if (this.#buckets.get(key) === bucket) this.#buckets.delete(key)
    const closing = bucket.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  #newPattern(path: string, machine: Readonly<Record<string, string>>): PathPattern {
    const { log } = this.#context
    const zoneName = this.#options['hdfs.timeZone']
    const unit = roundUnits.find((known) => known === this.#options['hdfs.roundUnit'].toLowerCase())
    if (this.#options['hdfs.round'] && !unit)
      log.warn('hdfs.roundUnit is none of second, minute, hour: times are not rounded')
    return new PathPattern(
      path,
      this.#options['hdfs.filePrefix'],
      {
        zone: zoneName === undefined ? TimeZone.local() : (TimeZone.find(zoneName) ?? TimeZone.utc),
        round: this.#options['hdfs.round'] && unit ? { value: this.#options['hdfs.roundValue'], unit } : undefined,
        useLocalTimeStamp: this.#options['hdfs.useLocalTimeStamp'],
        slashesInHeaders: this.#options['hdfs.headerSlash'] === 'directory',
        colonsInHeaders: splitAddress(this.#options['hdfs.path']).scheme === 'file',
      },
      machine,
    )
  }

  #newTools(): BucketTools {
    const { clock, counters } = this.#context
    const get = this.#options
    const retryIntervalMs = get['hdfs.retryInterval'] * 1000
    const openFiles = this.#newOpenFiles()
    return {
      fileSystem: this.#fileSystem,
      clock,
      counters,
      pool: new Pool(get['hdfs.threadsPoolSize']),
      closer: new Closer(
        this.#fileSystem,
        { closeTries: Math.max(0, get['hdfs.closeTries']), retryIntervalMs },
        this.#context,
        openFiles,
      ),
      openFiles,
      settings: {
        rollIntervalMs: Math.max(0, get['hdfs.rollInterval']) * 1000,
        rollSizeBytes: Math.max(0, get['hdfs.rollSize']),
        rollCount: Math.max(0, get['hdfs.rollCount']),
        idleTimeoutMs: Math.max(0, get['hdfs.idleTimeout']) * 1000,
        inUsePrefix: get['hdfs.inUsePrefix'],
        inUseSuffix: get['hdfs.emptyInUseSuffix'] ? '' : get['hdfs.inUseSuffix'],
        fileSuffix: this.#serializers.fileSuffix,
        minBlockReplicas: get['hdfs.minBlockReplicas'],
      },
      newSerializer: this.#serializers.make,
      fileKeys: this.#serializers.fileKeys,
    }
  }
}

/** What the files of a sink are made with, and what is known of them. */
interface Serializers {
  make(): Promise<Serializer>
  fileKeys(batch: EventBatch): HeaderColumn | undefined
  readonly fileSuffix: string
  /** How a file ends after each batch, as far as that can be recognised. */
  readonly ending: Ending
}

async function newSerializers(options: HdfsOptions, context: SinkContext): Promise<Serializers> {
  const codec = codecOf(options)
  if (codec && 'problem' in codec) throw new FlumeError('UNSUPPORTED', codec.problem, { hint: codec.hint })
  const fileType = options['hdfs.fileType']
  const make = async (): Promise<Serializer> => {
    if (fileType === 'SequenceFile')
      return new SequenceSerializer(options['hdfs.writeFormat'], context.clock, context.random, codec)
    const serializer = await options.serializer.create(context)
    return codec ? new CompressedSerializer(serializer, codec) : serializer
  }
  const probe = await make()
  return {
    make,
    fileKeys: (batch) => probe.fileKeys?.(batch),
    // H-03: a suffix of one's own, else the codec's.
    fileSuffix: options['hdfs.fileSuffix'] || (codec?.extension ?? ''),
    ending: fileType === 'CompressedStream' && codec ? codec : await endingOf(probe, fileType),
  }
}

async function endingOf(probe: Serializer, fileType: HdfsOptions['hdfs.fileType']): Promise<Ending> {
  // Serializers that want to know the events' schema cannot be asked with one that has none.
  if (fileType === 'SequenceFile' || probe.begin().length > 0 || probe.end().length > 0 || probe.fileKeys) return 'any'
  const line = await probe.encode(EventBatch.of([{ body: 'x' }]))
  return line.at(-1) === 10 ? 'newline' : 'any'
}

/** Values of `%[localhost]`, `%[ip]` and `%[fqdn]`, looked up once, and only when they are used (H-17). */
async function thisMachine(names: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const localhost = hostname()
  if (names.length === 0) return {}
  const ip = await lookup(localhost).then(
    ({ address }) => address,
    () => '127.0.0.1',
  )
  if (!names.includes('fqdn')) return { localhost, ip }
  const fqdn = await lookupService(ip, 0).then(
    ({ hostname }) => hostname,
    () => localhost,
  )
  return { localhost, ip, fqdn }
}
