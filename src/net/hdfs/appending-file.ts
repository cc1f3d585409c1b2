import { byteLength, type FileSystem, type OpenFile } from './file-system.ts'

/** An open file where none can be kept open: each write is an append of its own. */
export class AppendingFile implements OpenFile {
  readonly #fileSystem: Pick<FileSystem, 'append'>
  readonly #path: string
  #lengthBytes: number
  readonly replicas = undefined

  constructor(fileSystem: Pick<FileSystem, 'append'>, path: string, lengthBytes: number) {
    this.#fileSystem = fileSystem
    this.#path = path
    this.#lengthBytes = lengthBytes
  }

  async write(parts: readonly Uint8Array[]): Promise<void> {
    await this.#fileSystem.append(this.#path, parts, this.#lengthBytes)
    this.#lengthBytes += byteLength(parts)
  }

  async close(): Promise<void> {}

  abandon(): void {}
}
