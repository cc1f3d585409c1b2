import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What Hadoop's own configuration files say, as far as finding a name node and trusting it needs it. */
export type HadoopConfiguration = ReadonlyMap<string, string>

/** Reads `core-site.xml`, `hdfs-site.xml` and `ssl-client.xml` from HADOOP_CONF_DIR, or from HADOOP_HOME's etc/hadoop; empty without them. */
export function readHadoopConfiguration(env: Readonly<Record<string, string | undefined>>): HadoopConfiguration {
  const folder = env.HADOOP_CONF_DIR || (env.HADOOP_HOME ? join(env.HADOOP_HOME, 'etc/hadoop') : undefined)
  const values = new Map<string, string>()
  if (!folder) return values
  for (const name of ['core-site.xml', 'hdfs-site.xml', 'ssl-client.xml']) {
    const file = join(folder, name)
    if (!existsSync(file)) continue
    for (const [key, value] of parseHadoopXml(readFileSync(file, 'utf8'))) values.set(key, value)
  }
  for (const [key, value] of values) values.set(key, substitute(value, values, 20))
  return values
}

/** The `<property>` pairs of a Hadoop configuration file. */
export function parseHadoopXml(xml: string): Map<string, string> {
  const values = new Map<string, string>()
  const plain = xml.replaceAll(/<!--[\s\S]*?-->/g, '')
  for (const [, property = ''] of plain.matchAll(/<property>([\s\S]*?)<\/property>/g)) {
    const name = element(property, 'name')
    const value = element(property, 'value')
    if (name !== undefined && value !== undefined) values.set(name, value)
  }
  return values
}

function element(xml: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([\\s\\S]*?)</${name}>`).exec(xml)
  return found?.[1]?.trim().replaceAll(/&(lt|gt|amp|quot|apos);/g, (_, word: string) => entities[word] as string)
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** `${name}` stands for another property; Hadoop looks 20 times and leaves the rest as it is. */
function substitute(value: string, values: ReadonlyMap<string, string>, depth: number): string {
  if (depth === 0) return value
  const next = value.replaceAll(/\$\{([^{}]+)\}/g, (whole, name: string) => values.get(name) ?? whole)
  return next === value ? value : substitute(next, values, depth - 1)
}
