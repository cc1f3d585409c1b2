// Flume's ipFilterRules: comma separated `allow|deny : ip|name : pattern`; `*` and `?` in patterns; the first rule that
// matches decides, none means allow.
import { reverse } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'

interface Rule {
  readonly allow: boolean
  readonly by: 'ip' | 'name'
  readonly pattern: string
}

export type IpFilterRules = readonly Rule[]

/** The rules in a text, or what is wrong with it. */
export function parseIpFilter(text: string): { readonly rules: IpFilterRules } | { readonly problem: string } {
  const rules: Rule[] = []
  for (const part of text.split(',')) {
    const [verdict = '', by = '', ...rest] = part.trim().split(':')
    // Addresses of version 6 hold colons of their own.
    const pattern = rest.join(':')
    if (verdict !== 'allow' && verdict !== 'deny') return { problem: `"${part}" does not begin with allow or deny` }
    if (by !== 'ip' && by !== 'name') return { problem: `"${part}" does not go on with ip or name` }
    if (pattern === '') return { problem: `"${part}" has no pattern` }
    rules.push({ allow: verdict === 'allow', by, pattern })
  }
  return { rules }
}

/** Host names of an address; by default the system's reverse look-up, none when it fails. */
export type NamesOf = (address: string) => Promise<readonly string[]>

const systemNames: NamesOf = (address) => reverse(address).catch(() => [])

/** Whether the rules let an address in. Names are looked up only when a rule asks for them. */
export async function admits(rules: IpFilterRules, address: string, namesOf = systemNames): Promise<boolean> {
  let names: readonly string[] | undefined
  for (const rule of rules) {
    if (rule.by === 'name') names ??= [...(await namesOf(address)), address]
    const candidates = rule.by === 'ip' ? [address] : (names ?? [])
    const isHere = rule.by === 'name' && rule.pattern === 'localhost' && isOwnAddress(address)
    if (isHere || candidates.some((candidate) => matchesWildcards(candidate, rule.pattern))) return rule.allow
  }
  return true
}

/** `name:localhost` means this machine's own addresses, whatever they are called; of 127.* those that an interface has, as in Flume. */
function isOwnAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((own) => own.address === address))
}

/** Wildcard match in time proportional to text × pattern at worst. */
function matchesWildcards(text: string, pattern: string): boolean {
  let at = 0
  let inPattern = 0
  let star = -1
  let starAt = 0
  while (at < text.length) {
    const wanted = pattern[inPattern]
    if (wanted === '*') {
      star = inPattern++
      starAt = at
    } else if (wanted === '?' || wanted === text[at]) {
      at++
      inPattern++
    } else if (star >= 0) {
      inPattern = star + 1
      at = ++starAt
    } else return false
  }
  while (pattern[inPattern] === '*') inPattern++
  return inPattern === pattern.length
}
