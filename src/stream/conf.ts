const timeUnits: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const sizeUnits: Readonly<Record<string, number>> = {
  b: 1,
  k: 2 ** 10,
  kb: 2 ** 10,
  m: 2 ** 20,
  mb: 2 ** 20,
  g: 2 ** 30,
  gb: 2 ** 30,
  t: 2 ** 40,
  tb: 2 ** 40,
  p: 2 ** 50,
  pb: 2 ** 50,
}

/** What `new SparkConf()` starts with: the settings of the submit command. Settings made in the job's code win over them. */
let launchDefaults: ReadonlyMap<string, string> = new Map()

/** Used by the submit command before it loads the job module. */
export function setLaunchDefaults(defaults: ReadonlyMap<string, string>): void {
  launchDefaults = new Map(defaults)
}

/** Settings of a job as text pairs; setters chain. */
export class SparkConf {
  readonly #entries: Map<string, string>

  /** With `loadDefaults` the settings given to `stream-ts submit` are there from the start. */
  constructor(loadDefaults = true) {
    this.#entries = new Map(loadDefaults ? launchDefaults : [])
  }

  set(key: string, value: string | number | boolean): this {
    if (key === null || key === undefined) throw new TypeError('null key')
    if (value === null || value === undefined) throw new TypeError(`null value for ${key}`)
    this.#entries.set(key, String(value))
    return this
  }

  setAll(entries: Iterable<readonly [string, string | number | boolean]>): this {
    for (const [key, value] of entries) this.set(key, value)
    return this
  }

  setIfMissing(key: string, value: string | number | boolean): this {
    return this.contains(key) ? this : this.set(key, value)
  }

  remove(key: string): this {
    this.#entries.delete(key)
    return this
  }

  contains(key: string): boolean {
    return this.#entries.has(key)
  }

  setMaster(master: string): this {
    return this.set('spark.master', master)
  }

  setAppName(name: string): this {
    return this.set('spark.app.name', name)
  }

  /** Kept as `spark.home`, which nothing here looks at. */
  setSparkHome(home: string): this {
    return this.set('spark.home', home)
  }

  /** Kept as `spark.jars`, which nothing here looks at: a job imports what it needs. */
  setJars(jars: readonly string[]): this {
    return this.set('spark.jars', jars.join(','))
  }

  /** Kept as `spark.executorEnv.<name>`, which nothing here looks at: all of a job runs in one process. */
  setExecutorEnv(name: string, value: string): this {
    return this.set(`spark.executorEnv.${name}`, value)
  }

  /** The value of `key`, else `fallback`; throws when there is neither. */
  get(key: string, fallback?: string): string {
    const value = this.#entries.get(key) ?? fallback
    if (value === undefined) throw new Error(`no such setting: ${key}`)
    return value
  }

  getOption(key: string): string | undefined {
    return this.#entries.get(key)
  }

  getAll(): [string, string][] {
    return [...this.#entries]
  }

  /** The pairs whose key starts with `prefix`, the prefix taken away. */
  getAllWithPrefix(prefix: string): [string, string][] {
    return this.getAll()
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value])
  }

  getInt(key: string, fallback: number): number {
    return this.#read(key, fallback, 'a whole number', (text) => (/^[+-]?\d+$/.test(text) ? Number(text) : undefined))
  }

  getLong(key: string, fallback: number): number {
    return this.getInt(key, fallback)
  }

  getDouble(key: string, fallback: number): number {
    return this.#read(key, fallback, 'a number', (text) =>
      text === '' || Number.isNaN(Number(text)) ? undefined : Number(text),
    )
  }

  getBoolean(key: string, fallback: boolean): boolean {
    return this.#read(key, fallback, 'true or false', (text) => {
      const word = text.toLowerCase()
      return word === 'true' ? true : word === 'false' ? false : undefined
    })
  }

  /** A time in milliseconds; a bare number is taken as milliseconds. Suffixes: us ms s m min h d. */
  getTimeAsMs(key: string, fallback?: string): number {
    return Math.trunc(this.#time(key, fallback, 1))
  }

  /** A time in seconds; a bare number is taken as seconds. */
  getTimeAsSeconds(key: string, fallback?: string): number {
    return Math.trunc(this.#time(key, fallback, 1000) / 1000)
  }

  /** A size in bytes; a bare number is taken as bytes. Suffixes: b k kb m mb g gb t tb p pb. */
  getSizeAsBytes(key: string, fallback?: string): number {
    return this.#size(key, fallback, 'b')
  }

  /** A size in mebibytes; a bare number is taken as mebibytes. */
  getSizeAsMb(key: string, fallback?: string): number {
    return Math.trunc(this.#size(key, fallback, 'm') / 2 ** 20)
  }

  #size(key: string, fallback: string | undefined, bareUnit: string): number {
    const text = this.get(key, fallback).trim().toLowerCase()
    const [, amount, unit = bareUnit] = /^(\d+)\s*([a-z]+)?$/.exec(text) ?? []
    const factor = sizeUnits[unit]
    if (amount === undefined || factor === undefined) {
      throw new Error(`${key} is a size such as 64k or 1g, not "${text}"`)
    }
    return Number(amount) * factor
  }

  clone(): SparkConf {
    return new SparkConf(false).setAll(this.#entries)
  }

  /** One `key=value` a line, sorted. */
  toDebugString(): string {
    return this.getAll()
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join('\n')
  }

  #time(key: string, fallback: string | undefined, bareUnitMs: number): number {
    const text = this.get(key, fallback).trim().toLowerCase()
    const [, amount, unit] = /^(-?\d+)\s*([a-z]+)?$/.exec(text) ?? []
    const factor = unit === undefined ? bareUnitMs : timeUnits[unit]
    if (amount === undefined || factor === undefined) {
      throw new Error(`${key} is a time such as 200ms or 10s, not "${text}"`)
    }
    return Number(amount) * factor
  }

  #read<T>(key: string, fallback: T, what: string, parse: (text: string) => T | undefined): T {
    const text = this.#entries.get(key)
    if (text === undefined) return fallback
    const value = parse(text.trim())
    if (value === undefined) throw new Error(`${key} is ${what}, not "${text}"`)
    return value
  }
}
