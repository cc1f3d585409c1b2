import type { Command } from 'commander'

/** A command as help and shell completion know it. */
export interface CommandInfo {
  readonly name: string
  /** What follows the name, in help. */
  readonly usage: string
  readonly summary: string
  /** Its options; absent for a command that has none. */
  readonly options?: () => Promise<Command>
}

/** Every command there is, in the order of help. */
export const commands: readonly CommandInfo[] = [
  {
    name: 'agent',
    usage: '-f FILE [-n NAME]',
    summary: 'runs an agent; takes every option of flume-ng agent',
    options: async () => (await import('./agent-options.ts')).agentCommand(),
  },
  {
    name: 'validate',
    usage: '-f FILE',
    summary: 'says everything that is wrong with a configuration',
    options: async () => (await import('./validate.ts')).validateCommand(),
  },
  {
    name: 'plan',
    usage: '-f NEW --running OLD',
    summary: 'says what a reload would stop, start and keep',
    options: async () => (await import('./plan.ts')).planCommand(),
  },
  {
    name: 'graph',
    usage: '-f FILE [--dot]',
    summary: 'draws an agent, for Mermaid or Graphviz',
    options: async () => (await import('./graph.ts')).graphCommand(),
  },
  {
    name: 'status',
    usage: '[HOST:PORT]',
    summary: 'asks a running agent for its ledger and health',
    options: async () => (await import('./status.ts')).statusCommand(),
  },
  {
    name: 'avro-client',
    usage: '-H HOST -p PORT',
    summary: "sends lines to an agent's Avro source",
    options: async () => (await import('./avro-client.ts')).avroClientCommand(),
  },
  {
    name: 'list',
    usage: '[KIND]',
    summary: 'lists components by kind',
    options: async () => (await import('./list.ts')).listCommand(),
  },
  {
    name: 'hdfs',
    usage: 'ls|cat|put|recover URL',
    summary: 'looks into a file system as the HDFS sink sees it',
    options: async () => (await import('./hdfs.ts')).hdfsCommand(),
  },
  {
    name: 'channel',
    usage: 'WHAT DIR…',
    summary: 'looks into a stopped file channel: inspect, peek, verify, export, replay, repair',
    options: async () => (await import('./channel.ts')).channelCommand(),
  },
  {
    name: 'hdfs',
    usage: 'ls|cat|put|recover URL',
    summary: 'looks into a file system as the HDFS sink sees it',
    options: async () => (await import('./hdfs.ts')).hdfsCommand(),
  },
  { name: 'tool', usage: 'fcintegritytool -l DIRS', summary: "Flume's name for channel repair" },
  { name: 'completion', usage: 'bash|zsh|fish', summary: 'prints a script that completes commands in a shell' },
  { name: 'help', usage: '[KIND [TYPE] | COMMAND]', summary: "lists components, a component's options or a command's" },
  { name: 'version', usage: '', summary: 'says which version this is' },
]
