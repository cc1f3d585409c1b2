import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hasEnded, newWriterName, writerNamedIn } from '../../../../src/net/hdfs/native/writer-name.ts'
import { startWriter } from '../../../support/ended-writer.ts'

describe('the names of writers', { skip: process.platform !== 'linux' && 'there is no /proc' }, () => {
  it('tell a process that lives from one that has ended', async () => {
    const writer = await startWriter()
    assert.equal(hasEnded(writer.name), false)
    await writer.process.kill()
    assert.equal(hasEnded(writer.name), true)
  })

  it('are new each time, and of a live process here', () => {
    const names = [newWriterName(), newWriterName()]
    assert.notEqual(names[0], names[1])
    for (const name of names) assert.equal(hasEnded(name), false)
  })

  const [, place, pid, start, random] = newWriterName().split('_')
  for (const { what, name, ended } of [
    { what: 'whose id another process has now', name: `flume-ts_${place}_${pid}_1${start}_${random}`, ended: true },
    {
      what: 'of another machine, or before a restart',
      name: `flume-ts_0123456789abcdef_${pid}_1_${random}`,
      ended: false,
    },
    { what: 'that does not say where it ran', name: `flume-ts_${random}`, ended: false },
    { what: 'of Hadoop’s own client', name: 'DFSClient_NONMAPREDUCE_-123_1', ended: false },
    { what: 'of the name node’s own recovery', name: 'HDFS_NameNode-2026-11-23', ended: false },
    { what: 'of every process there is', name: `flume-ts_${place}_-1_1_${random}`, ended: false },
  ]) {
    it(`${ended ? 'show' : 'do not show'} as ended one ${what}`, () => assert.equal(hasEnded(name), ended))
  }
})

describe('a refusal for the sake of a lease', () => {
  for (const [message, name] of [
    [
      'Failed to APPEND_FILE /a b/x for me on 10.0.0.1 because this file lease is currently owned by flume-ts_1_2 on ::1',
      'flume-ts_1_2',
    ],
    ['Failed to CREATE_FILE /x for me because pending recovery', undefined],
  ] as const) {
    it(`names ${name ?? 'nobody'}`, () => assert.equal(writerNamedIn(message), name))
  }
})
