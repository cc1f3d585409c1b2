import type { AgentModel } from '../config/model.ts'
import type { Summary } from './agent.ts'

interface Named {
  readonly name: string
  readonly spec: {
    readonly type: string
    readonly title?: string
    describe?(options: Readonly<Record<string, unknown>>): string
  }
  readonly options: Readonly<Record<string, unknown>>
}

/** What runs, one line for each way through the agent: `r1 FlumeSource localhost:44444 → c1 memory → k1 HDFS hdfs://…`. */
export function describeFlows(model: AgentModel): string[] {
  const lines: string[] = []
  for (const channel of model.channels) {
    const sources = model.sources.filter((source) => source.channels.includes(channel.name)).map(describe)
    const writers = model.sinks.filter(({ deadLetters }) => deadLetters?.channel === channel.name)
    sources.push(...writers.map(({ name }) => `dead letters of ${name}`))
    const sinks = model.sinks.filter((sink) => sink.channel === channel.name).map(describe)
    lines.push([sources.join(', ') || '(no source)', describe(channel), sinks.join(', ') || '(no sink)'].join(' → '))
  }
  return lines
}

/** What went through, in lines for people. */
export function describeSummary(summary: Summary): string[] {
  return [
    ...summary.sources.map(({ name, accepted, refused }) => {
      const not = refused > 0 ? `, refused ${refused}` : ''
      return `${name} took in ${events(accepted)}${not}`
    }),
    ...summary.channels.map(({ name, held, lost }) => {
      const which =
        lost === 0 ? '' : lost === held ? ' in memory only: they are lost now' : `, ${lost} of them lost now`
      return `${name} holds ${events(held)}${which}`
    }),
    ...summary.sinks.map(({ name, delivered }) => `${name} delivered ${events(delivered)}`),
  ]
}

function describe({ name, spec, options }: Named): string {
  const where = spec.describe?.(options)
  return [name, spec.title ?? spec.type, ...(where ? [where] : [])].join(' ')
}

function events(count: number): string {
  return `${count} ${count === 1 ? 'event' : 'events'}`
}
