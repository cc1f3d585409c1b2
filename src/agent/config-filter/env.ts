import { type ConfigFilter, type ConfigFilterContext, defineConfigFilter } from '../contract.ts'

export const env = defineConfigFilter({
  type: 'env',
  aliases: ['org.apache.flume.configfilter.EnvironmentVariableConfigFilter'],
  summary: 'Values of the environment, kept out of logs and findings: ${name["VARIABLE"]}.',
  options: {},
  create: (_options, context) => new EnvFilter(context),
})

class EnvFilter implements ConfigFilter {
  readonly #env: ConfigFilterContext['env']

  constructor({ env }: ConfigFilterContext) {
    this.#env = env
  }

  async get(key: string): Promise<string | undefined> {
    return Object.hasOwn(this.#env, key) ? this.#env[key] : undefined
  }
}
