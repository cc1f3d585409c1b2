/**
 * Whether a name as Node lists it may stand for another one: where a name's bytes are no UTF-8, U+FFFD comes in their
 * place, and no file is found by that.
 */
export function isLossyName(name: string): boolean {
  return name.includes('\ufffd')
}

/** What is said of such a file, for Flume passes it over without a word. */
export function lossyNameWords(path: string): string {
  return `${path} is passed over: its name is no UTF-8 (rename it; said once for a directory)`
}
