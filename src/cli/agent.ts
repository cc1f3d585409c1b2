import { loadAgent } from '../agent/config/load.ts'
import { Agent } from '../agent/runtime/agent.ts'
import { describeFlows, describeSummary } from '../agent/runtime/flows.ts'
import { holdProcess, systemClock } from '../core/clock.ts'
import { explain } from '../core/error.ts'
import { createLogger } from '../monitor/logger.ts'
import { formatFinding } from '../spec/finding.ts'
import type { AgentOptions } from './agent-options.ts'
import { notifyReady, notifyStopping } from './ready.ts'
import { stopSignal } from './signals.ts'

/** `flume-ts agent`: loads the configuration, runs the agent until a signal, says what went through. Resolves to the exit code. */
export async function runAgent(options: AgentOptions): Promise<number> {
  const log = createLogger({ level: options.logLevel })
  const { model, findings } = await loadAgent({
    files: options.files,
    agentName: options.name,
    env: options.env,
    systemProperties: options.properties,
    mode: options.mode,
  })
  for (const finding of findings) process.stderr.write(`${formatFinding(finding)}\n`)
  if (!model) {
    process.stderr.write('flume-ts: nothing was started\n')
    return 1
  }

  const release = holdProcess()
  const agent = new Agent(model, {
    log,
    settings: { mounts: options.mounts, env: options.env, properties: options.properties },
    console: options.console && process.stdin.isTTY ? process.stdin : undefined,
  })
  const beganMs = systemClock.monotonic()
  const stopped = stopSignal(() => process.stderr.write(`flume-ts: stopped at once; ${agent.atRisk} events given up\n`))
  const failed = new Promise<Error>((resolve) => {
    process.on('uncaughtException', resolve)
    process.on('unhandledRejection', resolve)
  })
  process.stdout.write(
    `agent ${model.name}\n${describeFlows(model)
      .map((line) => `  ${line}\n`)
      .join('')}`,
  )
  await agent.start()
  void agent.ready().then(() => {
    log.info(`agent ${model.name} runs`, { afterMs: Math.round(systemClock.monotonic() - beganMs) })
    return notifyReady(options.env)
  })

  const reason = await Promise.race([stopped, failed])
  let code = 0
  if (reason instanceof Error) {
    log.error(`a defect stops the agent: ${explain(reason)}`, { stack: reason.stack })
    code = 1
  } else {
    log.info(`${reason}: stopping`)
  }
  await notifyStopping(options.env)
  await agent.stop()
  release()
  process.stdout.write(
    `agent ${model.name} stopped\n${describeSummary(agent.summary)
      .map((line) => `  ${line}\n`)
      .join('')}`,
  )
  return agent.atRisk > 0 ? 1 : code
}
