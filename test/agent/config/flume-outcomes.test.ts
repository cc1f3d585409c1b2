import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { loadAgent } from '../../../src/agent/config/load.ts'
import { formatFinding } from '../../../src/spec/finding.ts'
import { agentCount, agentSeed, randomAgents } from '../../support/random-agents.ts'

const folder = mkdtempSync(join(tmpdir(), 'outcomes-'))
after(() => rmSync(folder, { recursive: true }))

it('a thousand random agents: --lenient runs exactly what Flume 1.11 runs (C-05, C-10…C-14, C-18…C-21)', async () => {
  const { seed, count, outcomes } = JSON.parse(
    readFileSync(new URL('../../../../test/fixture/flume-outcomes/outcomes.json', import.meta.url), 'utf8'),
  ) as { seed: number; count: number; outcomes: readonly string[] }
  assert.deepEqual([seed, count, outcomes.length], [agentSeed, agentCount, agentCount])
  assert.ok(outcomes.filter((outcome) => outcome !== '[]').length > agentCount / 4, 'too few agents run to say much')
  const file = join(folder, 'agent.properties')
  for (const [index, text] of randomAgents().entries()) {
    writeFileSync(file, text)
    const { model, findings } = await loadAgent({
      files: [file],
      agentName: 'a',
      env: {},
      systemProperties: new Map(),
      mode: 'lenient',
    })
    const parts = [
      ...(model?.sources ?? []).map(({ name, channels }) => `${name}>${[...channels].sort().join('+')}`),
      ...(model?.sinks ?? []).map(({ name, channel }) => `${name}<${channel}`),
    ].sort()
    const channels = (model?.channels ?? []).map(({ name }) => name).sort()
    const outcome = `${parts.join(' ')} [${channels.join(' ')}]`.trim()
    assert.equal(outcome, outcomes[index], `agent ${index}:\n${text}\n${findings.map(formatFinding).join('\n')}`)
  }
})
