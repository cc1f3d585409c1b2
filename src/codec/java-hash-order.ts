/** The order in which a java.util.HashMap that was copied from these keys lists them, so that files are equal byte for byte. */
export function hashMapOrder(names: readonly string[]): readonly string[] {
  if (names.length < 2) return names
  let tableSize = 1
  while (tableSize < Math.floor(names.length / 0.75 + 1)) tableSize *= 2
  const buckets = names.map((name) => {
    let hash = 0
    for (let i = 0; i < name.length; i++) hash = (Math.imul(31, hash) + name.charCodeAt(i)) | 0
    return (hash ^ (hash >>> 16)) & (tableSize - 1)
  })
  return names
    .map((name, index) => ({ name, bucket: buckets[index] as number }))
    .sort((a, b) => a.bucket - b.bucket)
    .map(({ name }) => name)
}
