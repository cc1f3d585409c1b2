import { FlumeError } from '../core/error.ts'

/** Reads `--mount URL=PATH`: an address that is served from a local folder. Throws USAGE. */
export function mountOf(mount: string): readonly [string, string] {
  // The address may hold = in a query, a folder hardly ever does.
  const equals = mount.lastIndexOf('=')
  const url = mount.slice(0, equals)
  const path = mount.slice(equals + 1)
  if (equals < 0 || path === '' || !/^[a-z][a-z0-9+.-]*:\/\//i.test(url)) {
    throw new FlumeError('USAGE', `--mount ${mount} is not URL=PATH`, {
      hint: 'such as --mount hdfs://namenode:8020=./data/hdfs',
    })
  }
  return [url.replace(/\/+$/, ''), path]
}
