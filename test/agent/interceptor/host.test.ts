import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { host } from '../../../src/agent/interceptor/host.ts'
import { batchOf, makeInterceptor, samplesOf } from '../../support/interceptor.ts'

const headersOf = async (options: Record<string, string>): Promise<unknown[]> =>
  samplesOf((await makeInterceptor(host, options)).intercept(batchOf([{ host: 'own' }], [{}]))).map(
    ([headers]) => headers,
  )
const { address } = await lookup(hostname(), { verbatim: false })

test('host puts the address of this machine and overwrites (I-01)', async () => {
  assert.deepEqual(await headersOf({}), [{ host: address }, { host: address }])
})

test('host keeps what is there when told to, and uses another header', async () => {
  assert.deepEqual(await headersOf({ preserveExisting: 'true' }), [{ host: 'own' }, { host: address }])
  assert.deepEqual(await headersOf({ hostHeader: 'from' }), [{ host: 'own', from: address }, { from: address }])
})

test('host puts a name when told to', async () => {
  const [first] = (await headersOf({ useIP: 'false' })) as { host: string }[]
  assert.ok(first && first.host !== 'own' && (isIP(first.host) === 0 || first.host === address), first?.host)
})
