import { RunningProcess } from './running-process.ts'

const writerNames = new URL('../../src/net/hdfs/native/writer-name.js', import.meta.url).href

/** A process of its own that holds files under the name that it has printed, until it is killed. */
export async function startWriter(): Promise<{ readonly name: string; readonly process: RunningProcess }> {
  const program = `import { newWriterName } from ${JSON.stringify(writerNames)}
    console.log('I am', newWriterName())
    process.stdin.resume()`
  const process_ = new RunningProcess('writer', process.execPath, ['--input-type=module', '-e', program])
  const [, name] = await process_.waitFor(/I am (\S+)/)
  return { name: name as string, process: process_ }
}

/** The name of a writer whose process was killed. */
export async function endedWriter(): Promise<string> {
  const { name, process } = await startWriter()
  await process.kill()
  return name
}
