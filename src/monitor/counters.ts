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
}

export class ChannelCounters {
  eventPutAttempt = 0
  eventPutSuccess = 0
  eventTakeAttempt = 0
  eventTakeSuccess = 0
  startTimeMs = 0
  stopTimeMs = 0
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
}
