// Reads an uncompressed Hadoop SequenceFile with BytesWritable values. A reader of its own, so that the demo does not
// check a writer by its own mistakes.
//
//   file   := "SEQ" 06  text text (key and value class)  00 00 (no compression)  int32 pairs of metadata  sync[16]  record…
//   record := int32 -1 sync[16]  |  int32 length  int32 key length  key  int32 length of the body  body

const syncBytes = 16

/** The bodies of the file's records, as text. Throws when the bytes are not such a file, or end within a record. */
export function readSequenceFile(bytes) {
  let at = 0
  const take = (length) => {
    if (length < 0 || at + length > bytes.length) throw new Error(`the file ends within a record, at byte ${at}`)
    at += length
    return bytes.subarray(at - length, at)
  }
  const int32 = () => take(4).readInt32BE()
  const text = () => {
    const [length] = take(1)
    if (length > 127) throw new Error('a class name longer than 127 bytes')
    return take(length).toString()
  }
  if (take(4).toString('latin1') !== 'SEQ\x06') throw new Error('this is not a SequenceFile of version 6')
  const classes = [text(), text()]
  if (classes[1] !== 'org.apache.hadoop.io.BytesWritable') throw new Error(`the values are ${classes[1]}`)
  const [compressed, blocks] = take(2)
  if (compressed || blocks) throw new Error('the file is compressed')
  for (let pairs = int32(); pairs > 0; pairs--) [text(), text()]
  const sync = take(syncBytes)

  const bodies = []
  while (at < bytes.length) {
    const length = int32()
    if (length === -1) {
      if (!take(syncBytes).equals(sync)) throw new Error(`a wrong sync mark at byte ${at - syncBytes}`)
      continue
    }
    const record = take(length + 4)
    const value = record.subarray(4 + record.readInt32BE())
    if (value.readInt32BE() !== value.length - 4) throw new Error(`a value of wrong length before byte ${at}`)
    bodies.push(value.subarray(4).toString())
  }
  return bodies
}
