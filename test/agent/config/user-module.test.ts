import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { components } from '../../../src/agent/components.ts'
import { loadAgent } from '../../../src/agent/config/load.ts'
import { loadUserModule } from '../../../src/agent/config/user-module.ts'
import { FlumeError } from '../../../src/agent/contract.ts'
import { formatFinding } from '../../../src/spec/finding.ts'
import { testComponents } from '../../support/test-components.ts'

const folder = mkdtempSync(join(tmpdir(), 'user-module-'))
after(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const plainSource = `{ kind: 'source', type: 'mine', summary: 'x', options: {}, create: () => ({ run: async () => {} }) }`

async function loadWith(type: string): Promise<{ readonly type: string | undefined; readonly findings: string }> {
  const file = write(
    'agent.properties',
    `a.sources = r\na.channels = c\na.sinks = k\na.channels.c.type = memory\na.sinks.k.type = logger\na.sinks.k.channel = c
a.sources.r.type = ${type}\na.sources.r.channels = c\n`,
  )
  const { model, findings } = await loadAgent({
    files: [file],
    env: {},
    systemProperties: new Map(),
    mode: 'normal',
    components: testComponents,
  })
  return { type: model?.sources[0]?.spec.type, findings: findings.map(formatFinding).join('\n') }
}

describe('a component of the user’s own, named by its file beside the configuration', () => {
  write('plain.mjs', `export const mine = ${plainSource}`)
  write('default.js', `export default ${plainSource}\n`)
  write('package.json', '{ "type": "module" }')
  write('helper.ts', `export enum Kind { Source = 'source' }\nexport const summary: string = 'helped'`)
  write(
    'typed.ts',
    `import { defineSource, FlumeError, type Source } from 'flume-ts/agent'
import { Kind, summary } from './helper.ts'
export const FlumeErrorSeen = FlumeError
export default defineSource({ type: 'typed', aliases: [], summary: Kind.Source + summary, options: {}, create: (): Source => ({ run: async () => undefined }) })
export const where = import.meta.url
`,
  )
  const cases: readonly [type: string, loads: string][] = [
    ['./plain.mjs', 'mine'],
    ['plain.mjs', 'mine'],
    ['./default.js', 'mine'],
    ['./typed.ts', 'typed'],
    [join(folder, 'typed.ts'), 'typed'],
  ]
  for (const [type, loads] of cases) {
    it(`${type.replace(folder, '…')} loads`, async () => {
      assert.deepEqual(await loadWith(type), { type: loads, findings: '' })
    })
  }

  it('shares the contract with the agent, so that its errors are understood, and knows where it lies', async () => {
    const { exports, files } = await loadUserModule(join(folder, 'typed.ts'))
    assert.deepEqual(files.toSorted(), [join(folder, 'helper.ts'), join(folder, 'typed.ts')])
    assert.equal(exports.FlumeErrorSeen, FlumeError)
    assert.equal(exports.where, `file://${folder}/typed.ts`)
  })

  it('finds packages from where it lies', async () => {
    mkdirSync(join(folder, 'node_modules/thing'), { recursive: true })
    write('node_modules/thing/package.json', '{ "name": "thing", "type": "module", "exports": "./index.js" }')
    write('node_modules/thing/index.js', 'export const type = "thing"')
    write('packaged.ts', `import { type } from 'thing'\nexport const it = { ...${plainSource}, type }`)
    assert.deepEqual(await loadWith('./packaged.ts'), { type: 'thing', findings: '' })
  })

  it('is a package when its name is one, found from where the configuration lies', async () => {
    mkdirSync(join(folder, 'node_modules/@acme/flume-source'), { recursive: true })
    write(
      'node_modules/@acme/flume-source/package.json',
      '{ "name": "@acme/flume-source", "type": "module", "exports": { "import": "./main.js" } }',
    )
    write('node_modules/@acme/flume-source/main.js', `export const mine = { ...${plainSource}, type: 'packed' }`)
    assert.deepEqual(await loadWith('@acme/flume-source'), { type: 'packed', findings: '' })
  })

  it('a package of that name with nothing to use in it is an error', async () => {
    const { type, findings } = await loadWith('thing')
    assert.equal(type, undefined)
    assert.match(findings, /a\.sources\.r\.type: .*node_modules\/thing\/index\.js cannot be used: exports no source/)
  })

  it('a name that is neither a type nor a package says what there is', async () => {
    assert.match((await loadWith('netcta')).findings, /there is no source "netcta" \(did you mean "netcat"\?\)/)
  })

  it('a Java class of one’s own says how to write it here', async () => {
    assert.match(
      (await loadWith('com.acme.MySource')).findings,
      /there is no source "com\.acme\.MySource" \(Java classes cannot be loaded; write it as a module of your own: .*defineSource of flume-ts\/agent.* such as \.\/my-source\.ts\)/,
    )
  })

  it('is loaded anew once it has changed', async () => {
    const path = write('changing.mjs', `export const mine = { ...${plainSource}, type: 'first' }`)
    assert.equal((await loadWith('./changing.mjs')).type, 'first')
    write('changing.mjs', `export const mine = { ...${plainSource}, type: 'second' }`)
    utimesSync(path, 1, 1)
    assert.equal((await loadWith('./changing.mjs')).type, 'second')
  })
})

describe('a module that cannot be used is one error, with its path and why', () => {
  write('broken.ts', 'export const = 1\n')
  write('throws.ts', `throw new Error('no luck today')`)
  write('nothing.ts', 'export const x = 1')
  write('sink.ts', `export const x = { ...${plainSource}, kind: 'sink' }`)
  write('two.ts', `export const x = ${plainSource}\nexport const y = ${plainSource}`)
  const cases: readonly [file: string, says: RegExp][] = [
    ['missing.ts', /Could not resolve|ENOENT|no such file/i],
    ['missing.mjs', /no such file/],
    ['broken.ts', /broken\.ts:1:13: ERROR: Expected identifier/],
    ['throws.ts', /no luck today/],
    ['nothing.ts', /exports no source \(export what defineSource of flume-ts\/agent returns\)/],
    ['sink.ts', /exports no source, but a sink/],
    ['two.ts', /exports 2 components of kind source \(one file, one component\)/],
  ]
  for (const [name, says] of cases) {
    it(name, async () => {
      const { type, findings } = await loadWith(`./${name}`)
      assert.equal(type, undefined)
      assert.equal(findings.split('\n').length, 1, findings)
      assert.match(findings, /agent\.properties:7:20: error: a\.sources\.r\.type: .* cannot be used: /)
      assert.match(findings, says)
    })
  }
})

describe('an interceptor that cannot be had here', () => {
  for (const [type, hint] of [
    [
      'org.apache.flume.sink.solr.morphline.MorphlineInterceptor$Builder',
      'morphlines run in Java only; take fields out with regex_extractor, or change bodies with search_replace, or write it as a module of your own: a file that exports what defineInterceptor of flume-ts/agent returns, named as the type, such as ./my-interceptor.ts',
    ],
    [
      'com.acme.MyInterceptor$Builder',
      'Java classes cannot be loaded; write it as a module of your own: a file that exports what defineInterceptor of flume-ts/agent returns, named as the type, such as ./my-interceptor.ts',
    ],
  ] as const) {
    it(`${type} says what to do instead`, async () => {
      const file = write(
        'interceptor.properties',
        `a.sources = r\na.channels = c\na.sinks = k\na.channels.c.type = memory\na.sinks.k.type = logger\na.sinks.k.channel = c
a.sources.r.type = seq\na.sources.r.channels = c\na.sources.r.interceptors = i\na.sources.r.interceptors.i.type = ${type}\n`,
      )
      const request = { files: [file], env: {}, systemProperties: new Map(), components, mode: 'normal' } as const
      const { findings } = await loadAgent(request)
      assert.deepEqual(
        findings.map(({ line, message, hint }) => [line, message, hint]),
        [[10, `there is no interceptor ${JSON.stringify(type)}`, hint]],
      )
    })
  }
})
