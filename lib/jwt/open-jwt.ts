import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import type { Store } from '../store/store.js'
import { Authenticator } from './authenticator.js'
import { compileValidator, type CompiledValidator, type CompileInput } from './compiled-validator.js'
import { CookieMode } from './cookie-mode.js'
import { declareValidators } from './declared-validators.js'
import { fetchKeySet } from './fetch-key-set.js'
import { emailStrategy, type IdentityStrategy } from './identity.js'
import type { JwtOptions } from './jwt-options.js'
import { KeySets } from './key-sets.js'
import { localKeySetsOf } from './local-key-sets.js'
import { validatorKind, type StoredValidator } from './validator-kind.js'
import { ValidatorRegistry } from './validator-registry.js'
import { Validators } from './validators.js'
import { VerifiedTokens } from './verified-tokens.js'

/** The parts of the `jwt` plugin, put together. */
export interface Jwt {
  readonly registry: ValidatorRegistry
  readonly validators: Validators
  readonly authenticator: Authenticator<FastifyRequest>
  readonly cookies: CookieMode
  /** A name that is both declared and stored is an error at boot; with MongoDB away the declared one simply wins. @throws DWA_OPTIONS_INVALID */
  refuseSharedNames (): Promise<void>
}

/** @throws DWA_OPTIONS_INVALID with the path of the validator or strategy that is refused */
export async function openJwt (options: JwtOptions<FastifyRequest>, store: Store, auditLog: AuditLog, logger: FastifyBaseLogger): Promise<Jwt> {
  const now = () => store.clock.now()
  const userIdStrategies = strategies(options.userIdStrategies, 'userIdStrategies', ['static', 'claim'])
  const partnerIdStrategies = strategies(options.partnerIdStrategies, 'partnerIdStrategies', ['email'])
  if (options.partners !== undefined) {
    partnerIdStrategies.set('email', emailStrategy(options.partners.model, options.partners.emailField ?? 'email', (operation) => store.run(operation)))
  }
  const local = localKeySetsOf(store)
  const keySets = new KeySets({
    local,
    fetch: async (url, dynamic) => await fetchKeySet(url, dynamic, options),
    now,
    onFailure (url, error) {
      logger.warn({ err: error, keySet: url }, 'a JWT key set could not be fetched') // what is refused for it has an error line of its own
      auditLog.sample(url, 'validator.key_set_failed', { level: 'error', target: { type: 'key_set', id: url }, message: String(error) })
    }
  })
  const compile = (input: CompileInput): CompiledValidator => compileValidator(input, (uri, dynamic) => keySets.get(uri, dynamic), now)
  const context = {
    allowInsecure: options.allowInsecure === true,
    servesKeySet: (uri: string) => local.find(uri) !== undefined,
    userIdStrategies: new Set(userIdStrategies.keys()),
    partnerIdStrategies: new Set(partnerIdStrategies.keys())
  }
  const declared = await declareValidators(options.validators ?? [], context, compile)
  for (const { name, fields } of declared.values()) {
    if (fields.allowShortSecret) auditLog.record('validator.short_secret', { level: 'warning', target: { type: 'validator', id: null, name }, message: 'a code-declared validator allows a secret shorter than its hash' })
  }
  const records = store.records<StoredValidator>(validatorKind)
  const registry = new ValidatorRegistry({ declared, records, changes: store.changes, compile, clock: store.clock, maxStaleMs: (options.maxStaleSeconds ?? 300) * 1000 })
  const cookies = new CookieMode(store.keyRing, now)
  return {
    registry,
    cookies,
    validators: new Validators({ declared, records, auditLog, context, exclusively: (change) => store.exclusively('validators', change), onChange: (validator) => { registry.forget(validator) } }),
    authenticator: new Authenticator<FastifyRequest>({
      registry,
      cookies,
      verified: new VerifiedTokens(options.cache?.max ?? 10_000),
      userIdStrategies,
      partnerIdStrategies,
      trustedOrigins: new Set([...store.publicUrl === null ? [] : [new URL(store.publicUrl).origin], ...options.trustedOrigins ?? []]),
      now
    }),
    async refuseSharedNames () {
      if (!store.available) return
      for (const [index, name] of [...declared.keys()].entries()) {
        if (await records.getByName(name) !== null) throw new errors.DWA_OPTIONS_INVALID(`jwt.validators[${index}].name`, `a stored validator is called "${name}" too`)
      }
    }
  }
}

function strategies (given: { readonly [name: string]: IdentityStrategy<FastifyRequest> } | undefined, option: string, builtIn: readonly string[]): Map<string, IdentityStrategy<FastifyRequest>> {
  for (const name of builtIn) {
    if (given !== undefined && Object.hasOwn(given, name)) throw new errors.DWA_OPTIONS_INVALID(`jwt.${option}.${name}`, 'this name is built in')
  }
  return new Map(Object.entries(given ?? {}))
}
