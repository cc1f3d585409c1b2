import { createHash } from 'node:crypto'
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatProperties } from '../../codec/properties.ts'
import { explain } from '../../core/error.ts'
import type { Finding } from '../../spec/finding.ts'
import { type Credentials, HttpText, isHttpAddress } from './http-text.ts'
import { judgeText, type LoadAgentInput, type LoadedAgent } from './load.ts'
import type { PropertyStore } from './property-store.ts'
import { readConfigFiles } from './read-files.ts'

export interface ConfigSourceInput extends LoadAgentInput {
  /** For the addresses among `files`. */
  readonly credentials?: Credentials | undefined
  /** Keeps a copy of the last configuration that could be run, for a start when none of `files` can be read (C-33). */
  readonly backupDirectory?: string | undefined
  /** How long an HTTP server may be silent, in milliseconds. */
  readonly timeoutMs?: number
}

/**
 * Where an agent's configuration comes from, and whether it changed there: files, HTTP addresses (C-32), and what those
 * bring along: modules that types name and files with secrets.
 *
 * For a reload: `if (await source.changed()) { const { model, findings } = await source.load(); … }` — a `model` of
 * undefined means that nothing may change; `changed` answers false then until something changes again. Sources,
 * channels, sinks and groups whose `fingerprint` (and, for sources and sinks, channels) are equal did not change.
 */
export class ConfigSource {
  readonly #input: ConfigSourceInput
  readonly #addresses: ReadonlyMap<string, HttpText>
  /** How each file or address looked when it was last loaded. */
  #looks = new Map<string, string>()
  #hasLoaded = false

  constructor(input: ConfigSourceInput) {
    this.#input = input
    const { credentials, clock, timeoutMs } = input
    this.#addresses = new Map(
      input.files.filter(isHttpAddress).flatMap((address) => {
        const options = { credentials, ...(clock ? { clock } : {}), ...(timeoutMs === undefined ? {} : { timeoutMs }) }
        return URL.canParse(address) ? [[address, new HttpText(address, options)]] : []
      }),
    )
  }

  /** Reads everything anew. Never rejects: what is wrong is in the findings. */
  async load(): Promise<LoadedAgent> {
    // Looked at before it is read, so that what is written meanwhile is seen by the next `changed`.
    const { files, backupDirectory, mode } = this.#input
    const looks = new Map<string, string>()
    for (const file of [...files, ...this.#looks.keys()]) {
      if (!isHttpAddress(file)) looks.set(file, await lookOf(file))
    }
    const text = await readConfigFiles(files, (address) => this.#readAddress(address, looks))
    const mayUseBackup = text.isUnreadable && !this.#hasLoaded && mode !== 'strict'
    const backup = mayUseBackup && backupDirectory ? await this.#loadBackup(backupDirectory, text.findings) : undefined
    const loaded = backup ?? (await judgeText(text, this.#input))
    const used = [...files, ...loaded.alsoRead]
    for (const file of used) if (!looks.has(file)) looks.set(file, await lookOf(file))
    this.#looks = new Map(used.map((file) => [file, looks.get(file) as string]))
    if (!loaded.model) return loaded
    this.#hasLoaded = true
    if (backup || backupDirectory === undefined) return loaded
    const problem = await writeBackup(backupDirectory, loaded.model.name, text.store)
    return problem ? { ...loaded, findings: [...loaded.findings, problem] } : loaded
  }

  /** True when something is not as it was when it was last loaded. Never rejects. */
  async changed(): Promise<boolean> {
    for (const [file, look] of this.#looks) {
      const address = this.#addresses.get(file)
      const now = address ? await address.read().then(digest, () => unreadable) : await lookOf(file)
      if (now !== look) return true
    }
    return false
  }

  async #readAddress(address: string, looks: Map<string, string>): Promise<Uint8Array> {
    looks.set(address, unreadable)
    const content = await (this.#addresses.get(address) as HttpText).read()
    looks.set(address, digest(content))
    return content
  }

  /** What ran last, when nothing else can be had; undefined when there is no copy of it. */
  async #loadBackup(folder: string, problems: readonly Finding[]): Promise<LoadedAgent | undefined> {
    const file = await findBackup(folder, this.#input.agentName)
    if (file === undefined) return undefined
    const loaded = await judgeText(await readConfigFiles([file]), { ...this.#input, files: [file] })
    const message = 'is the copy of the configuration that ran last, AND IS USED, as no other can be read'
    const used = note(file, message, 'make the configuration readable; changes to the copy are lost then')
    const asWarnings = problems.map((problem): Finding => ({ ...problem, severity: 'warning' }))
    return { ...loaded, findings: [...asWarnings, used, ...loaded.findings] }
  }
}

const unreadable = 'unreadable'

/** Another text for another file: replaced, rewritten, longer or gone. */
async function lookOf(file: string): Promise<string> {
  try {
    const { mtimeNs, size, ino } = await stat(file, { bigint: true })
    return `${mtimeNs} ${size} ${ino}`
  } catch {
    return unreadable
  }
}

function digest(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** Flume's name for it. Without a name of an agent, the only copy there is counts. */
async function findBackup(folder: string, agentName: string | undefined): Promise<string | undefined> {
  const names = await readdir(folder).catch((): string[] => [])
  const copies = names.filter((name) =>
    agentName === undefined ? /^\.[^.]+\.properties$/.test(name) : name === `.${agentName}.properties`,
  )
  return copies.length === 1 ? join(folder, copies[0] as string) : undefined
}

/** Writes the copy as the files have it: variables are not replaced, so that no secret of the environment gets into it. */
async function writeBackup(folder: string, agentName: string, store: PropertyStore): Promise<Finding | undefined> {
  const file = join(folder, `.${agentName}.properties`)
  try {
    await mkdir(folder, { recursive: true })
    const entries = [...store.entries()].map(({ key, text }) => [key, text] as const)
    await writeFile(`${file}.tmp`, formatProperties(entries), { mode: 0o600, flush: true })
    await rename(`${file}.tmp`, file)
    return undefined
  } catch (thrown) {
    return note(file, `no copy of the configuration can be written: ${explain(thrown)}`)
  }
}

function note(file: string, message: string, hint?: string): Finding {
  const at = { file, line: 0, column: 0, path: '' }
  return { severity: 'warning', ...at, code: 'backup', message, ...(hint ? { hint } : {}) }
}
