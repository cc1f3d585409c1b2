/** Makes one file's bytes of records. */
export interface FileEncoder {
  /** Takes a record that is neither null nor undefined; true: enough has come together for `take`. */
  add(record: unknown): boolean
  /** What has come together so far; with `isLast` the file is whole then. */
  take(isLast: boolean): Uint8Array
}
