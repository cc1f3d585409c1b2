import type { ThriftProtocol } from '../../codec/thrift/protocol.ts'
import { text } from '../../spec/option.ts'

/** Flume's `protocol` property of everything that speaks Thrift. */
export const thriftProtocolOption = text({
  default: 'compact',
  doc: 'compact or binary, as the other side has it; exactly so: Flume takes BINARY for compact.',
})

/** Flume compares with `binary` to the letter and takes everything else for compact. */
export function thriftProtocolOf(word: string): ThriftProtocol {
  return word === 'binary' ? 'binary' : 'compact'
}

/** What to say of a word that does not mean what it says; undefined when nothing is. */
export function thriftProtocolProblem(
  word: string,
): { readonly isKnown: boolean; readonly message: string } | undefined {
  if (word === 'binary' || /^compact$/i.test(word)) return undefined
  return /^binary$/i.test(word)
    ? { isKnown: true, message: `"${word}" means compact, as in Flume; binary is written in lower case` }
    : { isKnown: false, message: `"${word}" is neither compact nor binary` }
}
