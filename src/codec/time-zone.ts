/** Offsets are looked up once per block: all zones since 1973 change at multiples of 15 minutes, by multiples of 15 minutes. */
export const zoneBlockMs = 900_000
/** Before this (1973-01-01) some zones, such as Liberia, were off by odd minutes and seconds. */
export const regularSinceMs = 94_694_400_000
const cachedBlocksMax = 4096
const dayMs = 86_400_000

/** How far a zone is from UTC at any time, as `java.util.TimeZone` knows zones. */
export class TimeZone {
  readonly id: string
  readonly #fixedMs: number | undefined
  readonly #format: Intl.DateTimeFormat | undefined
  readonly #offsets = new Map<number, number>()
  #block = Number.NaN
  #offsetMs = 0

  private constructor(id: string, fixedMs: number | undefined) {
    this.id = id
    this.#fixedMs = fixedMs
    if (fixedMs === undefined) {
      this.#format = new Intl.DateTimeFormat('en-US', {
        timeZone: id,
        hourCycle: 'h23',
        era: 'short',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      })
    }
  }

  static readonly utc = new TimeZone('GMT', 0)

  /** A zone by its Java id (`Europe/Berlin`, `PST`, `GMT+5:30`); undefined when there is none (Java takes GMT then). */
  static find(id: string): TimeZone | undefined {
    const fixed = /^GMT([+-])(\d{1,2})(?::?(\d{2}))?$/.exec(id)
    if (fixed) {
      const [, sign, hours, minutes = '0'] = fixed
      if (Number(hours) > 23 || Number(minutes) > 59) return undefined
      return new TimeZone(id, (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000)
    }
    if (id === 'UTC' || id === 'GMT' || id === 'Z') return TimeZone.utc
    // Offsets without GMT are ids for Intl, not for Java.
    if (/^[+-]/.test(id)) return undefined
    const name = shortIds[id] ?? id
    if (typeof name === 'number') return new TimeZone(id, name * 3_600_000)
    try {
      return new TimeZone(name, undefined)
    } catch {
      return undefined
    }
  }

  /** The machine's own zone. */
  static local(): TimeZone {
    return TimeZone.find(new Intl.DateTimeFormat().resolvedOptions().timeZone) ?? TimeZone.utc
  }

  /** Milliseconds to add to UTC at that time. */
  offsetMsAt(timeMs: number): number {
    if (this.#fixedMs !== undefined) return this.#fixedMs
    if (timeMs < regularSinceMs) return this.#look(timeMs)
    const block = Math.floor(timeMs / zoneBlockMs)
    if (block === this.#block) return this.#offsetMs
    let offsetMs = this.#offsets.get(block)
    if (offsetMs === undefined) {
      offsetMs = this.#look(block * zoneBlockMs)
      if (this.#offsets.size >= cachedBlocksMax) this.#offsets.clear()
      this.#offsets.set(block, offsetMs)
    }
    this.#block = block
    this.#offsetMs = offsetMs
    return offsetMs
  }

  /**
   * The time at which clocks show `wallMs` (their reading taken as if it were UTC). Like Java: shown twice means the later
   * time, skipped means the reading under the offset before the gap.
   */
  timeAt(wallMs: number): number {
    const before = this.offsetMsAt(wallMs - dayMs)
    const after = this.offsetMsAt(wallMs + dayMs)
    if (before === after) return wallMs - before
    const [early, late] = before > after ? [before, after] : [after, before]
    if (this.offsetMsAt(wallMs - late) === late) return wallMs - late
    if (this.offsetMsAt(wallMs - early) === early) return wallMs - early
    return wallMs - before
  }

  #look(timeMs: number): number {
    const parts: Record<string, string> = {}
    for (const { type, value } of (this.#format as Intl.DateTimeFormat).formatToParts(timeMs)) parts[type] = value
    const year = parts.era === 'BC' ? 1 - Number(parts.year) : Number(parts.year)
    const wall = new Date(0)
    wall.setUTCFullYear(year, Number(parts.month) - 1, Number(parts.day))
    wall.setUTCHours(Number(parts.hour), Number(parts.minute), Number(parts.second))
    return wall.getTime() - Math.floor(timeMs / 1000) * 1000
  }
}

/** Java's three-letter ids, most of which nobody else knows; a number is a fixed offset in hours. */
const shortIds: Readonly<Record<string, string | number>> = {
  ACT: 'Australia/Darwin',
  AET: 'Australia/Sydney',
  AGT: 'America/Argentina/Buenos_Aires',
  ART: 'Africa/Cairo',
  AST: 'America/Anchorage',
  BET: 'America/Sao_Paulo',
  BST: 'Asia/Dhaka',
  CAT: 'Africa/Harare',
  CNT: 'America/St_Johns',
  CST: 'America/Chicago',
  CTT: 'Asia/Shanghai',
  EAT: 'Africa/Addis_Ababa',
  ECT: 'Europe/Paris',
  EST: -5,
  HST: -10,
  IET: 'America/Indiana/Indianapolis',
  IST: 'Asia/Kolkata',
  JST: 'Asia/Tokyo',
  MIT: 'Pacific/Apia',
  MST: -7,
  NET: 'Asia/Yerevan',
  NST: 'Pacific/Auckland',
  PLT: 'Asia/Karachi',
  PNT: 'America/Phoenix',
  PRT: 'America/Puerto_Rico',
  PST: 'America/Los_Angeles',
  SST: 'Pacific/Guadalcanal',
  VST: 'Asia/Ho_Chi_Minh',
}
