import { userInfo } from 'node:os'
import type { Clock } from '../../core/clock.ts'
import { FlumeError } from '../../core/error.ts'
import { clientTls } from '../tls/client.ts'
import { givenToken, TokenFile, type TokenSource } from './delegation-token.ts'
import type { FileSystem } from './file-system.ts'
import { type HadoopConfiguration, readHadoopConfiguration } from './hadoop-configuration.ts'
import { LocalFileSystem } from './local.ts'
import { NativeHdfs, type NativeHdfsOptions } from './native/native-hdfs.ts'
import type { RpcAddress } from './native/rpc-connection.ts'
import { type KerberosIdentity, KerberosNegotiator } from './spnego.ts'
import { WebHdfs } from './webhdfs.ts'

export interface FileSystemSettings {
  /** Addresses served from local folders: `hdfs://namenode:8020` → `./data/hdfs`. */
  readonly mounts: ReadonlyMap<string, string>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Longest time of one exchange with HDFS in milliseconds; 0 waits for ever. */
  readonly timeoutMs: number
  /** How `hdfs:` is spoken; its own protocol when left out, unless `webHdfsUrl` is given. */
  readonly client?: 'native' | 'webhdfs' | undefined
  /** A native write resolves only when it is on the data nodes' disks. */
  readonly sync?: boolean | undefined
  /** The name node's HTTP addresses, separated by commas; else Hadoop's configuration, else the usual ports. */
  readonly webHdfsUrl?: string | undefined
  /** Whose rights are used. */
  readonly proxyUser?: string | undefined
  /** As WebHDFS gives it out; instead of a file. WebHDFS only, as are the next two. */
  readonly delegationToken?: string | undefined
  /** Written by `hdfs fetchdt`; what HADOOP_TOKEN_FILE_LOCATION names when both are left out. */
  readonly delegationTokenFile?: string | undefined
  /** Whose ticket is shown to a server that asks; that of the user's cache when left out. */
  readonly kerberos?: KerberosIdentity | undefined
  /** `-Dkey=value`; for the trust store of `swebhdfs:`. */
  readonly properties?: ReadonlyMap<string, string> | undefined
}

export interface Location {
  readonly fileSystem: FileSystem
  /** What is left of the address: the absolute path inside the file system, as it was written. */
  readonly path: string
}

/** An address cut into scheme, authority and path; escape sequences in the path stay as they are. */
export function splitAddress(address: string): {
  readonly scheme: string
  readonly authority: string
  readonly path: string
} {
  const found = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/]*))?([\s\S]*)$/.exec(address)
  const [, scheme = '', authority = '', path = ''] = found ?? []
  return { scheme: scheme.toLowerCase(), authority, path }
}

export const fileSystemSchemes: readonly string[] = ['hdfs', 'webhdfs', 'swebhdfs', 'file']

/**
 * Finds the file system of an address: a mount first, then by scheme. Without a scheme it is Hadoop's default file system,
 * which is the local one unless `fs.defaultFS` says otherwise (H-26). Connects nowhere. Rejects USAGE for other schemes.
 */
export function openFileSystem(address: string, settings: FileSystemSettings): Location {
  const configuration = readHadoopConfiguration(settings.env)
  return open(address, settings, configuration)
}

function open(address: string, settings: FileSystemSettings, configuration: HadoopConfiguration): Location {
  const mounted = findMount(address, settings.mounts)
  if (mounted) return mounted
  const { scheme, authority, path } = splitAddress(address)
  if (scheme === '') {
    const byDefault = configuration.get('fs.defaultFS') ?? configuration.get('fs.default.name') ?? 'file:///'
    const base = byDefault.replace(/\/+$/, '')
    const isLocal = base === 'file:'
    // Relative paths begin where Hadoop's file systems begin: at the working directory, at the user's home.
    const home = isLocal ? process.cwd() : `/user/${userOf(settings)}`
    const absolute = path.startsWith('/') ? path : `${home}/${path}`
    return open(`${isLocal ? 'file://' : base}${absolute}`, settings, configuration)
  }
  if (scheme === 'file') {
    if (authority !== '' && authority !== 'localhost') {
      throw new FlumeError('USAGE', `${address}: a file: address names no host`, { hint: 'write file:///folder' })
    }
    return { fileSystem: new LocalFileSystem('/'), path }
  }
  if (!fileSystemSchemes.includes(scheme)) {
    throw new FlumeError('USAGE', `${address}: there is no file system for ${scheme}:`, {
      hint: `use ${fileSystemSchemes.join(', ')}`,
    })
  }
  const client = scheme !== 'hdfs' ? 'webhdfs' : (settings.client ?? (settings.webHdfsUrl ? 'webhdfs' : 'native'))
  if (client === 'native') return { fileSystem: openNative(authority, settings, configuration), path }
  const nameNodes = findNameNodes(scheme, authority, settings, configuration)
  const fileSystem = new WebHdfs({
    nameNodes,
    user: userOf(settings),
    doAs: settings.proxyUser,
    timeoutMs: settings.timeoutMs,
    clock: settings.clock,
    token: tokenOf(authority, nameNodes, settings),
    negotiator: new KerberosNegotiator(settings.kerberos ?? { principal: undefined, keytab: undefined }),
    tls: nameNodes.some((node) => node.startsWith('https:')) ? tlsOf(settings, configuration) : undefined,
    hint: `is it running? hdfs.webhdfs.url names another address, --mount ${scheme}://${authority}=./folder a local folder`,
  })
  return { fileSystem, path }
}

/** The delegation token of the settings, or of the environment; undefined without one. */
function tokenOf(
  authority: string,
  nameNodes: readonly string[],
  { delegationToken, delegationTokenFile, env }: FileSystemSettings,
): TokenSource | undefined {
  if (delegationToken !== undefined) return givenToken(delegationToken)
  const file = delegationTokenFile ?? (env.HADOOP_TOKEN_FILE_LOCATION || undefined)
  if (file === undefined) return undefined
  return new TokenFile(file, [...nameNodes.map((node) => new URL(node).host), authority, `ha-hdfs:${authority}`])
}

/**
 * Whom to trust: as Hadoop's ssl-client.xml says, else the trust store of the whole agent, else undefined for what Node
 * trusts. As in Hadoop a certificate must be for the name that is called, and the client's own is shown where
 * `dfs.client.https.need-auth` is true. Rejects USAGE for a store that cannot be read.
 */
function tlsOf({ env, properties = new Map() }: FileSystemSettings, configuration: HadoopConfiguration) {
  const get = (key: string): string | undefined => configuration.get(`ssl.client.${key}`) || undefined
  const needsAuth = configuration.get('dfs.client.https.need-auth')?.toLowerCase() === 'true'
  const truststore = get('truststore.location')
  const hasGlobal = properties.has('javax.net.ssl.trustStore') || env.FLUME_SSL_TRUSTSTORE_PATH !== undefined
  if (truststore === undefined && !hasGlobal && !needsAuth) return undefined
  return clientTls(
    {
      ssl: true,
      'trust-all-certs': false,
      'check-hostname': true,
      truststore,
      'truststore-password': get('truststore.password'),
      'truststore-type': get('truststore.type'),
      keystore: needsAuth ? get('keystore.location') : undefined,
      'keystore-password': get('keystore.password'),
      'keystore-type': get('keystore.type'),
      'include-protocols': undefined,
      'exclude-protocols': undefined,
      'include-cipher-suites': undefined,
      'exclude-cipher-suites': undefined,
    },
    { env, properties },
  )
}

function openNative(authority: string, settings: FileSystemSettings, configuration: HadoopConfiguration): NativeHdfs {
  return new NativeHdfs({
    ...nativeOptions(configuration),
    nameNodes: findNameNodePorts(authority, configuration),
    user: userOf(settings),
    proxyUser: settings.proxyUser,
    timeoutMs: settings.timeoutMs,
    clock: settings.clock,
    sync: settings.sync,
    hint: `is it running? a webhdfs:// address or hdfs.client = webhdfs goes by HTTP, --mount hdfs://${authority}=./folder takes a local folder`,
  })
}

/** RPC addresses of `hdfs://AUTHORITY` to try, in order. */
export function findNameNodePorts(authority: string, configuration: HadoopConfiguration): readonly RpcAddress[] {
  const key = 'dfs.namenode.rpc-address'
  const byDefault = splitAddress(configuration.get('fs.defaultFS') ?? '').authority
  const target = authority || byDefault
  if (target === '') throw noHost('hdfs')
  if (words(configuration.get('dfs.nameservices')).includes(target)) {
    const nodes = words(configuration.get(`dfs.ha.namenodes.${target}`))
    const suffixes = nodes.length > 0 ? nodes.map((node) => `.${target}.${node}`) : [`.${target}`]
    const known = suffixes.flatMap((suffix) => configuration.get(`${key}${suffix}`) ?? [])
    if (known.length > 0) return known.map(rpcAddress)
    throw new FlumeError('USAGE', `Hadoop's configuration has no ${key}${suffixes[0]}`, {
      hint: 'set it, or name the host in the address: hdfs://namenode:8020/path',
    })
  }
  const named = rpcAddress(target)
  const configured = configuration.get(key)
  if (!configured || target !== byDefault) return [named]
  // Hadoop's files speak of this very cluster: where its name node takes clients, and then the address as Java takes it.
  const other = rpcAddress(configured)
  const isOther =
    other.host !== '0.0.0.0' && other.host !== '' && (other.host !== named.host || other.port !== named.port)
  return isOther ? [other, named] : [named]
}

function rpcAddress(address: string): RpcAddress {
  const port = /:(\d+)$/.exec(address)?.[1]
  return { host: hostOf(address).replace(/^\[(.*)\]$/, '$1'), port: port === undefined ? 8020 : Number(port) }
}

/** What a Hadoop client's configuration says about files; left out where it says nothing. Rejects USAGE for what is no number. */
export function nativeOptions(
  configuration: HadoopConfiguration,
): Pick<NativeHdfsOptions, 'replication' | 'blockSizeBytes' | 'umask' | 'checksum' | 'packetBytes' | 'useHostNames'> {
  const number = (key: string): number | undefined => {
    const value = configuration.get(key)
    if (value === undefined || value === '') return undefined
    const [, digits, unit = ''] = /^(\d+)([kmgt]?)$/i.exec(value) ?? []
    if (digits === undefined)
      throw new FlumeError('USAGE', `Hadoop's configuration: ${key} is ${JSON.stringify(value)}, not a number`)
    return Number(digits) * 1024 ** ' kmgt'.indexOf(unit.toLowerCase() || ' ')
  }
  const type = (configuration.get('dfs.checksum.type') ?? 'CRC32C').toUpperCase()
  if (type !== 'CRC32C') {
    throw new FlumeError('USAGE', `Hadoop's configuration: dfs.checksum.type ${type} is not supported`, {
      hint: 'use CRC32C, or hdfs.client = webhdfs',
    })
  }
  const umask = configuration.get('fs.permissions.umask-mode')
  if (umask !== undefined && !/^[0-7]{1,4}$/.test(umask)) {
    throw new FlumeError('USAGE', `Hadoop's configuration: fs.permissions.umask-mode ${umask} is not supported`, {
      hint: 'write it in octal, such as 022',
    })
  }
  return {
    replication: number('dfs.replication'),
    blockSizeBytes: number('dfs.blocksize') ?? number('dfs.block.size'),
    umask: umask === undefined ? undefined : Number.parseInt(umask, 8),
    checksum: { type: 2, chunkBytes: number('dfs.bytes-per-checksum') ?? 512 },
    packetBytes: number('dfs.client-write-packet-size'),
    useHostNames: configuration.get('dfs.client.use.datanode.hostname') === 'true',
  }
}

function noHost(scheme: string): FlumeError {
  return new FlumeError('USAGE', `${scheme}:/// names no host, and Hadoop's configuration has no fs.defaultFS`, {
    hint: `write ${scheme}://namenode:8020/path, or set HADOOP_CONF_DIR`,
  })
}

function userOf({ env }: FileSystemSettings): string {
  return env.HADOOP_USER_NAME || loginName()
}

/** Whoever runs us; a container's user may have no name. */
function loginName(): string {
  try {
    return userInfo().username
  } catch {
    return 'flume'
  }
}

/** The mount with the longest address that the given one begins with. */
function findMount(address: string, mounts: ReadonlyMap<string, string>): Location | undefined {
  const bases = [...mounts.keys()].sort((a, b) => b.length - a.length)
  for (const mount of bases) {
    const base = mount.replace(/\/+$/, '')
    if (address !== base && !address.startsWith(`${base}/`)) continue
    return { fileSystem: new LocalFileSystem(mounts.get(mount) as string), path: address.slice(base.length) || '/' }
  }
  return undefined
}

/** HTTP base addresses to try, in order. */
export function findNameNodes(
  scheme: string,
  authority: string,
  settings: Pick<FileSystemSettings, 'webHdfsUrl'>,
  configuration: HadoopConfiguration,
): readonly string[] {
  if (settings.webHdfsUrl) {
    return settings.webHdfsUrl
      .split(',')
      .map((url) => url.trim())
      .filter((url) => url !== '')
      .map((url) => (/^https?:\/\//.test(url) ? url : `http://${url}`))
  }
  const secure = scheme === 'swebhdfs' || (scheme === 'hdfs' && configuration.get('dfs.http.policy') === 'HTTPS_ONLY')
  const protocol = secure ? 'https' : 'http'
  const key = secure ? 'dfs.namenode.https-address' : 'dfs.namenode.http-address'
  const fallbackHost = splitAddress(configuration.get('fs.defaultFS') ?? '').authority
  const target = authority || fallbackHost
  if (target === '') throw noHost(scheme)
  const services = words(configuration.get('dfs.nameservices'))
  if (services.includes(target)) {
    const nodes = words(configuration.get(`dfs.ha.namenodes.${target}`))
    const suffixes = nodes.length > 0 ? nodes.map((node) => `.${target}.${node}`) : [`.${target}`]
    const addresses = suffixes.map((suffix) => configuration.get(`${key}${suffix}`))
    const known = addresses.filter((address) => address !== undefined)
    if (known.length > 0) return known.map((address) => `${protocol}://${address}`)
    throw new FlumeError('USAGE', `Hadoop's configuration has no ${key}${suffixes[0]}`, {
      hint: 'set it, or hdfs.webhdfs.url',
    })
  }
  const host = hostOf(target)
  if (scheme !== 'hdfs' && /:\d+$/.test(target)) return [`${protocol}://${target}`]
  const configured = configuration.get(key)
  if (configured) {
    const configuredHost = hostOf(configured)
    // Hadoop's files may speak of another cluster than the address does.
    if (configuredHost === host || hostOf(fallbackHost) === host) {
      const anywhere = configuredHost === '0.0.0.0' || configuredHost === ''
      return [`${protocol}://${anywhere ? `${host}${configured.slice(configured.lastIndexOf(':'))}` : configured}`]
    }
  }
  // Hadoop 3 first, then Hadoop 2.
  const ports = secure ? [9871, 50470] : [9870, 50070]
  return ports.map((port) => `${protocol}://${host}:${port}`)
}

function hostOf(authority: string): string {
  return authority.replace(/:\d+$/, '')
}

function words(value: string | undefined): string[] {
  return (value ?? '').split(/[\s,]+/).filter((word) => word !== '')
}
