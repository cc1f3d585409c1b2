import type { AgentSnapshot, ChannelLedger, SourceLedger } from './snapshot.ts'

/** What does not add up in the ledger, one line each; empty when every event is accounted for. */
export function imbalances({ sources, channels }: Pick<AgentSnapshot, 'sources' | 'channels'>): string[] {
  return [...sources.flatMap(ofSource), ...channels.flatMap(ofChannel)]
}

function ofSource({ source, received, accepted, refused, routed, dropped }: SourceLedger): string[] {
  const lines: string[] = []
  if (received !== accepted + refused)
    lines.push(`source ${source}: received ${received} is not accepted ${accepted} + refused ${refused}`)
  const lost = total(dropped)
  if (accepted !== routed + lost)
    lines.push(`source ${source}: accepted ${accepted} is not routed ${routed} + dropped ${lost}`)
  return lines
}

function ofChannel({ channel, entered, delivered, held, dropped, external }: ChannelLedger): string[] {
  // Others put and take there too.
  if (external) return []
  const lost = total(dropped)
  if (entered === delivered + held + lost) return []
  return [`channel ${channel}: entered ${entered} is not delivered ${delivered} + held ${held} + dropped ${lost}`]
}

/** Sum over every reason. */
export function total(dropped: Readonly<Record<string, number>>): number {
  return Object.values(dropped).reduce((sum, count) => sum + count, 0)
}
