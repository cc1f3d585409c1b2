import { imbalances } from './balance.ts'
import type { AgentSnapshot, ComponentHealth } from './snapshot.ts'

export interface Verdict {
  readonly ok: boolean
  /** What is wrong, one line each. */
  readonly problems: readonly string[]
}

/**
 * Whether the agent works as an agent: no component has ended for good, and the ledger balances. A component that fails
 * and is tried again is no reason to restart the agent: what its channels hold in memory would be lost.
 */
export function liveness(snapshot: AgentSnapshot): Verdict {
  const ended = snapshot.health.filter(({ state }) => state === 'stopped').map(line)
  return verdict([...ended, ...imbalances(snapshot)])
}

/** Whether the agent takes input: every source and channel runs. A failing sink does not count, for channels bridge that. */
export function readiness(snapshot: AgentSnapshot): Verdict {
  return verdict(snapshot.health.filter(({ kind, state }) => kind !== 'sink' && state !== 'running').map(line))
}

/** Everything that somebody should look at: all of the above, and whatever fails now. */
export function wellBeing(snapshot: AgentSnapshot): Verdict {
  const failing = snapshot.health.filter(({ state }) => state === 'failing').map(line)
  return verdict([...failing, ...liveness(snapshot).problems])
}

function verdict(problems: readonly string[]): Verdict {
  return { ok: problems.length === 0, problems }
}

function line({ kind, name, state, problem }: ComponentHealth): string {
  return `${kind} ${name} is ${state}${problem === undefined ? '' : `: ${problem}`}`
}
