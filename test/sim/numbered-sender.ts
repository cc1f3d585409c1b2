import { systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import type { Random } from '../../src/core/random.ts'
import { FlumeClient } from '../../src/net/avro-rpc/flume-client.ts'

/** Events of one request. */
export const sendCount = 20

/** What is told of the sending. */
export interface SenderLedger {
  /** Events that were acknowledged, and the number of the next one. */
  readonly acknowledged: number
  sending(numbers: readonly number[]): void
  acknowledge(count: number): void
}

/** Batches of rising numbers; each is sent until it is acknowledged. */
export async function sendNumbers(
  port: number,
  ledger: SenderLedger,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  let client: FlumeClient | undefined
  while (!signal.aborted) {
    const first = ledger.acknowledged
    const numbers = Array.from({ length: sendCount }, (_, i) => first + i)
    const batch = EventBatch.of(numbers.map((number) => ({ body: `${number} ${'x'.repeat(random() * 300)}` })))
    ledger.sending(numbers)
    for (let isKept = false; !isKept; ) {
      try {
        client ??= await FlumeClient.connect({ host: '127.0.0.1', port, clock: systemClock })
        isKept = (await client.appendBatch(batch)) === 'OK'
      } catch {
        await client?.close()
        client = undefined
        await systemClock.sleep(10)
      }
    }
    ledger.acknowledge(sendCount)
  }
  await client?.close()
}
