import { deepEqual } from 'node:assert/strict'
import { Ajv, type SchemaObject } from 'ajv'
import fc from 'fast-check'
import t from 'tap'
import { adminOptionsSchema } from '../lib/admin/admin-options.js'
import { connectorOptionsSchema } from '../lib/connectors/connector.js'
import { connectorsOptionsSchema } from '../lib/connectors/connectors-options.js'
import { docuwareOptionsSchema } from '../lib/docuware/docuware-options.js'
import { jwtOptionsSchema } from '../lib/jwt/jwt-options.js'
import { validatorSchema } from '../lib/jwt/validator-schema.js'
import { checkOptions } from '../lib/options.js'
import { findDisagreement } from '../lib/schema-check.js'
import { umbrellaOptionsSchema } from '../lib/plugin-options.js'
import { providerOptionsSchema } from '../lib/provider/provider-options.js'
import { recordKinds } from '../lib/record-kinds.js'
import { signInOptionsSchema } from '../lib/sign-in/sign-in-options.js'
import { storeOptionsSchema } from '../lib/store/store-options.js'
import { telemetryOptionsSchema } from '../lib/telemetry/telemetry-options.js'
import { webhooksOptionsSchema } from '../lib/webhooks/webhook-options.js'

const schemas: readonly SchemaObject[] = [
  adminOptionsSchema, connectorOptionsSchema, connectorsOptionsSchema, docuwareOptionsSchema, jwtOptionsSchema, providerOptionsSchema, signInOptionsSchema, storeOptionsSchema,
  telemetryOptionsSchema, umbrellaOptionsSchema, webhooksOptionsSchema, validatorSchema, ...recordKinds.map(({ schema }) => schema)
]

t.test('every schema is a schema: at run time this is taken for granted', async (t) => {
  const ajv = new Ajv({ strict: true, allowUnionTypes: true })
  ajv.addKeyword('function')
  for (const schema of schemas) t.equal(ajv.validateSchema(schema), true)
})

t.test('a disagreement names its place and what is wrong', async (t) => {
  const schema = {
    type: 'object',
    additionalProperties: false,
    required: ['list'],
    properties: {
      list: { type: 'array', items: { type: 'object', additionalProperties: false, required: ['a'], properties: { a: { type: 'string' }, f: { function: true } } } },
      'with/slash~': { enum: [1, 2] },
      either: { anyOf: [{ type: 'string' }, { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } }] }
    }
  }
  const cases: Array<[unknown, string, RegExp]> = [
    [null, '', /object/], [{}, 'list', /required/], [{ list: {} }, 'list', /array/], [{ list: [{ a: 'x' }, {}] }, 'list[1].a', /required/], [{ list: [{ a: 'x', b: 1 }] }, 'list[0].b', /unknown option/],
    [{ list: [{ a: 'x', f: 1 }] }, 'list[0].f', /must be a function/], [{ list: [], 'with/slash~': 3 }, 'with/slash~', /one of \[1,2\]/], [{ list: [], x: 1 }, 'x', /unknown option/],
    [{ list: [], either: [] }, 'either', /fewer/], [{ list: [], either: [''] }, 'either[0]', /fewer/], [{ list: [], either: 7 }, 'either', /must be/]
  ]
  for (const [value, path, problem] of cases) t.match(findDisagreement(schema, value), { path, problem }, JSON.stringify(value))
  t.equal(findDisagreement(schema, { list: [{ a: 'x', f: () => 1 }], either: ['y'] }), null)
  t.throws(() => checkOptions('plugin', schema, { list: [{}] }), { code: 'DWA_OPTIONS_INVALID', message: 'plugin.list[0].a: is required' })
  t.throws(() => checkOptions('plugin', schema, 7), { code: 'DWA_OPTIONS_INVALID', message: 'plugin: must be object' })
  t.throws(() => checkOptions('plugin', { type: 'array', items: { type: 'string' } }, [7]), { message: 'plugin[0]: must be string' })
})

t.test('schemas that are compiled in parts say what they say as a whole', async (t) => {
  let [agreed, refused] = [0, 0]
  for (const schema of schemas) {
    const whole = { title: 'compiled as a whole', ...schema }
    fc.assert(fc.property(valueFor(schema), (value) => {
      const expected = findDisagreement(whole, value)
      if (expected === null) agreed++
      else refused++
      deepEqual(findDisagreement(schema, value), expected)
    }), { seed: 7, numRuns: 200 })
  }
  t.ok(agreed > 100 && refused > 1000, `${agreed} agreed, ${refused} refused`)
  for (const schema of [{ type: 'object', additionalProperties: false }, { type: 'object', additionalProperties: false, properties: {} }]) t.match(findDisagreement(schema, { a: 1 }), { path: 'a' })
})

/** Values that come near to a schema: of its members some, rightly typed or not, and now and then one that it does not know. */
function valueFor (schema: SchemaObject): fc.Arbitrary<unknown> {
  const { type, properties } = schema
  const wrong = fc.constantFrom<unknown>(null, undefined, 0, -1, 7, true, '', 'a', 'https://a.example', [], ['x'], {}, { x: 1 }, () => 1)
  if (type !== 'object' || typeof properties !== 'object') return fc.oneof(...typed(schema), wrong)
  const members = Object.entries<SchemaObject>(properties).map(([name, inner]) => [name, valueFor(inner)])
  const required: unknown[] = schema['required'] ?? []
  const given = fc.record<Record<string, unknown>, string>(Object.fromEntries(members), { requiredKeys: required.map(String).filter((name) => name in properties) })
  return fc.oneof({ weight: 8, arbitrary: given }, { weight: 1, arbitrary: given.map((value) => ({ ...value, unknown: 1 })) }, { weight: 1, arbitrary: wrong })
}

function typed ({ type, enum: values, minimum = 1, minLength = 0, function: isFunction }: SchemaObject): Array<fc.Arbitrary<unknown>> {
  if (Array.isArray(values)) return [fc.constantFrom<unknown>(...values)]
  if (isFunction === true) return [fc.constant(() => 1)]
  switch (type) {
    case 'boolean': return [fc.boolean()]
    case 'integer': return [fc.constant(minimum)]
    case 'string': return [fc.constantFrom('https://a.example', 'a'.repeat(Math.max(1, minLength)))]
    default: return []
  }
}
