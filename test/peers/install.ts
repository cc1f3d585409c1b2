// Brings the real Flume, Spark and Hadoop onto this machine, with Maven, into a folder of their own.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type PeerName =
  | 'flume-1.9'
  | 'flume-1.11'
  | 'flume-1.11-kafka'
  | 'spark-2.4'
  | 'spark-3.5'
  | 'spark-sql-3.5'
  | 'hadoop-3.2'
  | 'hadoop-3.2-secure'
  | 'hadoop-3.3'
  | 'hadoop-3.3-cluster'
  | 'kafka-3.9'

interface Recipe {
  /** `group:artifact:version`. What stands here wins over what these bring along, as Maven's nearest definition does. */
  readonly artifacts: readonly string[]
  /** Taken without what they bring along: a part of each is wanted that does not need it. */
  readonly alone?: readonly string[]
  /** Artifacts of the tree that must stay away from the class path. */
  readonly without?: readonly string[]
  /** ASM 9 under the package name that Spark 2.4 looks for. */
  readonly asm6?: boolean
  /** Our own small programs, compiled against it. */
  readonly programs?: readonly string[]
}

const flume = 'org.apache.flume'

const recipes: Readonly<Record<PeerName, Recipe>> = {
  'flume-1.9': {
    artifacts: [
      `${flume}:flume-ng-node:1.9.0`,
      `${flume}.flume-ng-channels:flume-file-channel:1.9.0`,
      `${flume}.flume-ng-sinks:flume-hdfs-sink:1.9.0`,
      `${flume}.flume-ng-sources:flume-taildir-source:1.9.0`,
      'org.apache.hadoop:hadoop-client:3.2.1',
      'org.apache.spark:spark-streaming-flume-sink_2.11:2.4.7',
      'org.slf4j:slf4j-log4j12:1.7.25',
      // Hadoop 3.2 needs a newer Guava than Flume 1.9 brings, Spark's sink needs Avro 1.8.
      'com.google.guava:guava:27.0-jre',
      'org.apache.avro:avro:1.8.2',
      'org.apache.avro:avro-ipc:1.8.2',
      'org.codehaus.jackson:jackson-core-asl:1.9.13',
      'org.codehaus.jackson:jackson-mapper-asl:1.9.13',
    ],
    // The interceptor that makes identifiers, and blobs, are in the one, the other is a source.
    alone: [
      `${flume}.flume-ng-sinks:flume-ng-morphline-solr-sink:1.9.0`,
      `${flume}.flume-ng-sources:flume-scribe-source:1.9.0`,
    ],
    // Of a time before Jetty's error pages, which ask it for the status.
    without: ['servlet-api'],
    programs: ['FileChannelDriver'],
  },
  'flume-1.11': {
    artifacts: [
      `${flume}:flume-ng-node:1.11.0`,
      `${flume}.flume-ng-channels:flume-file-channel:1.11.0`,
      `${flume}.flume-ng-channels:flume-spillable-memory-channel:1.11.0`,
      `${flume}.flume-ng-sinks:flume-hdfs-sink:1.11.0`,
      `${flume}.flume-ng-sinks:flume-http-sink:1.11.0`,
      `${flume}.flume-ng-sources:flume-taildir-source:1.11.0`,
      `${flume}:flume-ng-environment-variable-config-filter:1.11.0`,
      `${flume}:flume-ng-external-process-config-filter:1.11.0`,
      'org.apache.hadoop:hadoop-client:3.3.6',
      'org.slf4j:slf4j-reload4j:1.7.36',
    ],
    programs: ['ConfigOutcomes', 'FileChannelDriver'],
  },
  // Apart from the other: Kafka's client brings a good deal along.
  'flume-1.11-kafka': {
    artifacts: [
      `${flume}:flume-ng-node:1.11.0`,
      `${flume}.flume-ng-sources:flume-kafka-source:1.11.0`,
      `${flume}.flume-ng-channels:flume-kafka-channel:1.11.0`,
      `${flume}.flume-ng-sinks:flume-ng-kafka-sink:1.11.0`,
      'org.slf4j:slf4j-reload4j:1.7.36',
    ],
  },
  'kafka-3.9': {
    artifacts: ['org.apache.kafka:kafka_2.13:3.9.1', 'org.slf4j:slf4j-reload4j:1.7.36'],
    programs: ['MiniKafka'],
  },
  'spark-2.4': {
    artifacts: [
      'org.apache.spark:spark-streaming_2.11:2.4.7',
      'org.apache.spark:spark-streaming-flume_2.11:2.4.7',
      'org.apache.spark:spark-streaming-flume-sink_2.11:2.4.7',
      'org.apache.avro:avro-ipc:1.8.2',
    ],
    // Spark 2.4 reads class files with ASM 6, which stops at Java 10.
    without: ['xbean-asm6-shaded'],
    asm6: true,
    programs: ['SparkFlumeReceiver', 'StreamJobs'],
  },
  'spark-3.5': {
    artifacts: ['org.apache.spark:spark-streaming_2.13:3.5.6'],
    programs: ['StreamJobs', 'StreamLoad'],
  },
  'spark-sql-3.5': {
    artifacts: ['org.apache.spark:spark-sql_2.13:3.5.6'],
    programs: ['SavedFiles'],
  },
  'hadoop-3.2': {
    // The annotations and activation packages left the JDK with Java 11.
    artifacts: ['org.apache.hadoop:hadoop-minicluster:3.2.1', 'com.sun.activation:javax.activation:1.2.0'],
    programs: ['MiniHdfs'],
  },
  'hadoop-3.2-secure': {
    artifacts: [
      'org.apache.hadoop:hadoop-minicluster:3.2.1',
      'org.apache.hadoop:hadoop-minikdc:3.2.1',
      'com.sun.activation:javax.activation:1.2.0',
    ],
    programs: ['SecureHdfs'],
  },
  'hadoop-3.3-cluster': {
    // Its mini cluster is built with Mockito, and does not bring it along.
    artifacts: [
      'org.apache.hadoop:hadoop-minicluster:3.3.6',
      'com.sun.activation:javax.activation:1.2.0',
      'org.mockito:mockito-core:2.28.2',
    ],
    programs: ['MiniHdfs'],
  },
  // Its Snappy and LZ4 need no native library, unlike those of 3.2.
  'hadoop-3.3': {
    artifacts: [
      'org.apache.hadoop:hadoop-client:3.3.6',
      'org.apache.avro:avro:1.11.0',
      'org.apache.commons:commons-compress:1.21',
      'org.xerial.snappy:snappy-java:1.1.8.4',
      'org.lz4:lz4-java:1.8.0',
      'com.github.luben:zstd-jni:1.5.0-4',
    ],
    programs: ['FormatFiles'],
  },
}

/** Where the Java sources and the log configuration lie; not compiled, so outside dist. */
export const javaFolder = fileURLToPath(new URL('../../../test/peers/java', import.meta.url))

/** Where the peers are kept: `$FLUME_TS_PEERS`, or a folder in the user's cache. */
export const peersHome = process.env['FLUME_TS_PEERS'] ?? join(homedir(), '.cache', 'flume-ts-peers')

/** What this machine lacks to run the peers, or undefined when it has a JDK (8 or newer) and Maven. */
export function missingTools(): string | undefined {
  const missing = [
    ['java', '-version'],
    ['javac', '-version'],
    ['mvn', '-version'],
  ].filter(
    ([command, argument]) => spawnSync(command as string, [argument as string], { stdio: 'ignore' }).status !== 0,
  )
  return missing.length === 0 ? undefined : missing.map(([command]) => command).join(', ')
}

const installing = new Map<PeerName, Promise<string>>()

/** Installs a peer unless it is there, and resolves to its class path. Rejects with Maven's own words when that fails. */
export function install(name: PeerName): Promise<string> {
  let result = installing.get(name)
  if (!result) installing.set(name, (result = installOnce(name)))
  return result
}

async function installOnce(name: PeerName): Promise<string> {
  const recipe = recipes[name]
  const folder = join(peersHome, `${name}-${recipeHash(recipe)}`)
  const classPath = `${join(folder, 'classes')}:${join(folder, 'lib')}/*`
  if (existsSync(folder)) return classPath

  await mkdir(peersHome, { recursive: true })
  // Built beside its place and renamed into it: what stands there is always whole, and two installers do no harm.
  const building = await mkdtemp(join(peersHome, `.${name}-`))
  try {
    console.error(`peers: installing ${name} with Maven`)
    await mkdir(join(building, 'classes'), { recursive: true })
    await writeFile(join(building, 'pom.xml'), pom(name, recipe.artifacts, recipe.alone))
    await run(
      'mvn',
      ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib', ...without(recipe)],
      building,
    )
    if (recipe.asm6) await addAsm6(building)
    const sources = programs(recipe).map((program) => join(javaFolder, `${program}.java`))
    await run('javac', ['--release', '8', '-nowarn', '-cp', 'lib/*', '-d', 'classes', ...sources], building)
    // Hadoop's shell insists on finding one.
    await writeFile(join(building, 'classes', 'core-site.xml'), '<configuration/>\n')
    await rename(building, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(building, { recursive: true, force: true })
  }
  return classPath
}

/** Changes with the recipe and with our programs, so that an older installation is not taken for this one. */
function recipeHash(recipe: Recipe): string {
  const hash = createHash('sha256').update(JSON.stringify(recipe))
  for (const program of programs(recipe)) hash.update(readFileSync(join(javaFolder, `${program}.java`)))
  return hash.digest('hex').slice(0, 10)
}

function programs(recipe: Recipe): string[] {
  return ['Tethered', ...(recipe.programs ?? [])]
}

function without({ without = [] }: Recipe): string[] {
  return without.length === 0 ? [] : [`-DexcludeArtifactIds=${without.join(',')}`]
}

function pom(
  name: string,
  artifacts: readonly string[],
  alone: readonly string[] = [],
  packaging = 'pom',
  build = '',
): string {
  const nothing = '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>'
  const dependencies = [...artifacts, ...alone].map((artifact) => {
    const [group, id, version] = artifact.split(':')
    const exclusions = alone.includes(artifact) ? nothing : ''
    return `<dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${version}</version>${exclusions}</dependency>`
  })
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>',
    `<groupId>peers</groupId><artifactId>${name}</artifactId><version>1</version><packaging>${packaging}</packaging>`,
    `<dependencies>${dependencies.join('')}</dependencies>${build}</project>`,
  ].join('\n')
}

async function addAsm6(building: string): Promise<void> {
  const folder = join(building, 'asm6')
  await mkdir(folder)
  const relocation =
    '<relocation><pattern>org.objectweb.asm</pattern><shadedPattern>org.apache.xbean.asm6</shadedPattern></relocation>'
  const build = [
    '<build><plugins><plugin><groupId>org.apache.maven.plugins</groupId><artifactId>maven-shade-plugin</artifactId>',
    '<version>3.5.3</version><executions><execution><phase>package</phase><goals><goal>shade</goal></goals>',
    `<configuration><relocations>${relocation}</relocations></configuration></execution></executions></plugin></plugins></build>`,
  ].join('')
  const asm = ['org.ow2.asm:asm-tree:9.7', 'org.ow2.asm:asm-commons:9.7']
  await writeFile(join(folder, 'pom.xml'), pom('asm6', asm, [], 'jar', build))
  await run('mvn', ['-q', '-B', 'package'], folder)
  await rename(join(folder, 'target', 'asm6-1.jar'), join(building, 'lib', 'asm6.jar'))
}

/** Runs a command to its end; rejects with what it printed. */
function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-8_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output}`))
    })
  })
}
