import { compareWith } from './stream-parity.ts'

await compareWith('spark-3.5')
