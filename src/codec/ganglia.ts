// Ganglia's UDP packets, as Flume sends them (flume-protocols §10.2). XDR: every number is 4 bytes, big-endian; a text
// is its length in bytes, its UTF-8 bytes, and zeros up to a multiple of 4.
//
//   metadata (3.1):  128 host name spoof=0 type name units="" slope=3 tmax=60 dmax=0 extras=1 "GROUP" "flume"
//   value    (3.1):  133 host name spoof=0 format="%s" value
//   metric   (3.0):  0 type "host.name" value units="" slope=3 tmax=60 dmax=0

/** One number or word to be shown by Ganglia. */
export interface GangliaMetric {
  /** The reporting machine's name. */
  readonly host: string
  readonly name: string
  readonly value: string
}

const metadataId = 128
const valueId = 133
/** Both ways: the value may rise and fall. */
const slopeBoth = 3
const tmaxSeconds = 60
const dmaxSeconds = 0
const group = 'flume'

/** The two packets of a metric for Ganglia 3.1 and newer, in the order they are to be sent. */
export function gangliaPackets({
  host,
  name,
  value,
}: GangliaMetric): readonly [metadata: Uint8Array, value: Uint8Array] {
  return [
    packet(metadataId, host, name, 0, typeOf(value), name, '', slopeBoth, tmaxSeconds, dmaxSeconds, 1, 'GROUP', group),
    packet(valueId, host, name, 0, '%s', value),
  ]
}

/** The one packet of a metric for Ganglia 3.0. */
export function ganglia3Packet({ host, name, value }: GangliaMetric): Uint8Array {
  return packet(0, typeOf(value), `${host}.${name}`, value, '', slopeBoth, tmaxSeconds, dmaxSeconds)
}

function typeOf(value: string): 'float' | 'string' {
  return value.trim() !== '' && Number.isFinite(Number(value)) ? 'float' : 'string'
}

function packet(...fields: readonly (string | number)[]): Uint8Array {
  const parts = fields.map((field) => {
    if (typeof field === 'number') {
      const word = Buffer.alloc(4)
      word.writeInt32BE(field)
      return word
    }
    const text = Buffer.from(field)
    const padded = Buffer.alloc(4 + Math.ceil(text.length / 4) * 4)
    padded.writeInt32BE(text.length)
    text.copy(padded, 4)
    return padded
  })
  return Buffer.concat(parts)
}
