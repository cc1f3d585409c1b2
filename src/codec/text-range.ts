/** Texts up to this many characters are read and written byte by byte: cheaper than a call into the runtime. */
export const shortText = 24

/** UTF-8 bytes as text; bytes that are no UTF-8 become U+FFFD, as Java reads them. */
export function textOf(bytes: Buffer, start: number, end: number): string {
  if (end - start <= shortText) {
    let text = ''
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number
      if (byte > 0x7f) return bytes.toString('utf8', start, end)
      text += String.fromCharCode(byte)
    }
    return text
  }
  return bytes.toString('utf8', start, end)
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
