import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uuid } from '../../../src/agent/interceptor/uuid.ts'
import { batchOf, makeInterceptor, samplesOf } from '../../support/interceptor.ts'

const form = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('uuid gives each event an identifier of its own and keeps one that is there', async () => {
  const batch = (await makeInterceptor(uuid, {})).intercept(batchOf([{ id: 'own' }], [{}], [{}]))
  const ids = samplesOf(batch).map(([headers]) => headers.id as string)
  assert.equal(ids[0], 'own')
  assert.match(ids[1] as string, form)
  assert.match(ids[2] as string, form)
  assert.notEqual(ids[1], ids[2])
})

test('uuid overwrites, puts a prefix before, and uses another header when told to', async () => {
  const options = { headerName: 'key', prefix: 'p-', preserveExisting: 'false' }
  const batch = (await makeInterceptor(uuid, options)).intercept(batchOf([{ key: 'own' }]))
  const key = batch.headerAt('key', 0) as string
  assert.ok(key.startsWith('p-'))
  assert.match(key.slice(2), form)
})
