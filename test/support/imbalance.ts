import type { AgentSnapshot } from '../../src/monitor/snapshot.ts'

/** What does not add up in a snapshot, one line each. */
export function imbalanceOf({ sources, channels }: AgentSnapshot): string[] {
  const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0)
  const lines: string[] = []
  for (const { source, received, underWay, accepted, refused, routed, dropped } of sources) {
    if (received !== accepted + refused) lines.push(`${source}: received ${received} ≠ ${accepted} + ${refused}`)
    if (accepted !== routed + sum(dropped)) lines.push(`${source}: accepted ${accepted} ≠ ${routed} + ${sum(dropped)}`)
    if (underWay < 0) lines.push(`${source}: ${underWay} under way`)
  }
  for (const { channel, entered, delivered, held, dropped } of channels) {
    if (entered !== delivered + held + sum(dropped))
      lines.push(`${channel}: entered ${entered} ≠ ${delivered} + ${held} + ${sum(dropped)}`)
  }
  return lines
}
