/** Counters of one component, named as Flume's `/metrics` names them (flume-protocols §10.1). Plain numbers: counting must cost nothing. */
export class SourceCounters {
  eventReceived = 0
  eventAccepted = 0
  appendReceived = 0
  appendAccepted = 0
  appendBatchReceived = 0
  appendBatchAccepted = 0
  openConnections = 0
  eventReadFail = 0
  channelWriteFail = 0
  genericProcessingFail = 0
  /** Events that an interceptor or the selector let go nowhere. */
  dropped = 0
  /** Copies that the buffers of subscribers had no room for; the events themselves were accepted. */
  subscriberDropped = 0
  startTimeMs = 0
  stopTimeMs = 0
  /** What only this kind of component counts, under its name in /metrics, such as KafkaEmptyCount. */
  readonly more: Record<string, number> = {}
}

export class ChannelCounters {
  eventPutAttempt = 0
  eventPutSuccess = 0
  eventTakeAttempt = 0
  eventTakeSuccess = 0
  startTimeMs = 0
  stopTimeMs = 0
  /** What only this kind of component counts, under its name in /metrics, such as KafkaEmptyCount. */
  readonly more: Record<string, number> = {}
}

export class SinkCounters {
  connectionCreated = 0
  connectionClosed = 0
  connectionFailed = 0
  batchEmpty = 0
  batchUnderflow = 0
  batchComplete = 0
  eventDrainAttempt = 0
  eventDrainSuccess = 0
  eventWriteFail = 0
  channelReadFail = 0
  startTimeMs = 0
  stopTimeMs = 0
  /** What only this kind of component counts, under its name in /metrics, such as KafkaEmptyCount. */
  readonly more: Record<string, number> = {}
}

/** The values of a source under their names in /metrics. */
export function sourceMetrics(counters: SourceCounters): Record<string, number> {
  return {
    ...times(counters),
    EventReceivedCount: counters.eventReceived,
    EventAcceptedCount: counters.eventAccepted,
    AppendReceivedCount: counters.appendReceived,
    AppendAcceptedCount: counters.appendAccepted,
    AppendBatchReceivedCount: counters.appendBatchReceived,
    AppendBatchAcceptedCount: counters.appendBatchAccepted,
    OpenConnectionCount: counters.openConnections,
    EventReadFail: counters.eventReadFail,
    ChannelWriteFail: counters.channelWriteFail,
    GenericProcessingFail: counters.genericProcessingFail,
    ...counters.more,
  }
}

/** The values of a channel that holds `size` events under their names in /metrics. */
export function channelMetrics(counters: ChannelCounters, size: number, capacity: number): Record<string, number> {
  return {
    ...times(counters),
    ChannelSize: size,
    ChannelCapacity: capacity,
    // Flume's answer where there is no capacity to fill (O-06).
    ChannelFillPercentage: capacity === 0 ? Number.MAX_VALUE : (size / capacity) * 100,
    EventPutAttemptCount: counters.eventPutAttempt,
    EventPutSuccessCount: counters.eventPutSuccess,
    EventTakeAttemptCount: counters.eventTakeAttempt,
    EventTakeSuccessCount: counters.eventTakeSuccess,
    ...counters.more,
  }
}

/** The values of a sink under their names in /metrics. */
export function sinkMetrics(counters: SinkCounters): Record<string, number> {
  return {
    ...times(counters),
    ConnectionCreatedCount: counters.connectionCreated,
    ConnectionClosedCount: counters.connectionClosed,
    ConnectionFailedCount: counters.connectionFailed,
    BatchEmptyCount: counters.batchEmpty,
    BatchUnderflowCount: counters.batchUnderflow,
    BatchCompleteCount: counters.batchComplete,
    EventDrainAttemptCount: counters.eventDrainAttempt,
    EventDrainSuccessCount: counters.eventDrainSuccess,
    EventWriteFail: counters.eventWriteFail,
    ChannelReadFail: counters.channelReadFail,
    ...counters.more,
  }
}

function times({ startTimeMs, stopTimeMs }: { readonly startTimeMs: number; readonly stopTimeMs: number }) {
  return { StartTime: startTimeMs, StopTime: stopTimeMs }
}
