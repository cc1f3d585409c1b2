import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { components } from '../../src/agent/components.ts'
import { main } from '../../src/cli/flume-ts.ts'

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function run(argv: readonly string[], nodeVersion?: string): Promise<Outcome> {
  let out = ''
  let err = ''
  const terminal = {
    stdout: {
      write: (text: string) => {
        out += text
      },
    },
    stderr: {
      write: (text: string) => {
        err += text
      },
    },
    env: {},
  }
  const code = await main(argv, terminal, nodeVersion)
  return { code, out, err }
}

const folder = mkdtempSync(join(tmpdir(), 'flume-ts-'))
after(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

describe('the command line', () => {
  const cases: readonly [name: string, argv: string[], code: number, out: RegExp, err: RegExp][] = [
    ['help lists the commands (L-01)', ['help'], 0, /^usage: flume-ts COMMAND[\s\S]*validate -f FILE/, /^$/],
    ['--help does too', ['--help'], 0, /^usage: flume-ts/, /^$/],
    ['help KIND lists the components of a kind', ['help', 'channels'], 0, /^ {2}memory +Holds events in memory/m, /^$/],
    [
      'help KIND TYPE lists its options, whatever the case',
      ['help', 'channel', 'MEMORY'],
      0,
      /capacity +count +100 +Most/,
      /^$/,
    ],
    [
      'help takes a class name',
      ['help', 'channel', 'org.apache.flume.channel.MemoryChannel'],
      0,
      /^channel memory/,
      /^$/,
    ],
    ['help COMMAND lists its options', ['help', 'validate'], 0, /--strict +take warnings for errors/, /^$/],
    ['help agent lists its options', ['help', 'agent'], 0, /--mount <url=path>/, /^$/],
    ['help on nothing there is', ['help', 'chanel'], 2, /^$/, /no help on "chanel" \(did you mean "channel"\?\)/],
    [
      'help on a type there is not',
      ['help', 'channel', 'memroy'],
      2,
      /^$/,
      /no channel "memroy" \(did you mean "memory"/,
    ],
    ['help with too much', ['help', 'channel', 'memory', 'x'], 2, /^$/, /"x" is one too many/],
    [
      'version prints five lines (L-11)',
      ['version'],
      0,
      /^flume-ts \d+\.\d+\.\d+\nSource code repository: .*\nRevision: .*\nCompiled by .* on .*\nFrom source with checksum .*\n$/,
      /^$/,
    ],
    [
      'an unknown command is refused in one line (L-01)',
      ['validat'],
      2,
      /^$/,
      /^flume-ts: there is no command "validat" \(did you mean "validate"\?\)\n$/,
    ],
    ['no command is refused in one line (L-01)', [], 2, /^$/, /^flume-ts: no command is given \(.*\)\n$/],
    ['validate without a file', ['validate'], 2, /^$/, /^flume-ts: no file is given \(name one with -f FILE\)\n$/],
    ['validate with an option it has not', ['validate', '--fast'], 2, /^$/, /unknown option '--fast'/],
    [
      'validate both strict and lenient',
      ['validate', '-f', 'x', '--strict', '--lenient'],
      2,
      /^$/,
      /exclude each other/,
    ],
    ['validate --help', ['validate', '--help'], 0, /--json/, /^$/],
  ]
  for (const [name, argv, code, out, err] of cases) {
    it(name, async () => {
      const outcome = await run(argv)
      assert.equal(outcome.code, code, outcome.err)
      assert.match(outcome.out, out)
      assert.match(outcome.err, err)
    })
  }

  it('every component has help', async () => {
    for (const { kind, type, summary } of components) {
      const { code, out } = await run(['help', kind, type])
      assert.equal(code, 0)
      assert.ok(out.includes(summary))
    }
  })

  for (const old of ['18.20.4', '20.18.9', '16.0.0']) {
    it(`Node ${old} is told what is needed`, async () => {
      const { code, out, err } = await run(['help'], old)
      assert.deepEqual([code, out], [1, ''])
      assert.equal(err, `flume-ts: Node ${old} is too old: 20.19 or newer is needed\n`)
    })
  }
})

describe('a file that cannot be judged gives exactly one clear line', () => {
  mkdirSync(join(folder, 'a-folder'))
  const cases: readonly [name: string, path: string, expected: RegExp, argv?: string[]][] = [
    ['a missing file', join(folder, 'missing'), /missing: error: cannot be read: there is no such file$/],
    ['a directory', join(folder, 'a-folder'), /a-folder: error: cannot be read: it is a directory$/],
    [
      'a broken Unicode escape',
      file('escape', 'a1.sources = r1\na1.x = C:\\users\n'),
      /escape:2:10: error: "\\users" is not an escape: .*backslash as \\\\\)$/,
    ],
    ['an empty file', file('empty', ''), /empty: error: holds no properties \(/],
    ['a file of comments', file('comments', '# nothing\n\n'), /comments: error: holds no properties \(/],
    ['no agent', file('none', 'hello world\nx = 1\n'), /none: error: defines no agent \(.*the first key is "hello"\)$/],
    [
      'an agent that is not in the file',
      file('other', 'a1.sources = r1\na1.x = 1\n'),
      /other: error: defines no agent "b1" \(did you mean "a1"\?\)$/,
      ['-n', 'b1'],
    ],
    ['a JSON file by its name (C-31)', file('a.json', '{}'), /a\.json: error: is taken for JSON by its name/],
  ]
  for (const [name, path, expected, argv = []] of cases) {
    it(name, async () => {
      const { code, out, err } = await run(['validate', '-f', path, ...argv])
      const [line = '', ...rest] = out.trimEnd().split('\n')
      assert.match(line, expected)
      assert.deepEqual(rest, ['1 error, 0 warnings, 0 notes; nothing would start'])
      assert.deepEqual([code, err], [1, ''])
    })
  }

  it('an unknown type', async () => {
    const path = file('type', 'a1.channels = c1\na1.channels.c1.type = memroy\n')
    const { code, out } = await run(['validate', path])
    assert.equal(code, 1)
    assert.match(out, /type:2:23: error: a1\.channels\.c1\.type: there is no channel "memroy" \(did you mean "memory"/)
  })
})

describe('validate', () => {
  const two = (first: string, second: string): string =>
    ['a', 'b']
      .map(
        (name, index) =>
          `${name}.sources = r\n${name}.channels = c\n${name}.channels.c.type = ${index ? second : first}\n`,
      )
      .join('')

  it('judges every agent of the file when none is named (C-06)', async () => {
    const { code, out } = await run(['validate', file('two', two('memroy', 'filee'))])
    assert.equal(code, 1)
    assert.equal(out.match(/there is no channel "memroy"/g)?.length, 1)
    assert.equal(out.match(/there is no channel "filee"/g)?.length, 1)
  })

  it('answers JSON when asked for', async () => {
    const { code, out } = await run(['validate', '--json', file('json.properties', two('memroy', 'memory'))])
    assert.equal(code, 1)
    const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: { code: string; line: number }[] }
    assert.equal(ok, false)
    assert.deepEqual(findings.find((found) => found.code === 'unknown-type')?.line, 3)
  })

  it('shows control characters of the file as escapes', async () => {
    const { out } = await run([
      'validate',
      file('escape.properties', 'a1.sources = r1\nx\\u001b[2J = 1\na1.channels = c1'),
    ])
    assert.ok(!out.includes('\u001b'))
    assert.match(out, /\\x1b\[2J/)
  })
})

it('the installed command runs', () => {
  const root = fileURLToPath(new URL('../../../', import.meta.url))
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'bin/flume-ts.js'), 'version'], {
    encoding: 'utf8',
  })
  assert.equal(stderr, '')
  assert.equal(stdout.split('\n')[0], `flume-ts ${version}`)
  assert.equal(status, 0)
})
