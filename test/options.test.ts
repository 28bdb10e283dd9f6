import { Ajv } from 'ajv'
import t from 'tap'
import { jwtOptionsSchema } from '../lib/jwt/jwt-options.js'
import { validatorKind } from '../lib/jwt/validator-kind.js'
import { validatorSchema } from '../lib/jwt/validator-schema.js'
import { checkOptions, findDisagreement } from '../lib/options.js'
import { storeOptionsSchema } from '../lib/store/store-options.js'

t.test('every schema is a schema: at run time this is taken for granted', async (t) => {
  const ajv = new Ajv({ strict: true, allowUnionTypes: true })
  ajv.addKeyword('function')
  for (const schema of [jwtOptionsSchema, storeOptionsSchema, validatorSchema, validatorKind.schema]) t.equal(ajv.validateSchema(schema), true)
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
