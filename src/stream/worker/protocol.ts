/*
 * What goes between the thread of a job and its workers.
 *
 *   start (as workerData)            →  module is loaded, graph is built
 *   ready | unable                   ←
 *   broadcast*                       →
 *   task                             →
 *   done | failed                    ←  one for each task; a worker has one task at a time
 *
 * Functions are never sent: a step names an operator, and the worker has the same one.
 */
import { asError, FlumeError } from '../../core/error.ts'
import type { Column } from '../rdd/column.ts'
import type { FilePart, Origin, OutputFile, Route } from '../rdd/plan.ts'
import type { Update } from '../shared.ts'
import type { Captured } from './captured.ts'

/** What a worker is started with. */
export interface Start {
  readonly file: string
  readonly name: string
  readonly args: readonly string[]
  readonly batchIntervalMs: number
  readonly mounts: readonly (readonly [string, string])[]
  readonly settings: readonly (readonly [string, string])[]
}

/** One function of a chain, and the number of its partition. */
export interface StepAt extends Origin {
  readonly index: number
}

/** Where the records of a chain come from. */
export type Beginning =
  | { readonly kind: 'column'; readonly column: Column }
  | { readonly kind: 'text'; readonly part: FilePart }
  | { readonly kind: 'input'; readonly node: number; readonly part: unknown }

/** One partition: where its records come from, and what is done with each, in order. */
export interface Chain {
  readonly from: Beginning
  readonly steps: readonly StepAt[]
}

export type Task =
  | { readonly kind: 'collect'; readonly chain: Chain; readonly limit: number | undefined }
  | { readonly kind: 'count'; readonly chain: Chain }
  | { readonly kind: 'combine'; readonly chain: Chain; readonly at: Origin }
  | { readonly kind: 'route'; readonly chain: Chain; readonly to: Route }
  | { readonly kind: 'merge'; readonly at: Origin; readonly columns: readonly Column[] }
  | { readonly kind: 'save'; readonly chain: Chain; readonly file: OutputFile }

export type ToWorker =
  | { readonly kind: 'broadcast'; readonly index: number; readonly bytes: Uint8Array }
  | { readonly kind: 'task'; readonly task: Task }

export type FromWorker =
  | { readonly kind: 'ready'; readonly graph: readonly string[]; readonly captured: Captured }
  | { readonly kind: 'unable'; readonly error: PlainError }
  | { readonly kind: 'done'; readonly result: unknown; readonly updates: readonly Update[] }
  /** `crosses` false: the records can only be used in the thread that makes them. */
  | { readonly kind: 'failed'; readonly error: PlainError; readonly crosses: boolean }

/** An error as plain values; its stack names the lines of the job. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly code?: FlumeError['code']
  readonly hint?: string | undefined
  readonly cause?: PlainError
}

/** Longest chain of causes that is sent along. */
const causesMax = 5

export function plainError(thrown: unknown, depth = 0): PlainError {
  const error = asError(thrown)
  const { name, message, stack, cause } = error
  return {
    name,
    message,
    stack,
    ...(error instanceof FlumeError && { code: error.code, hint: error.hint }),
    ...(cause !== undefined && depth < causesMax && { cause: plainError(cause, depth + 1) }),
  }
}

const kinds = new Map<string, new (message: string) => Error>(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((kind) => [kind.name, kind]),
)

/** The error again, of its class where that is one of the language or of the project. */
export function rebuiltError({ name, message, stack, code, hint, cause }: PlainError): Error {
  const error =
    code === undefined
      ? new (kinds.get(name) ?? Error)(message)
      : new FlumeError(code, message, hint === undefined ? {} : { hint })
  if (error.name !== name) error.name = name
  if (stack !== undefined) error.stack = stack
  if (cause) error.cause = rebuiltError(cause)
  return error
}
