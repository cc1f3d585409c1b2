import type { StreamGraph } from '../graph/graph.ts'
import type { BatchInfo, OutputOperationInfo, ReceiverInfo, StreamingListener } from './listener.ts'

/** What a page about a running job shows: batches that wait, run and are done, and how much was received and processed. */
export class StreamingProgress implements StreamingListener {
  readonly #graph: StreamGraph
  readonly #retained: number
  readonly #waiting = new Map<number, BatchInfo>()
  readonly #running = new Map<number, BatchInfo>()
  readonly #completed: BatchInfo[] = []
  readonly #receivers = new Map<number, ReceiverInfo>()
  #startTime: number | undefined
  #totalCompleted = 0
  #totalReceived = 0
  #totalProcessed = 0

  /** Keeps the last `retained` completed batches. */
  constructor(graph: StreamGraph, retained: number) {
    this.#graph = graph
    this.#retained = retained
  }

  /** When the context became active, in milliseconds since the epoch. */
  get startTime(): number | undefined {
    return this.#startTime
  }

  get batchDurationMs(): number {
    return this.#graph.batchMs
  }

  get inputNames(): ReadonlyMap<number, string> {
    return new Map(this.#graph.inputs.map((input) => [input.streamId, input.name]))
  }

  get waiting(): BatchInfo[] {
    return [...this.#waiting.values()]
  }

  get running(): BatchInfo[] {
    return [...this.#running.values()]
  }

  /** Oldest first. */
  get completed(): readonly BatchInfo[] {
    return this.#completed
  }

  get receivers(): ReceiverInfo[] {
    return [...this.#receivers.values()]
  }

  get totalCompletedBatches(): number {
    return this.#totalCompleted
  }

  /** Records of batches that have started. */
  get totalReceivedRecords(): number {
    return this.#totalReceived
  }

  /** Records of batches that are done. */
  get totalProcessedRecords(): number {
    return this.#totalProcessed
  }

  onStreamingStarted({ time }: { readonly time: number }): void {
    this.#startTime = time
  }

  onReceiverStarted({ receiverInfo }: { readonly receiverInfo: ReceiverInfo }): void {
    this.#receivers.set(receiverInfo.streamId, receiverInfo)
  }

  onReceiverError({ receiverInfo }: { readonly receiverInfo: ReceiverInfo }): void {
    this.#receivers.set(receiverInfo.streamId, receiverInfo)
  }

  onReceiverStopped({ receiverInfo }: { readonly receiverInfo: ReceiverInfo }): void {
    this.#receivers.set(receiverInfo.streamId, receiverInfo)
  }

  onBatchSubmitted({ batchInfo }: { readonly batchInfo: BatchInfo }): void {
    this.#waiting.set(batchInfo.batchTime.milliseconds, batchInfo)
  }

  onBatchStarted({ batchInfo }: { readonly batchInfo: BatchInfo }): void {
    this.#waiting.delete(batchInfo.batchTime.milliseconds)
    this.#running.set(batchInfo.batchTime.milliseconds, batchInfo)
    this.#totalReceived += batchInfo.numRecords
  }

  onOutputOperationStarted({ outputOperationInfo }: { readonly outputOperationInfo: OutputOperationInfo }): void {
    this.#noteOperation(outputOperationInfo)
  }

  onOutputOperationCompleted({ outputOperationInfo }: { readonly outputOperationInfo: OutputOperationInfo }): void {
    this.#noteOperation(outputOperationInfo)
  }

  onBatchCompleted({ batchInfo }: { readonly batchInfo: BatchInfo }): void {
    this.#running.delete(batchInfo.batchTime.milliseconds)
    this.#completed.push(batchInfo)
    if (this.#completed.length > this.#retained) this.#completed.shift()
    this.#totalCompleted++
    this.#totalProcessed += batchInfo.numRecords
  }

  #noteOperation(info: OutputOperationInfo): void {
    const batch = this.#running.get(info.batchTime.milliseconds)
    if (batch) (batch.outputOperationInfos as Map<number, OutputOperationInfo>).set(info.id, info)
  }
}
