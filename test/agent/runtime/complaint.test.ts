import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Complaint } from '../../../src/agent/runtime/complaint.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'

describe('a complaint', () => {
  it('is made once while only its numbers differ, again after a minute, and is taken back', async () => {
    const clock = new ManualClock()
    const log = new RecordingLogger()
    const complaint = new Complaint(log, clock)
    const said = () => log.lines.filter((line) => !line.startsWith('debug'))
    complaint.failed(new Error('cannot open /out/1700000000000-1'), 'trying again')
    complaint.failed(new Error('cannot open /out/1700000000000-22'), 'trying again')
    assert.deepEqual(said(), ['error: cannot open /out/1700000000000-1; trying again'])
    complaint.failed(new Error('the disk is full'), 'trying again')
    await clock.advance(60_000)
    complaint.failed(new Error('the disk is full'), 'trying again')
    complaint.worked('it is started')
    assert.deepEqual(said().slice(1), [
      'error: the disk is full; trying again [failure 3 in a row]',
      'error: the disk is full; trying again [failure 4 in a row]',
      'info: it is started after 4 failures',
    ])
  })
})
