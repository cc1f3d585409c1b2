import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Serializer, Sink } from '../../../src/agent/contract.ts'
import { avroEventSerializer } from '../../../src/agent/serializer/avro-event-serializer.ts'
import { fileRoll } from '../../../src/agent/sink/file-roll.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { valuesOf } from '../../support/avro-container.ts'
import { hdfsSink } from '../../support/hdfs-sink.ts'
import { readOptions } from '../../support/read-options.ts'
import { sinkContext } from '../../support/sink-context.ts'
import { tempDir } from '../../support/temp-dir.ts'

const literal = 'flume.avro.schema.literal'
const url = 'flume.avro.schema.url'
const text = '{"type": "record", "name": "M", "fields": [{"name": "m", "type": "string"}]}'
/** A value of that schema, and of "string". */
const value = (message: string): Buffer => Buffer.concat([Buffer.from([2 * message.length]), Buffer.from(message)])

function serializer(texts: Readonly<Record<string, string>> = {}): Serializer {
  return avroEventSerializer.create(readOptions(avroEventSerializer, texts), sinkContext()) as Serializer
}

function events(headers: Readonly<Record<string, string>>, ...messages: readonly string[]): EventBatch {
  return EventBatch.of(messages.map((message) => ({ headers, body: value(message) })))
}

test('bodies become the values of a container whose schema the first event brings', async () => {
  const file = serializer({ compressionCodec: 'snappy' })
  const bytes = [file.begin(), await file.encode(events({ [literal]: text }, 'one', 'two'))]
  bytes.push(await file.encode(events({ [literal]: text }, 'three')), file.end())
  const found = await valuesOf(Buffer.concat(bytes))
  assert.deepEqual(JSON.parse(JSON.stringify(found.values)), [{ m: 'one' }, { m: 'two' }, { m: 'three' }])
  assert.equal(found.schema, JSON.stringify(JSON.parse(text)))
})

test('the schema comes from the address in the header, else from the header itself, else from schemaURL', async (t) => {
  const folder = await tempDir(t)
  const named = (name: string): string => `{"type":"record","name":"${name}","fields":[{"name":"m","type":"string"}]}`
  await writeFile(join(folder, 'by-url.avsc'), named('ByUrl'))
  await writeFile(join(folder, 'by-option.avsc'), named('ByOption'))
  const schemaURL = `file://${folder}/by-option.avsc`
  const byUrl = { [url]: `file://${folder}/by-url.avsc` }
  const byLiteral = { [literal]: named('ByLiteral') }
  for (const [headers, name] of [
    [{ ...byUrl, ...byLiteral }, 'ByUrl'],
    [byLiteral, 'ByLiteral'],
    [{}, 'ByOption'],
  ] as const) {
    const file = await serializer({ schemaURL }).encode(events(headers, 'x'))
    assert.equal(JSON.parse((await valuesOf(Buffer.from(file))).schema).name, name)
  }
})

test('schemas are read over HTTP, up to a limit', async (t) => {
  const answers: Record<string, string> = { '/m.avsc': text, '/long.avsc': `"${'x'.repeat(5 * 1024 * 1024)}"` }
  const server = createServer((request, response) => {
    const answer = answers[request.url ?? '']
    response.writeHead(answer === undefined ? 404 : 200).end(answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const file = await serializer().encode(events({ [url]: `${at}/m.avsc` }, 'x'))
  assert.equal((await valuesOf(Buffer.from(file))).values.length, 1)
  await assert.rejects(async () => serializer().encode(events({ [url]: `${at}/long.avsc` }, 'x')), { code: 'LIMIT' })
  await assert.rejects(async () => serializer().encode(events({ [url]: `${at}/none.avsc` }, 'x')), { code: 'REFUSED' })
  await assert.rejects(async () => serializer().encode(events({ [url]: 'ftp://x/y' }, 'x')), { code: 'USAGE' })
  server.closeAllConnections()
})

test('addresses can be restricted', async (t) => {
  const folder = await tempDir(t)
  await writeFile(join(folder, 'm.avsc'), text)
  const texts = {
    schemaUrlPrefixes: 'http://schemas.example/ file:///etc/schemas/',
    schemaURL: `file://${folder}/m.avsc`,
  }
  await assert.rejects(async () => serializer(texts).encode(events({ [url]: 'file:///etc/passwd' }, 'x')), {
    code: 'REFUSED',
  })
  assert.ok((await serializer(texts).encode(events({}, 'x'))).length > 0)
})

test('an event without a schema, and a schema that is none, are refused with what to do', async () => {
  await assert.rejects(async () => serializer().encode(events({}, 'x')), {
    code: 'INVALID_DATA',
    hint: /schemaURL/,
  })
  await assert.rejects(async () => serializer().encode(events({ [literal]: '{' }, 'x')), { code: 'INVALID_DATA' })
})

test('a body that is not of the schema is refused, as it would hide what follows', async () => {
  for (const body of ['', '\x04x', '\x02xy']) {
    const batch = EventBatch.of([{ headers: { [literal]: text }, body }])
    await assert.rejects(async () => serializer().encode(batch), {
      code: 'INVALID_DATA',
      message: /event 1 of the batch/,
    })
  }
})

test('events of another schema begin a new file, in both sinks that write files', async (t) => {
  const folder = await tempDir(t)
  const [one, two] = [{ [literal]: text }, { [literal]: '"string"' }]
  const mixed = EventBatch.of([one, one, two, two, one].map((headers, i) => ({ headers, body: value(`v${i}`) })))
  await mkdir(join(folder, 'rolled'))
  await mkdir(join(folder, 'hdfs'))
  const rolled = (await fileRoll.create(
    readOptions(fileRoll, { 'sink.directory': join(folder, 'rolled'), 'sink.serializer': 'AvroEventSerializer' }),
    sinkContext(),
  )) as Sink
  const hdfs = await hdfsSink(
    {
      'hdfs.path': `file://${folder}/hdfs`,
      'hdfs.fileType': 'DataStream',
      'hdfs.rollInterval': '0',
      'hdfs.rollSize': '0',
      'hdfs.rollCount': '0',
      serializer: 'AvroEventSerializer',
    },
    { clock: new ManualClock(1_700_000_000_000) },
  )
  for (const [sink, where] of [
    [rolled, 'rolled'],
    [hdfs, 'hdfs'],
  ] as const) {
    await sink.start?.()
    await sink.write(mixed)
    await sink.write(events(one, 'v5'))
    await sink.write(events(two, 'v6'))
    await sink.stop?.()
    const files = (await readdir(join(folder, where))).sort()
    const found = await Promise.all(files.map(async (name) => valuesOf(await readFile(join(folder, where, name)))))
    assert.deepEqual(
      found.map(({ values }) => JSON.parse(JSON.stringify(values))),
      [[{ m: 'v0' }, { m: 'v1' }], ['v2', 'v3'], [{ m: 'v4' }, { m: 'v5' }], ['v6']],
      where,
    )
  }
})
