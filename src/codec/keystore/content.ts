/** A private key and the certificates that vouch for it, the key's own first. */
export interface StoredKey {
  readonly alias: string
  /** PKCS#8, not encrypted. */
  readonly key: Buffer
  /** X.509, in DER. */
  readonly chain: readonly Buffer[]
}

/** What a store holds, whatever its format. */
export interface StoreContent {
  readonly keys: readonly StoredKey[]
  /** Certificates that stand for themselves, to be trusted. */
  readonly trusted: readonly Buffer[]
}
