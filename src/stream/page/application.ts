import { userInfo } from 'node:os'
import { readJavaSearch } from '../../codec/java-regex.ts'
import type { SparkContext } from '../spark-context.ts'
import type { Application } from './figures.ts'

/** Spark's own, with what later versions added to it. */
const secretsDefault = '(?i)secret|password|passwd|token|access[.]key'
const redacted = '*********(redacted)'

/** What the page says of a context. Settings whose name or value matches `spark.redaction.regex` are not shown. */
export function applicationOf(context: SparkContext): Application {
  const conf = context.getConf()
  const secrets = readJavaSearch(conf.get('spark.redaction.regex', secretsDefault), false)
  // A pattern that cannot be read hides everything: nobody knows what it was meant to hide.
  const isSecret = (text: string): boolean => !('value' in secrets) || secrets.value.test(text)
  return {
    id: context.applicationId,
    name: context.appName,
    sparkVersion: context.version,
    sparkUser: conf.getOption('spark.user') ?? userName(),
    startTimeMs: context.startTime,
    settings: conf.getAll().map(([key, value]) => [key, isSecret(key) || isSecret(value) ? redacted : value]),
  }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // A container may run under a number that has no name.
    return 'unknown'
  }
}
