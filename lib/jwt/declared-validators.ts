import { errors, isAuthError } from '../errors.js'
import { compileValidator, type CompiledValidator } from './compiled-validator.js'
import { findClosedChain } from './closed-chain.js'
import { normaliseValidator, type NormaliseContext } from './normalise-validator.js'
import { byName } from './validator-key.js'
import type { ValidatorInput } from './validator-schema.js'

type Compile = (input: Parameters<typeof compileValidator>[0]) => CompiledValidator

/**
 * Checks and compiles `jwt.validators`, by name.
 * @throws DWA_OPTIONS_INVALID with the option's path
 */
export async function declareValidators (given: readonly ValidatorInput[], context: NormaliseContext, compile: Compile): Promise<Map<string, CompiledValidator>> {
  const declared = new Map<string, CompiledValidator>()
  for (const [index, input] of given.entries()) {
    const path = `jwt.validators[${index}]`
    const { fields: { nextValidator, ...fields }, secrets } = attempt(path, () => normaliseValidator(input, context))
    if (declared.has(fields.name)) throw new errors.DWA_OPTIONS_INVALID(`${path}.name`, `"${fields.name}" is declared twice`)
    const next = nextValidator === undefined ? null : byName(nextValidator)
    declared.set(fields.name, compile({ id: null, version: 0, fields, secrets: { ...secrets }, next }))
  }
  for (const [index, validator] of [...declared.values()].entries()) {
    const path = await findClosedChain(validator.name, nextName(validator), async (name) => nextName(declared.get(name)))
    if (path !== null) throw new errors.DWA_OPTIONS_INVALID(`jwt.validators[${index}].nextValidator`, `Validators mustn't make a closed chain: ${path.join(' -> ')}.`)
  }
  return declared
}

/** The name of the validator that a declared one links to. */
export function nextName (declared: CompiledValidator | undefined): string | undefined {
  return declared?.next?.by === 'name' ? declared.next.name : undefined
}

function attempt<T> (path: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (!isAuthError(error, 'DWA_JWT_INVALID_VALIDATOR')) throw error
    const field = 'field' in error ? `.${String(error.field)}` : ''
    throw new errors.DWA_OPTIONS_INVALID(path + field, error.message.replace(`${field.slice(1)}: `, ''), { cause: error })
  }
}
