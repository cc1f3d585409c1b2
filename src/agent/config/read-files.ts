import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { decodeProperties, parseProperties } from '../../codec/properties.ts'
import { asError, FlumeError } from '../../core/error.ts'
import type { Finding } from '../../spec/finding.ts'
import { HttpText, isHttpAddress, withoutUser } from './http-text.ts'
import { type ConfigEntry, PropertyStore } from './property-store.ts'

/** No configuration is longer; what is, is some other file. */
const fileBytesMax = 16 * 1024 * 1024

export interface ConfigText {
  readonly store: PropertyStore
  readonly findings: readonly Finding[]
  /** None of the files could be read at all. */
  readonly isUnreadable: boolean
}

/** The bytes behind an HTTP address; rejects where there are none to have. */
export type HttpReader = (address: string) => Promise<Uint8Array>

const readOnce: HttpReader = (address) => new HttpText(address, {}).read()

/**
 * Reads properties files and HTTP addresses into one set of keys; a later file's keys win over an earlier one's (C-30). Keys and values
 * are trimmed (C-03). Never rejects: what cannot be read is a finding of severity error.
 */
export async function readConfigFiles(files: readonly string[], readHttp: HttpReader = readOnce): Promise<ConfigText> {
  const store = new PropertyStore()
  const findings: Finding[] = []
  let count = 0
  let unreadCount = 0
  for (const place of files) {
    const file = withoutUser(place)
    const bytes = await (isHttpAddress(place) ? readAddress(place, readHttp) : readBytes(place))
    if ('finding' in bytes) {
      findings.push(bytes.finding)
      unreadCount++
      continue
    }
    const { entries, problems } = parseProperties(decodeProperties(bytes.content))
    for (const { line, column, message } of problems) {
      findings.push({
        severity: 'error',
        file,
        line,
        column,
        path: '',
        code: 'broken-escape',
        message,
        hint: 'write a backslash as \\\\',
      })
    }
    const own = new Map<string, ConfigEntry>()
    for (const entry of entries) {
      const at = {
        key: trim(entry.key),
        text: trim(entry.value),
        file,
        line: entry.line,
        column: entry.column,
        valueAt: { line: entry.valueLine, column: entry.valueColumn },
      }
      const before = own.get(at.key)
      if (before) findings.push(duplicate(before, at))
      own.set(at.key, at)
      store.set(at)
      count++
    }
  }
  if (count === 0 && findings.length === 0) {
    findings.push(
      fileError(files[0] ?? '', 'empty', 'holds no properties', 'an agent begins with lines such as a1.sources = r1'),
    )
  }
  return { store, findings, isUnreadable: unreadCount === files.length }
}

type Bytes = { readonly content: Uint8Array } | { readonly finding: Finding }

async function readAddress(address: string, readHttp: HttpReader): Promise<Bytes> {
  const name = withoutUser(address)
  if (!URL.canParse(address)) return { finding: fileError(name, 'http', 'is no address') }
  const refused = refuseType(name, new URL(address).pathname)
  if (refused) return { finding: refused }
  try {
    return { content: await readHttp(address) }
  } catch (thrown) {
    const { message } = asError(thrown)
    return {
      finding: fileError(
        name,
        'http',
        `cannot be read: ${message}`,
        thrown instanceof FlumeError ? thrown.hint : undefined,
      ),
    }
  }
}

function refuseType(file: string, path: string): Finding | undefined {
  const refusedType = typeByName(path)
  if (!refusedType) return undefined
  const message = `is taken for ${refusedType} by its name, and only properties files can be read`
  return fileError(file, 'file-type', message, 'rename it to end in .properties or .conf')
}

async function readBytes(file: string): Promise<Bytes> {
  const refused = refuseType(file, resolve(file))
  if (refused) return { finding: refused }
  try {
    await using handle = await open(file, 'r')
    const { size } = await handle.stat()
    if (size > fileBytesMax) {
      return { finding: fileError(file, 'file-size', `is ${size} bytes long; the limit is ${fileBytesMax}`) }
    }
    // A pipe has no size of its own, so that the limit is kept while reading too.
    const chunks: Uint8Array[] = []
    let total = 0
    for await (const chunk of handle.createReadStream({ autoClose: false })) {
      chunks.push(chunk as Uint8Array)
      total += (chunk as Uint8Array).length
      if (total > fileBytesMax) {
        return { finding: fileError(file, 'file-size', `is longer than ${fileBytesMax} bytes`) }
      }
    }
    return { content: Buffer.concat(chunks) }
  } catch (thrown) {
    const { code, message } = asError(thrown) as NodeJS.ErrnoException
    return { finding: fileError(file, 'file', `cannot be read: ${fileProblems.get(code ?? '') ?? message}`) }
  }
}

const fileProblems: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EISDIR', 'it is a directory'],
  ['EACCES', 'permission denied'],
  ['ENOTDIR', 'a part of its path is not a directory'],
])

/** Flume goes by what follows the first dot of the whole path, and has no reader for these three (C-31). */
function typeByName(path: string): string | undefined {
  const dot = path.indexOf('.')
  const ending = dot < 0 ? '' : path.slice(dot + 1)
  return ['json', 'yaml', 'xml'].includes(ending) ? ending.toUpperCase() : undefined
}

function fileError(file: string, code: string, message: string, hint?: string): Finding {
  return { severity: 'error', file, line: 0, column: 0, path: '', code, message, ...(hint ? { hint } : {}) }
}

function duplicate(before: ConfigEntry, now: ConfigEntry): Finding {
  const isSame = before.text === now.text
  return {
    severity: isSame ? 'note' : 'warning',
    file: now.file,
    line: now.line,
    column: now.column,
    path: now.key,
    code: 'duplicate-key',
    message: isSame
      ? `is given on line ${before.line} already, with the same value`
      : `is given on line ${before.line} already, with another value; this one counts`,
  }
}

/** Java's trim: everything up to the blank, at both ends. */
export function trim(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && text.charCodeAt(start) <= 0x20) start++
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end--
  return text.slice(start, end)
}
