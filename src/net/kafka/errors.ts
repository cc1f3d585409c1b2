import { type ErrorCode, FlumeError } from '../../core/error.ts'

/** The error codes of brokers that something is decided by. */
export const kafkaCodes = {
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  messageTooLarge: 10,
  notCoordinator: 16,
  invalidTopic: 17,
  recordListTooLarge: 18,
  illegalGeneration: 22,
  unknownMemberId: 25,
  rebalanceInProgress: 27,
  topicAuthorizationFailed: 29,
  topicAlreadyExists: 36,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  concurrentTransactions: 51,
  memberIdRequired: 79,
  fencedInstanceId: 82,
  unstableOffsetCommit: 88,
  producerFenced: 90,
} as const

type Meaning = readonly [name: string, what: string, does?: 'retry' | 'metadata' | 'coordinator']

/** What brokers' answers mean; `metadata` and `coordinator`: ask again where to go, then try again. */
const meanings: Readonly<Record<number, Meaning>> = {
  [-1]: ['UNKNOWN_SERVER_ERROR', 'the broker failed'],
  1: ['OFFSET_OUT_OF_RANGE', 'the broker has no such offset (any more)'],
  2: ['CORRUPT_MESSAGE', 'the records were damaged on their way', 'retry'],
  3: ['UNKNOWN_TOPIC_OR_PARTITION', 'there is no such topic or partition', 'metadata'],
  5: ['LEADER_NOT_AVAILABLE', 'the partition has no leader now', 'metadata'],
  6: ['NOT_LEADER_OR_FOLLOWER', 'another broker leads the partition now', 'metadata'],
  7: ['REQUEST_TIMED_OUT', 'the broker did not finish in time', 'retry'],
  8: ['BROKER_NOT_AVAILABLE', 'the broker is not available', 'metadata'],
  9: ['REPLICA_NOT_AVAILABLE', 'the replica is not available', 'metadata'],
  10: ['MESSAGE_TOO_LARGE', 'the records are larger than the topic takes (max.message.bytes)'],
  14: ['COORDINATOR_LOAD_IN_PROGRESS', 'the coordinator is still reading its state', 'retry'],
  15: ['COORDINATOR_NOT_AVAILABLE', 'the coordinator is not available', 'coordinator'],
  16: ['NOT_COORDINATOR', 'another broker coordinates now', 'coordinator'],
  17: ['INVALID_TOPIC_EXCEPTION', 'no topic may be called so'],
  18: ['RECORD_LIST_TOO_LARGE', 'the records are larger than a segment of the topic'],
  19: ['NOT_ENOUGH_REPLICAS', 'too few replicas are in step', 'retry'],
  20: ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'too few replicas took the records', 'retry'],
  21: ['INVALID_REQUIRED_ACKS', 'acks must be 0, 1 or all'],
  22: ['ILLEGAL_GENERATION', 'the group has gone on without this member'],
  23: ['INCONSISTENT_GROUP_PROTOCOL', 'the members of the group know no common way to share partitions'],
  24: ['INVALID_GROUP_ID', 'no group may be called so'],
  25: ['UNKNOWN_MEMBER_ID', 'the group does not know this member any more'],
  26: ['INVALID_SESSION_TIMEOUT', 'the broker does not allow this session.timeout.ms'],
  27: ['REBALANCE_IN_PROGRESS', 'the group is sharing its partitions anew'],
  29: ['TOPIC_AUTHORIZATION_FAILED', 'this user may not use the topic'],
  30: ['GROUP_AUTHORIZATION_FAILED', 'this user may not use the group'],
  31: ['CLUSTER_AUTHORIZATION_FAILED', 'this user may not do that'],
  32: ['INVALID_TIMESTAMP', 'the timestamp of a record is out of the range that the topic takes'],
  33: ['UNSUPPORTED_SASL_MECHANISM', 'the broker does not take this sasl.mechanism'],
  35: ['UNSUPPORTED_VERSION', 'the broker is too old or too new for this request'],
  36: ['TOPIC_ALREADY_EXISTS', 'the topic is there already'],
  41: ['NOT_CONTROLLER', 'another broker is the controller now', 'metadata'],
  42: ['INVALID_REQUEST', 'the broker did not understand the request'],
  45: ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'records before these are missing'],
  46: ['DUPLICATE_SEQUENCE_NUMBER', 'the records are there already'],
  47: ['INVALID_PRODUCER_EPOCH', 'another producer has taken over this transactional.id'],
  48: ['INVALID_TXN_STATE', 'the transaction is not in a state for that'],
  51: ['CONCURRENT_TRANSACTIONS', 'the last transaction is still being ended', 'retry'],
  53: ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'this user may not use the transactional.id'],
  56: ['KAFKA_STORAGE_ERROR', 'a disk of the broker failed', 'metadata'],
  58: ['SASL_AUTHENTICATION_FAILED', 'user or password is wrong'],
  74: ['FENCED_LEADER_EPOCH', 'the partition has a newer leader', 'metadata'],
  75: ['UNKNOWN_LEADER_EPOCH', 'the broker does not know the leader yet', 'metadata'],
  76: ['UNSUPPORTED_COMPRESSION_TYPE', 'the broker does not take this compression'],
  79: ['MEMBER_ID_REQUIRED', 'the member must come again with its id'],
  82: ['FENCED_INSTANCE_ID', 'another member uses this group.instance.id'],
  87: ['INVALID_RECORD', 'the broker refused a record'],
  88: ['UNSTABLE_OFFSET_COMMIT', 'a transaction over these offsets is still open', 'retry'],
  90: ['PRODUCER_FENCED', 'another producer has taken over this transactional.id'],
  100: ['UNKNOWN_TOPIC_ID', 'there is no such topic', 'metadata'],
}

const flumeCodes: Readonly<Record<number, ErrorCode>> = {
  10: 'LIMIT',
  18: 'LIMIT',
  17: 'INVALID_DATA',
  32: 'INVALID_DATA',
  87: 'INVALID_DATA',
}

/** A broker's refusal. */
export class KafkaError extends FlumeError {
  /** Kafka's error code. */
  readonly kafkaCode: number

  constructor(kafkaCode: number, where: string, said?: string) {
    const [name, what, does] = meanings[kafkaCode] ?? [`ERROR_${kafkaCode}`, 'the broker refused']
    super(flumeCodes[kafkaCode] ?? 'REFUSED', `${where}: ${what}${said ? `: ${said}` : ''} (${name})`, {
      retry: does !== undefined,
    })
    this.name = 'KafkaError'
    this.kafkaCode = kafkaCode
  }

  /** What is known of the cluster is out of date. */
  get asksForMetadata(): boolean {
    return meanings[this.kafkaCode]?.[2] === 'metadata'
  }

  /** The coordinator is another broker, or is not there now. */
  get asksForCoordinator(): boolean {
    return meanings[this.kafkaCode]?.[2] === 'coordinator'
  }
}

export function isKafkaError(error: unknown, ...codes: readonly number[]): error is KafkaError {
  return error instanceof KafkaError && codes.includes(error.kafkaCode)
}
