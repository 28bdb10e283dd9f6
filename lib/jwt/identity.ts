import { errors } from '../errors.js'
import type { JsonObject } from './compact-token.js'
import type { CompiledValidator } from './compiled-validator.js'

/** What a strategy is told beside the claims. */
export interface StrategyContext<Request = unknown> {
  readonly request: Request
  /** The accepting validator's name. */
  readonly validator: string
}

/** Whom the claims name: a string, a whole number or an ObjectId; null, undefined and the empty string are nobody. */
export type Identity = string | number | { toHexString (): string } | null | undefined

/** Finds an id from the claims. What it throws, or an answer that is no identity, is a 500. */
export type IdentityStrategy<Request = unknown> = (claims: JsonObject, context: StrategyContext<Request>) => Identity | PromiseLike<Identity>

/** A strategy's answer as an id, null for nobody. @throws DWA_JWT_CONFIGURATION when it is no identity */
export function readIdentity (answer: unknown): string | null {
  if (answer === null || answer === undefined || answer === '') return null
  if (typeof answer === 'string') return answer
  if (typeof answer === 'number' && Number.isSafeInteger(answer)) return String(answer)
  if (typeof answer === 'object' && 'toHexString' in answer && typeof answer.toHexString === 'function') return String(answer.toHexString())
  throw new errors.DWA_JWT_CONFIGURATION({ cause: new TypeError(`a strategy answered with ${typeof answer}, which is no id`) })
}

/** The user id when a built-in strategy can tell it: a string, or null for nobody (static without staticUserId, absent claim). */
export function builtInUserId (validator: CompiledValidator, claims: JsonObject): string | null {
  const { userIdStrategy, staticUserId, userIdClaim } = validator.fields
  if (userIdStrategy === 'static') return staticUserId ?? null
  const value = Object.hasOwn(claims, userIdClaim) ? claims[userIdClaim] : undefined
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
  return typeof value === 'string' && value !== '' ? value : null
}

/** Where partners are looked up by e-mail: any mongoose model. */
export interface PartnerModel {
  find (filter: { [field: string]: { $eq: string } }, projection: { _id: 1 }): { limit (count: number): { lean (): PromiseLike<ReadonlyArray<{ readonly _id: unknown }>> } }
}

/** The built-in partner strategy `email`: the id of the one record with the claim's address, null for none or several. */
export function emailStrategy (model: PartnerModel, field: string, run: <T>(operation: () => Promise<T>) => Promise<T>): IdentityStrategy {
  return async (claims) => {
    const email = claims['email']
    if (typeof email !== 'string' || email === '') return null
    const found = await run(async () => await model.find({ [field]: { $eq: email } }, { _id: 1 }).limit(2).lean())
    const [only, another] = found
    return only === undefined || another !== undefined ? null : String(only._id)
  }
}
