/** Text that is as repetitive as a log, the same at every call. */
export function logLines(bytes: number): Buffer {
  const lines: string[] = []
  let state = 1
  let length = 0
  while (length < bytes) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    const line = `10.0.${(state >>> 8) & 255}.${(state >>> 16) & 255} - - [23/Nov/2026:08:0${state % 10}:11 +0000] "GET /path/${state % 97}/item-${state % 1009} HTTP/1.1" 200 ${state >>> 19}\n`
    lines.push(line)
    length += line.length
  }
  return Buffer.from(lines.join('')).subarray(0, bytes)
}
