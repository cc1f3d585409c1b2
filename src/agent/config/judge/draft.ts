import type { AgentKeys, PartKeys, PartKind } from '../agent-keys.ts'
import type { DeadLetterModel } from '../model.ts'
import type { Part, PartWorld } from '../read-part.ts'

/** A listed part that has keys; without `part` something is wrong with it, and that has been reported. */
export interface Listed {
  readonly keys: PartKeys
  part: Part | undefined
  /** Left out although nothing is wrong with the part itself. */
  readonly isOff?: boolean
}

export interface ListedSource extends Listed {
  channels: readonly string[]
  selector: Part | undefined
  interceptors: readonly { readonly name: string; readonly part: Part }[]
}

export interface ListedSink extends Listed {
  channel: string | undefined
  batchLimit: number | undefined
  deadLetters?: DeadLetterModel | undefined
}

export interface ListedGroup extends Listed {
  /** Its sinks as far as they count, each in this group only. */
  sinks: readonly string[]
}

/** An agent while it is judged: what its lists name, and which of it still counts. */
export class Draft {
  readonly keys: AgentKeys
  readonly world: PartWorld
  readonly channels = new Map<string, Listed>()
  readonly sources = new Map<string, ListedSource>()
  readonly sinks = new Map<string, ListedSink>()
  readonly groups = new Map<string, ListedGroup>()

  constructor(keys: AgentKeys, world: PartWorld) {
    this.keys = keys
    this.world = world
  }

  /** A channel that runs; one that failed counts too unless lenient, so that one mistake is said once. */
  isRunning(name: string): boolean {
    const channel = this.channels.get(name)
    return channel !== undefined && this.counts(channel)
  }

  /** Unless lenient, what failed counts as well: it would run once it is mended. */
  counts(listed: Listed): boolean {
    return listed.part !== undefined || (this.world.report.mode !== 'lenient' && listed.isOff !== true)
  }

  /** Says, where Flume would go on without it, that a part does not run. */
  leftOut(kind: PartKind, keys: PartKeys): void {
    if (this.world.report.mode !== 'lenient') return
    const path = `${this.keys.name}.${kind}.${keys.name}`
    this.world.report.warning(keys.place, { code: 'left-out', path, message: 'is left out, as Flume does' })
  }

  /** What the keys of a part begin with. */
  path(kind: PartKind, name: string): string {
    return `${this.keys.name}.${kind}.${name}.`
  }
}
