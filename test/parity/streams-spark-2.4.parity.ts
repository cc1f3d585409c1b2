import { compareWith } from './stream-parity.ts'

await compareWith('spark-2.4')
