// A test reporter that says one line per file, every failure in full, and Node's own closing figures.
import { writeFileSync } from 'node:fs'
import { basename, relative } from 'node:path'
import { inspect } from 'node:util'

const colour = process.stdout.isTTY
const green = (text) => (colour ? `\x1b[32m${text}\x1b[39m` : text)
const red = (text) => (colour ? `\x1b[31m${text}\x1b[39m` : text)

export default async function* report(events) {
  const failures = []
  const figures = []
  let file
  let counts = { passed: 0, failed: 0, ms: 0 }
  // Cases in which a component ran beside Flume's own.
  let sideBySide = 0
  const closeFile = () => {
    const { passed, failed, ms } = counts
    counts = { passed: 0, failed: 0, ms: 0 }
    if (file === undefined || passed + failed === 0) return ''
    const name = relative(process.cwd(), file)
      .replace(/^dist\/test\//, '')
      .replace(/\.js$/, '')
    if (/^(test\/)?parity\/(?!config|stream)/.test(name)) sideBySide += passed
    const mark = failed > 0 ? red('✖') : green('✔')
    return `${mark} ${name}: ${failed > 0 ? `${failed} failed, ` : ''}${passed} passed (${Math.round(ms)} ms)\n`
  }
  for await (const { type, data } of events) {
    if ((type === 'test:pass' || type === 'test:fail') && data.file !== file) {
      yield closeFile()
      file = data.file
    }
    if (type === 'test:pass' && data.details.type !== 'suite') counts.passed++
    if (type === 'test:fail') {
      // A parent fails because of its children, which have been reported themselves.
      if (data.details.error?.failureType !== 'subtestsFailed') {
        counts.failed++
        failures.push(data)
        yield `${red('✖')} ${data.name}\n`
      }
    }
    if ((type === 'test:pass' || type === 'test:fail') && data.nesting === 0) counts.ms += data.details.duration_ms
    if (type === 'test:stdout' || type === 'test:stderr') yield data.message
    if (type === 'test:diagnostic' && data.nesting === 0) {
      // The run's own figures come last and together; what a test says of itself is said at once.
      if (/^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/.test(data.message))
        figures.push(data.message)
      else yield `ℹ ${data.message}\n`
    }
  }
  yield closeFile()
  // For who wants to run them again.
  const failedList = process.env.FAILED_LIST
  if (failedList) {
    const names = failures.map(({ file: where }) => basename(where ?? '').replace(/(\.(peer|parity))?\.[jt]s$/, ''))
    writeFileSync(failedList, [...new Set(names)].join('\n'))
  }
  if (failures.length > 0) yield `\n${red('✖')} failing tests:\n`
  for (const { name, file: where, line, details } of failures) {
    const error = details.error?.cause ?? details.error
    yield `\n${red(name)}\n  ${relative(process.cwd(), where ?? '')}${line ? `:${line}` : ''}\n`
    yield `${inspect(error, { colors: colour, depth: 6 }).replaceAll(/^/gm, '  ')}\n`
  }
  yield '\n'
  if (sideBySide > 0) yield `ℹ ${sideBySide} cases in which a component and Flume's own gave the same\n`
  for (const figure of figures) yield `ℹ ${figure}\n`
}
