// Records as rows with named fields, for the formats that need them.
//   { a, b }       the fields of the object
//   ['x', 1]       _1, _2, … as Spark names the parts of tuples
//   anything else  value, as Spark names it
type Row = Readonly<Record<string, unknown>>

/** The fields of a record. */
export function rowOf(record: unknown): Row {
  if (Array.isArray(record)) {
    const row: Record<string, unknown> = {}
    for (let i = 0; i < record.length; i++) row[`_${i + 1}`] = record[i]
    return row
  }
  if (record instanceof Map) return Object.fromEntries(record)
  return isPlainEnough(record) ? record : { value: record }
}

/** Objects of the job's own classes are rows too; what stands for one value is not. */
export function isPlainEnough(value: unknown): value is Row {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array || value instanceof Date || value instanceof Map || value instanceof Set)
  )
}

/** The names of all fields that any of the records has, in the order in which they come. */
export function columnsOf(records: readonly unknown[]): string[] {
  const names = new Set<string>()
  for (const record of records) for (const name of Object.keys(rowOf(record))) names.add(name)
  return [...names]
}
