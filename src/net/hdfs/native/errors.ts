import type { RpcRemoteError } from '../../../codec/hdfs/rpc.ts'
import { FileSystemError, type FileSystemReason } from '../file-system.ts'

const reasons: Readonly<Record<string, FileSystemReason>> = {
  FileNotFoundException: 'missing',
  PathIsNotEmptyDirectoryException: 'other',
  FileAlreadyExistsException: 'exists',
  AlreadyBeingCreatedException: 'leased',
  RecoveryInProgressException: 'leased',
  StandbyException: 'unreachable',
  RetriableException: 'unreachable',
  SafeModeException: 'unreachable',
  AccessControlException: 'denied',
  AuthorizationException: 'denied',
}

/** What the name node threw, with the Java class's last part. */
export class NameNodeError extends FileSystemError {
  readonly exception: string

  constructor(reason: FileSystemReason, message: string, exception: string, hint: string | undefined) {
    // A call that ends in an exception has changed nothing at the name node.
    super(reason, message, { untouched: true, hint })
    this.exception = exception
  }
}

/** True when the name node threw this class. */
export function isException(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof NameNodeError && names.includes(error.exception)
}

/** The last part of a Java class name. */
export function simpleName(exception: string): string {
  return exception.slice(exception.lastIndexOf('.') + 1).replace(/^.*\$/, '')
}

/** The name node's exception as what callers act on (by class; the message is for people). */
export function failureOf(remote: RpcRemoteError, what: string): FileSystemError {
  const name = simpleName(remote.exception)
  const reason = reasons[name] ?? 'other'
  if (name === 'AccessControlException' && /SIMPLE authentication is not enabled/.test(remote.text)) {
    return new FileSystemError(
      'denied',
      'this cluster is secured with Kerberos, which HDFS’s own protocol is not spoken with here',
      {
        untouched: true,
        hint: 'use hdfs.client = webhdfs, with a Kerberos ticket or a delegation token',
      },
    )
  }
  if (name === 'UnknownCryptoProtocolVersionException') return encryptionZone(what)
  const hint = reason === 'denied' ? 'give the user the right, or set HADOOP_USER_NAME or hdfs.proxyUser' : undefined
  return new NameNodeError(reason, `${what}: ${name}: ${remote.message}`, name, hint)
}

export function encryptionZone(what: string): FileSystemError {
  return new FileSystemError('denied', `${what}: this lies in an encryption zone, which is not supported`, {
    untouched: true,
    hint: 'use another directory, or hdfs.client = webhdfs, where the cluster encrypts',
  })
}

export function erasureCoded(what: string): FileSystemError {
  return new FileSystemError('denied', `${what}: the file is erasure-coded, and takes no more bytes`, {
    untouched: true,
    hint: 'write a new file; those are replicated',
  })
}

export function encryptedTransfer(): FileSystemError {
  return new FileSystemError(
    'denied',
    'this cluster encrypts data transfer (dfs.encrypt.data.transfer), which is not supported',
    {
      untouched: true,
      hint: 'use hdfs.client = webhdfs, or a swebhdfs:// address',
    },
  )
}
