/** Kafka's hash of a key (32-bit murmur2 with its seed), so that a key goes where Java's producer sends it. */
export function murmur2(bytes: Uint8Array): number {
  const m = 0x5bd1e995
  const { length } = bytes
  let hash = 0x9747b28c ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let k =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    hash = Math.imul(hash, m) ^ Math.imul(k, m)
  }
  for (let left = length - at; left > 0; left--) {
    hash ^= (bytes[at + left - 1] as number) << (8 * (left - 1))
    if (left === 1) hash = Math.imul(hash, m)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, m)
  return hash ^ (hash >>> 15)
}

/** The partition of a key among `partitions`, as Java's default partitioner picks it. */
export function partitionOfKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}
