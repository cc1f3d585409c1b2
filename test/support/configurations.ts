import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { type LoadAgentInput, type LoadedAgent, loadAgent } from '../../src/agent/config/load.ts'
import type { AgentModel } from '../../src/agent/config/model.ts'
import { testComponents } from './test-components.ts'

const folder = mkdtempSync(join(tmpdir(), 'configurations-'))
after(() => rmSync(folder, { recursive: true }))

let fileCount = 0
/** A configuration file with this text; removed when the test file is through. */
export function configFile(text: string): string {
  const path = join(folder, `agent${++fileCount}.properties`)
  writeFileSync(path, text)
  return path
}

/** Loads a configuration's text with the components that exist for tests of the configuration. */
export function loadText(text: string, more: Partial<LoadAgentInput> = {}): Promise<LoadedAgent> {
  return loadAgent({
    files: [configFile(text)],
    env: {},
    systemProperties: new Map(),
    mode: 'normal',
    components: testComponents,
    ...more,
  })
}

/** `line severity code path`, one for each finding. */
export function brief({ findings }: Pick<LoadedAgent, 'findings'>): readonly string[] {
  return findings.map(({ line, severity, code, path }) => `${line} ${severity} ${code} ${path}`)
}

/** What would run, such as `r1>c1 k1<c1 k2<c1 g1=failover(k1 k2)`. */
export function shape(model: AgentModel | undefined): string | undefined {
  if (!model) return undefined
  return [
    ...model.sources.map(({ name, channels }) => `${name}>${channels.join('+')}`),
    ...model.sinks.map(({ name, channel, batchLimit }) => `${name}<${channel}${batchLimit ? `(${batchLimit})` : ''}`),
    ...model.groups.map(({ name, spec, sinks }) => `${name}=${spec.type}(${sinks.join(' ')})`),
  ].join(' ')
}
