import { userInfo } from 'node:os'
import type { Clock } from '../../core/clock.ts'
import { FlumeError } from '../../core/error.ts'
import type { FileSystem } from './file-system.ts'
import { type HadoopConfiguration, readHadoopConfiguration } from './hadoop-configuration.ts'
import { LocalFileSystem } from './local.ts'
import { WebHdfs } from './webhdfs.ts'

export interface FileSystemSettings {
  /** Addresses served from local folders: `hdfs://namenode:8020` → `./data/hdfs`. */
  readonly mounts: ReadonlyMap<string, string>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Longest time of one exchange with HDFS in milliseconds; 0 waits for ever. */
  readonly timeoutMs: number
  /** The name node's HTTP addresses, separated by commas; else Hadoop's configuration, else the usual ports. */
  readonly webHdfsUrl?: string | undefined
  /** Whose rights are used. */
  readonly proxyUser?: string | undefined
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
  const nameNodes = findNameNodes(scheme, authority, settings, configuration)
  const fileSystem = new WebHdfs({
    nameNodes,
    user: userOf(settings),
    doAs: settings.proxyUser,
    timeoutMs: settings.timeoutMs,
    clock: settings.clock,
    hint: `is it running? hdfs.webhdfs.url names another address, --mount ${scheme}://${authority}=./folder a local folder`,
  })
  return { fileSystem, path }
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
  if (target === '') {
    throw new FlumeError('USAGE', `${scheme}:/// names no host, and Hadoop's configuration has no fs.defaultFS`, {
      hint: `write ${scheme}://namenode:8020/path, or set HADOOP_CONF_DIR`,
    })
  }
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
