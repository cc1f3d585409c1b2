import { FlumeError } from '../core/error.ts'
import { didYouMean } from '../spec/nearest.ts'
import type { Verb } from './verb.ts'

const tools = ['fcintegritytool']

/** `flume-ts tool NAME` (L-12). There is no file channel yet, so there is nothing its tool could check. */
export const tool: Verb = async ([name, ...rest], { stdout }) => {
  if (name === undefined || name === '--help' || name === '-h') {
    stdout.write(
      'usage: flume-ts tool NAME …\n\n  fcintegritytool -l DIRS      checks data folders of a file channel; not there yet\n',
    )
    return name === undefined ? 2 : 0
  }
  if (!tools.includes(name.toLowerCase())) {
    const hint = didYouMean(name, tools) ?? `there is ${tools.join(', ')}`
    throw new FlumeError('USAGE', `there is no tool "${name}"`, { hint })
  }
  throw new FlumeError('UNSUPPORTED', `${name}: the file channel is not there yet, and nothing was checked`, {
    hint:
      rest.length > 0
        ? "check Flume's own data folders with Flume's own tool"
        : 'flume-ts list channel lists the channels there are',
  })
}
