/** What an LZ4 block stands for, by the book and without any haste. */
export function lz4Uncompress(block: Uint8Array): Buffer {
  const out: number[] = []
  let at = 0
  const next = (): number => {
    const byte = block[at++]
    if (byte === undefined) throw new Error('the block is cut off')
    return byte
  }
  const more = (length: number): number => {
    if (length < 15) return length
    let sum = length
    for (let byte = 255; byte === 255; sum += byte) byte = next()
    return sum
  }
  for (;;) {
    const token = next()
    for (let left = more(token >>> 4); left > 0; left--) out.push(next())
    if (at === block.length) return Buffer.from(out)
    const offset = next() + 256 * next()
    if (offset === 0 || offset > out.length) throw new Error(`the offset ${offset} of ${out.length}`)
    if (at > block.length - 5) throw new Error('the last sequence is no literal')
    for (let left = more(token & 15) + 4; left > 0; left--) out.push(out[out.length - offset] as number)
  }
}
