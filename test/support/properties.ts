// fast-check with a seed: a run of the tests shows the same things on every machine. `PROPERTY_SEED=new npm test` looks at
// others, and what it finds is repeated by the seed that the failure prints.
import fc from 'fast-check'

const wanted = process.env['PROPERTY_SEED'] ?? '1'
if (wanted !== 'new') {
  const seed = Number(wanted)
  if (!Number.isSafeInteger(seed)) throw new Error(`PROPERTY_SEED is a whole number or new, not ${wanted}`)
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed })
}

export { fc }
