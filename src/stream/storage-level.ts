/** How a stream's data is kept. In one process only "kept or not" is observable; replicas and off-heap are accepted and mean nothing here. */
export class StorageLevel {
  readonly name: string
  readonly useDisk: boolean
  readonly useMemory: boolean
  readonly deserialized: boolean
  readonly replication: number

  constructor(name: string, useDisk: boolean, useMemory: boolean, deserialized: boolean, replication = 1) {
    this.name = name
    this.useDisk = useDisk
    this.useMemory = useMemory
    this.deserialized = deserialized
    this.replication = replication
  }

  /** True when data is to be kept at all. */
  get isKept(): boolean {
    return this.useDisk || this.useMemory
  }

  toString(): string {
    return this.name
  }

  static readonly NONE = new StorageLevel('NONE', false, false, false)
  static readonly DISK_ONLY = new StorageLevel('DISK_ONLY', true, false, false)
  static readonly DISK_ONLY_2 = new StorageLevel('DISK_ONLY_2', true, false, false, 2)
  static readonly MEMORY_ONLY = new StorageLevel('MEMORY_ONLY', false, true, true)
  static readonly MEMORY_ONLY_2 = new StorageLevel('MEMORY_ONLY_2', false, true, true, 2)
  static readonly MEMORY_ONLY_SER = new StorageLevel('MEMORY_ONLY_SER', false, true, false)
  static readonly MEMORY_ONLY_SER_2 = new StorageLevel('MEMORY_ONLY_SER_2', false, true, false, 2)
  static readonly MEMORY_AND_DISK = new StorageLevel('MEMORY_AND_DISK', true, true, true)
  static readonly MEMORY_AND_DISK_2 = new StorageLevel('MEMORY_AND_DISK_2', true, true, true, 2)
  static readonly MEMORY_AND_DISK_SER = new StorageLevel('MEMORY_AND_DISK_SER', true, true, false)
  static readonly MEMORY_AND_DISK_SER_2 = new StorageLevel('MEMORY_AND_DISK_SER_2', true, true, false, 2)
  static readonly OFF_HEAP = new StorageLevel('OFF_HEAP', true, true, false)
}
