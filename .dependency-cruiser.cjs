// The walls of the house: which room may reach into which. Types count as much as values (tsPreCompilationDeps).
// A rule that stands in the way of a good change is changed here, with its reason, in a commit of its own.
const kinds = 'config-filter|source|sink|channel|interceptor|selector|processor|serializer|deserializer'
const room = (...names) => `^src/(${names.join('|')})/`

/** `from` may reach, of our own code, only `to`. */
const only = (name, comment, from, to) => ({
  name,
  comment,
  severity: 'error',
  from: { path: room(...from) },
  to: { path: '^(src|test)/', pathNot: room(...to) },
})

module.exports = {
  forbidden: [
    only(
      'core-is-ground',
      'Everyone stands on core; if core leaned on anyone, nothing could be tested or moved alone.',
      ['core'],
      ['core'],
    ),
    only(
      'middle-looks-down',
      'Options, codecs, files and counters serve both wings, so they know of neither, nor of each other.',
      ['spec', 'storage', 'monitor'],
      ['core', '$1'],
    ),
    only(
      'codec-looks-down',
      'A codec turns bytes into values and back; it needs only batches and errors.',
      ['codec'],
      ['core', 'codec'],
    ),
    only(
      'net-uses-codec',
      'Sockets and clients move what codecs read and write; they belong to no wing.',
      ['net'],
      ['net', 'core', 'spec', 'codec', 'monitor'],
    ),
    only(
      'adopt-reads-and-keeps',
      'Bringing in what real Flume left is reading its files and writing ours; no agent runs for it.',
      ['adopt'],
      ['adopt', 'core', 'codec', 'storage'],
    ),
    only(
      'client-is-a-thin-door',
      'Programs that only send events load no agent, no job and no command; what the client does lies in net, where the avro sink has it too.',
      ['client'],
      ['client', 'net', 'core', 'monitor'],
    ),
    {
      name: 'nobody-needs-the-client',
      comment: 'The door is for users; whoever works inside goes to net itself.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/client/' },
      to: { path: room('client') },
    },
    {
      name: 'codec-is-pure',
      comment: 'A codec without input and output can be fed recorded bytes, random bytes and half messages.',
      severity: 'error',
      from: { path: room('codec') },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(net|tls|dgram|fs|fs/promises|http|https|http2|child_process|worker_threads|dns|timers|timers/promises)$',
      },
    },
    {
      name: 'agent-knows-no-stream',
      comment:
        'The two programs share the ground floor only, so that each can be understood, and started, without the other.',
      severity: 'error',
      from: { path: room('agent') },
      to: { path: room('stream', 'cli', 'testing') },
    },
    {
      name: 'stream-knows-no-agent',
      comment:
        'The two programs share the ground floor only, so that each can be understood, and started, without the other.',
      severity: 'error',
      from: { path: room('stream') },
      to: { path: room('agent', 'cli', 'testing') },
    },
    {
      name: 'component-stays-in-its-room',
      comment:
        'A component is its own file or folder, the contract and the lower floors. What two components share is not a component: it goes down to net, codec or storage.',
      severity: 'error',
      from: { path: `^src/agent/(${kinds})/([^/.]+)`, pathNot: '^src/agent/channel/spillable/' },
      to: { path: '^src/agent/', pathNot: ['^src/agent/contract\\.ts$', '^src/agent/$1/$2(\\.ts$|/)'] },
    },
    {
      name: 'spillable-is-memory-and-file',
      comment:
        'One component is made of two others, whole: it drives them as channels and copies neither. It reaches into no other room.',
      severity: 'error',
      from: { path: '^src/agent/channel/spillable/' },
      to: {
        path: '^src/agent/',
        pathNot: [
          '^src/agent/contract\\.ts$',
          '^src/agent/channel/(spillable/|memory\\.ts$|file/(index|options)\\.ts$)',
        ],
      },
    },
    {
      name: 'only-the-list-names-components',
      comment:
        'Components are found through the list, by type; who imports one directly would have to change when it does.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/agent/components\\.ts$', `^src/agent/(${kinds})/`] },
      to: { path: `^src/agent/(${kinds})/` },
    },
    {
      name: 'product-knows-no-test',
      comment: 'What ships must run without test/, and without what only development installs.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^test/' },
    },
    {
      name: 'product-needs-no-development-package',
      comment:
        'A user installs dependencies, not devDependencies. Optional peers stand in both lists: tests install them, and who uses them without gets the line to type.',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'],
        pathNot: '^node_modules/@platformatic/kafka/',
      },
    },
    {
      name: 'properties-have-a-seed',
      comment: 'One file sets the seed of all properties, so that a run shows the same on every machine.',
      severity: 'error',
      from: { path: '^test/', pathNot: '^test/support/properties\\.ts$' },
      to: { path: '^node_modules/fast-check/' },
    },
    {
      name: 'one-file-names-the-kafka-client',
      comment:
        'The library stands behind a wall of our own, so that it can be replaced and tests need no broker. The bench measures it beside ours.',
      severity: 'error',
      from: { path: '^(src|test)/', pathNot: ['^src/net/kafka/platformatic\\.ts$', '^test/bench/kafka\\.bench\\.ts$'] },
      to: { path: '^node_modules/@platformatic/kafka/' },
    },
    {
      name: 'no-unresolvable',
      comment: 'An import that leads nowhere escapes every other wall.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-circular',
      comment: 'Two files that need each other are one file, or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'A file that nobody imports and that imports nobody is dead, or its test forgot it.',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: '\\.d\\.ts$' },
      to: {},
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
    reporterOptions: { text: { highlightFocused: true } },
  },
}
