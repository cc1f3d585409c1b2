import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { components } from '../../src/agent/components.ts'
import { TypeIndex } from '../../src/agent/config/type-index.ts'
import type { ComponentKind } from '../../src/agent/contract.ts'
import { formatFinding } from '../../src/spec/finding.ts'
import { loadText } from '../support/configurations.ts'

type Row = readonly [kind: ComponentKind, alias: string | undefined, className: string]

const flume = 'org.apache.flume'

/** Every component of Flume 1.9 and 1.11, and Spark's sink, that is here under Flume's alias and class name. */
const here: readonly Row[] = [
  ['source', 'avro', `${flume}.source.AvroSource`],
  ['source', 'thrift', `${flume}.source.ThriftSource`],
  ['source', 'exec', `${flume}.source.ExecSource`],
  ['source', 'spooldir', `${flume}.source.SpoolDirectorySource`],
  ['source', 'taildir', `${flume}.source.taildir.TaildirSource`],
  ['source', 'netcat', `${flume}.source.NetcatSource`],
  ['source', 'netcatudp', `${flume}.source.NetcatUdpSource`],
  ['source', 'seq', `${flume}.source.SequenceGeneratorSource`],
  ['source', 'syslogtcp', `${flume}.source.SyslogTcpSource`],
  ['source', 'multiport_syslogtcp', `${flume}.source.MultiportSyslogTCPSource`],
  ['source', 'syslogudp', `${flume}.source.SyslogUDPSource`],
  ['source', 'http', `${flume}.source.http.HTTPSource`],
  ['source', undefined, `${flume}.source.kafka.KafkaSource`],
  ['source', undefined, `${flume}.source.StressSource`],
  ['source', undefined, `${flume}.source.scribe.ScribeSource`],
  ['channel', 'memory', `${flume}.channel.MemoryChannel`],
  ['channel', 'file', `${flume}.channel.file.FileChannel`],
  ['channel', 'spillablememory', `${flume}.channel.SpillableMemoryChannel`],
  ['channel', undefined, `${flume}.channel.kafka.KafkaChannel`],
  ['sink', 'null', `${flume}.sink.NullSink`],
  ['sink', 'logger', `${flume}.sink.LoggerSink`],
  ['sink', 'file_roll', `${flume}.sink.RollingFileSink`],
  ['sink', 'avro', `${flume}.sink.AvroSink`],
  ['sink', 'thrift', `${flume}.sink.ThriftSink`],
  ['sink', 'hdfs', `${flume}.sink.hdfs.HDFSEventSink`],
  ['sink', 'http', `${flume}.sink.http.HttpSink`],
  ['sink', undefined, `${flume}.sink.kafka.KafkaSink`],
  ['sink', undefined, 'org.apache.spark.streaming.flume.sink.SparkSink'],
  ['selector', 'replicating', `${flume}.channel.ReplicatingChannelSelector`],
  ['selector', 'multiplexing', `${flume}.channel.MultiplexingChannelSelector`],
  ['selector', 'load_balancing', `${flume}.channel.LoadBalancingChannelSelector`],
  ['sink processor', 'default', `${flume}.sink.DefaultSinkProcessor`],
  ['sink processor', 'failover', `${flume}.sink.FailoverSinkProcessor`],
  ['sink processor', 'load_balance', `${flume}.sink.LoadBalancingSinkProcessor`],
  ['interceptor', 'timestamp', `${flume}.interceptor.TimestampInterceptor$Builder`],
  ['interceptor', 'host', `${flume}.interceptor.HostInterceptor$Builder`],
  ['interceptor', 'static', `${flume}.interceptor.StaticInterceptor$Builder`],
  ['interceptor', 'regex_filter', `${flume}.interceptor.RegexFilteringInterceptor$Builder`],
  ['interceptor', 'regex_extractor', `${flume}.interceptor.RegexExtractorInterceptor$Builder`],
  ['interceptor', 'remove_header', `${flume}.interceptor.RemoveHeaderInterceptor$Builder`],
  ['interceptor', 'search_replace', `${flume}.interceptor.SearchAndReplaceInterceptor$Builder`],
  ['interceptor', undefined, `${flume}.sink.solr.morphline.UUIDInterceptor$Builder`],
  ['serializer', 'text', `${flume}.serialization.BodyTextEventSerializer$Builder`],
  ['serializer', 'header_and_text', `${flume}.serialization.HeaderAndBodyTextEventSerializer$Builder`],
  ['serializer', 'avro_event', `${flume}.serialization.FlumeEventAvroEventSerializer$Builder`],
  ['serializer', undefined, `${flume}.sink.hdfs.AvroEventSerializer$Builder`],
  ['deserializer', 'line', `${flume}.serialization.LineDeserializer$Builder`],
  ['deserializer', 'avro', `${flume}.serialization.AvroEventDeserializer$Builder`],
  ['deserializer', undefined, `${flume}.sink.solr.morphline.BlobDeserializer$Builder`],
  ['config filter', 'env', `${flume}.configfilter.EnvironmentVariableConfigFilter`],
  ['config filter', 'external', `${flume}.configfilter.ExternalProcessConfigFilter`],
]

/** Those that are not, and what the error says to use instead. */
const elsewhere: readonly (readonly [...Row, instead: RegExp])[] = [
  ['source', 'jms', `${flume}.source.jms.JMSSource`, /KafkaSource/],
  ['source', undefined, `${flume}.source.twitter.TwitterSource`, /is gone.*module of your own/],
  ['source', undefined, `${flume}.source.avroLegacy.AvroLegacySource`, /avro source/],
  ['source', undefined, `${flume}.source.thriftLegacy.ThriftLegacySource`, /avro source/],
  ['channel', 'jdbc', `${flume}.channel.jdbc.JdbcChannel`, /file channel/],
  ['channel', undefined, `${flume}.channel.PseudoTxnMemoryChannel`, /memory channel/],
  ['sink', 'hive', `${flume}.sink.hive.HiveSink`, /hdfs sink.*external table/],
  ['sink', 'hbase', `${flume}.sink.hbase.HBaseSink`, /KafkaSink.*hdfs sink/],
  ['sink', 'asynchbase', `${flume}.sink.hbase.AsyncHBaseSink`, /KafkaSink.*hdfs sink/],
  ['sink', 'hbase2', `${flume}.sink.hbase2.HBase2Sink`, /KafkaSink.*hdfs sink/],
  ['sink', 'irc', `${flume}.sink.irc.IRCSink`, /module of your own/],
  ['sink', 'morphline_solr', `${flume}.sink.solr.morphline.MorphlineSolrSink`, /KafkaSink/],
  ['sink', 'elasticsearch', `${flume}.sink.elasticsearch.ElasticSearchSink`, /KafkaSink.*http sink/],
  ['sink', undefined, `${flume}.sink.kite.DatasetSink`, /hdfs sink/],
  ['sink', undefined, `${flume}.sink.kudu.KuduSink`, /hdfs sink.*KafkaSink/],
  ['interceptor', undefined, `${flume}.sink.solr.morphline.MorphlineInterceptor$Builder`, /regex_extractor/],
  ['config filter', 'hadoop', `${flume}.configfilter.HadoopCredentialStoreConfigFilter`, /file.*external/],
]

const index = new TypeIndex(components)

describe("Flume's components that are here", () => {
  for (const [kind, alias, className] of here) {
    it(`${kind} ${alias ?? className}: alias in any case, class name, and bare class name are one`, () => {
      const spec = index.find(kind, className)
      assert.ok(spec, `${className} is not there`)
      if (alias) {
        assert.equal(index.find(kind, alias), spec)
        assert.equal(index.find(kind, alias.toUpperCase()), spec)
      }
      if (className.endsWith('$Builder')) assert.equal(index.find(kind, className.slice(0, -8)), spec)
    })
  }
})

describe("Flume's components that are not here", () => {
  for (const [kind, alias, className, instead] of elsewhere) {
    it(`${kind} ${alias ?? className} is an error that says what serves instead`, async () => {
      for (const type of alias ? [alias, className] : [className]) {
        assert.equal(index.find(kind, type), undefined)
        const loaded = await loadText(agentWith(kind, type), { components })
        assert.equal(loaded.model, undefined)
        const said = loaded.findings.filter(({ code }) => code === 'unknown-type').map(formatFinding)
        assert.equal(said.length, 1, loaded.findings.map(formatFinding).join('\n'))
        assert.match(said[0] as string, instead)
      }
    })
  }

  it('all of them are among the differences', () => {
    const page = readFileSync(fileURLToPath(new URL('../../../docs/differences.md', import.meta.url)), 'utf8')
    const absent = elsewhere
      .map(([, alias, className]) => alias ?? (/\.(\w+?)(\$Builder)?$/.exec(className)?.[1] as string))
      .filter((name) => !page.includes(`\`${name}\``))
    assert.deepEqual(absent, [])
  })
})

function agentWith(kind: ComponentKind, type: string): string {
  const types: Record<string, string> = { source: 'seq', channel: 'memory', sink: 'null', [kind]: type }
  return [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    `a1.sources.r1.type = ${types['source']}`,
    'a1.sources.r1.channels = c1',
    `a1.channels.c1.type = ${types['channel']}`,
    `a1.sinks.k1.type = ${types['sink']}`,
    'a1.sinks.k1.channel = c1',
    ...(kind === 'interceptor'
      ? ['a1.sources.r1.interceptors = i1', `a1.sources.r1.interceptors.i1.type = ${type}`]
      : []),
    ...(kind === 'config filter' ? ['a1.configfilters = f1', `a1.configfilters.f1.type = ${type}`] : []),
    '',
  ].join('\n')
}
