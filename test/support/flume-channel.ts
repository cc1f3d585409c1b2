import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'

/** A file channel's directories as real Flume left them, and what it delivered from a copy of them. */
export interface RecordedChannel {
  /** The steps that were done, for people. */
  readonly steps: readonly string[]
  /** Directories below the folder: the checkpoint's first. */
  readonly directories: readonly string[]
  /** Paths below the folder, and bytes in base64. */
  readonly files: Readonly<Record<string, string>>
  readonly delivered: readonly string[]
}

const fixtures = fileURLToPath(new URL('../../../test/fixture/file-channel/', import.meta.url))

export const recordings: readonly string[] = readdirSync(fixtures)
  .filter((name) => name.endsWith('.json.gz'))
  .map((name) => name.slice(0, -'.json.gz'.length))
  .sort()

export function readRecording(name: string): RecordedChannel {
  return JSON.parse(gunzipSync(readFileSync(join(fixtures, `${name}.json.gz`))).toString()) as RecordedChannel
}

export function saveRecording(name: string, recording: RecordedChannel): void {
  mkdirSync(fixtures, { recursive: true })
  writeFileSync(join(fixtures, `${name}.json.gz`), gzipSync(JSON.stringify(recording), { level: 9 }))
}

/** Lays the recorded directories out in a folder; resolves to their paths. */
export function layOut({ files, directories }: RecordedChannel, folder: string): readonly string[] {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), Buffer.from(content, 'base64'))
  }
  return directories.map((directory) => join(folder, directory))
}

/** Every file below a folder, by its path. */
export function filesOf(folder: string): Record<string, string> {
  const files: Record<string, string> = {}
  for (const name of readdirSync(folder, { recursive: true }).map(String).sort()) {
    if (statSync(join(folder, name)).isFile()) files[name] = readFileSync(join(folder, name)).toString('base64')
  }
  return files
}

/** Copies a folder with everything in it, holes and times included. */
export function copyFolder(from: string, to: string): void {
  execFileSync('cp', ['-a', from, to])
}

/** The lines of an export in the form of the driver's: sorted headers, a space, the body, in base64. */
export function eventsOf(exported: string): string[] {
  return exported
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { headers, body, base64 } = JSON.parse(line) as {
        headers: Record<string, string>
        body?: string
        base64?: string
      }
      const sorted = Object.keys(headers)
        .sort((a, b) => (a < b ? -1 : 1))
        .map((name) => `${name}=${headers[name]};`)
        .join('')
      return `${Buffer.from(sorted).toString('base64')} ${base64 ?? Buffer.from(body ?? '').toString('base64')}`
    })
}
