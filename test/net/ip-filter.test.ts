import assert from 'node:assert/strict'
import { test } from 'node:test'
import { admits, parseIpFilter } from '../../src/net/ip-filter.ts'

const names: Readonly<Record<string, string[]>> = { '10.0.0.7': ['db7.example.org'] }
const namesOf = async (address: string): Promise<string[]> => names[address] ?? []

const cases = [
  { rules: 'allow:ip:127.*,deny:ip:*', address: '127.0.0.1', admitted: true },
  { rules: 'allow:ip:127.*,deny:ip:*', address: '10.0.0.1', admitted: false },
  { rules: 'deny:ip:10.0.0.?', address: '10.0.0.9', admitted: false },
  { rules: 'deny:ip:10.0.0.?', address: '10.0.0.10', admitted: true },
  { rules: 'deny:ip:10.0.0.1,allow:ip:10.*', address: '10.0.0.1', admitted: false },
  { rules: 'allow:ip:10.*,deny:ip:10.0.0.1', address: '10.0.0.1', admitted: true },
  { rules: 'deny:ip:192.168.1.1', address: '10.0.0.1', admitted: true },
  { rules: 'allow:name:*.example.org,deny:ip:*', address: '10.0.0.7', admitted: true },
  { rules: 'allow:name:*.example.org,deny:ip:*', address: '10.0.0.8', admitted: false },
  { rules: 'allow:name:localhost,deny:ip:*', address: '127.0.0.1', admitted: true },
  { rules: 'allow:name:localhost,deny:ip:*', address: '127.0.0.2', admitted: false },
  { rules: 'allow:ip:fe80:*,deny:ip:*', address: 'fe80:0:1', admitted: true },
  { rules: ' deny:ip:a*b*c ', address: 'axxbxxbxc', admitted: false },
  { rules: 'deny:ip:a*b*c', address: 'axxbxxb', admitted: true },
]
for (const { rules, address, admitted } of cases) {
  test(`${rules.trim()} ${admitted ? 'lets' : 'does not let'} ${address} in`, async () => {
    const parsed = parseIpFilter(rules)
    assert.ok('rules' in parsed)
    assert.equal(await admits(parsed.rules, address, namesOf), admitted)
  })
}

for (const rules of ['', 'allow', 'allow:ip', 'allow:ip:', 'ALLOW:ip:*', 'allow:IP:*', 'allow:host:*', 'allow:ip:*,,'])
  test(`"${rules}" is malformed`, () => assert.ok('problem' in parseIpFilter(rules)))

test('names are looked up only when a rule asks for them', async () => {
  let asked = 0
  const counting = async (): Promise<string[]> => {
    asked++
    return []
  }
  const parsed = parseIpFilter('deny:ip:10.*,allow:name:a*,allow:name:b*')
  assert.ok('rules' in parsed)
  await admits(parsed.rules, '10.0.0.1', counting)
  assert.equal(asked, 0)
  await admits(parsed.rules, '11.0.0.1', counting)
  assert.equal(asked, 1)
})
