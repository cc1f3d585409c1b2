/**
 * RC2 in CBC mode, decryption only (RFC 2268): the certificates in PKCS#12 stores of Java 8 are under a 40-bit RC2 key,
 * which OpenSSL 3 no longer gives.
 */
const piTable = Buffer.from(
  'd978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2' +
    '179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82' +
    '54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626' +
    '6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7' +
    '08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec' +
    'c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731' +
    '2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9' +
    '0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad',
  'hex',
)

/** The clear bytes, padding included; `data` must be whole blocks of 8 bytes. */
export function decryptRc2(key: Buffer, iv: Buffer, data: Buffer): Buffer {
  const words = expand(key, key.length * 8)
  const clear = Buffer.alloc(data.length)
  let before = iv
  for (let at = 0; at < data.length; at += 8) {
    const block = data.subarray(at, at + 8)
    decryptBlock(words, block, clear, at)
    for (let i = 0; i < 8; i++) clear[at + i] = (clear[at + i] as number) ^ (before[i] as number)
    before = block
  }
  return clear
}

/** Key expansion with an effective length of `bits`. */
function expand(key: Buffer, bits: number): Uint16Array {
  const bytes = Buffer.alloc(128)
  key.copy(bytes)
  for (let i = key.length; i < 128; i++) {
    bytes[i] = piTable[((bytes[i - 1] as number) + (bytes[i - key.length] as number)) & 0xff] as number
  }
  const effectiveBytes = (bits + 7) >> 3
  const mask = 0xff >> ((8 - (bits & 7)) & 7)
  bytes[128 - effectiveBytes] = piTable[(bytes[128 - effectiveBytes] as number) & mask] as number
  for (let i = 127 - effectiveBytes; i >= 0; i--) {
    bytes[i] = piTable[(bytes[i + 1] as number) ^ (bytes[i + effectiveBytes] as number)] as number
  }
  return Uint16Array.from({ length: 64 }, (_, i) => bytes.readUInt16LE(2 * i))
}

const rotations = [1, 2, 3, 5]

function decryptBlock(k: Uint16Array, block: Buffer, target: Buffer, at: number): void {
  const r = Uint16Array.from({ length: 4 }, (_, i) => block.readUInt16LE(2 * i))
  let j = 63
  const mix = (): void => {
    for (let i = 3; i >= 0; i--) {
      const s = rotations[i] as number
      const v = r[i] as number
      const turned = ((v >>> s) | (v << (16 - s))) & 0xffff
      const [a, b, c] = [r[(i + 3) & 3] as number, r[(i + 2) & 3] as number, r[(i + 1) & 3] as number]
      r[i] = turned - (k[j--] as number) - (a & b) - (~a & c)
    }
  }
  const mash = (): void => {
    for (let i = 3; i >= 0; i--) r[i] = (r[i] as number) - (k[(r[(i + 3) & 3] as number) & 63] as number)
  }
  for (let i = 0; i < 5; i++) mix()
  mash()
  for (let i = 0; i < 6; i++) mix()
  mash()
  for (let i = 0; i < 5; i++) mix()
  for (let i = 0; i < 4; i++) target.writeUInt16LE(r[i] as number, at + 2 * i)
}
