import { errors } from '../errors.js'
import { isLoopbackHost } from '../http/private-address.js'
import { findDisagreement } from '../schema-check.js'
import { canonicalType } from './token-verifier.js'
import { keysOfText } from './public-keys.js'
import { isIdentifier } from './route-value.js'
import { findSecretProblem } from './secret-strength.js'
import { validatorSchema, type DefaultedValidator, type ValidatorFields } from './validator-schema.js'

/** A checked validator: what is stored in the clear, and its secrets. `nextValidator` is still the name that was given. */
export interface NormalValidator {
  readonly fields: ValidatorFields
  readonly secrets: { readonly secretKey?: string, readonly cookieSecret?: string }
}

export interface NormaliseContext {
  /** http:// key sets on loopback. */
  readonly allowInsecure: boolean
  /** Whether this app serves the key set at that URL itself: then nothing is fetched. */
  readonly servesKeySet: (uri: string) => boolean
  readonly userIdStrategies: ReadonlySet<string>
  readonly partnerIdStrategies: ReadonlySet<string>
}

/**
 * Checks a validator as it was given and fills in the defaults. Null stands for an absent field.
 * @throws DWA_JWT_INVALID_VALIDATOR with the name of the field as `field`
 */
export function normaliseValidator (given: { readonly [field: string]: unknown }, context: NormaliseContext): NormalValidator {
  const { secretKey, cookieSecret, publicKey, audience, ...others } = checkShape(given)
  const fields: ValidatorFields = {
    ...others,
    audience: audienceList(audience),
    ...(others.typ === undefined ? {} : { typ: canonicalType(others.typ) }),
    ...(publicKey === undefined ? {} : { publicKey: typeof publicKey === 'string' ? publicKey : JSON.stringify(publicKey) })
  }
  checkKeySource(fields, secretKey, context)
  checkIdentities(fields, context)
  // Left out altogether, a validator without staticUserId simply names no user.
  if (given['userIdStrategy'] === 'static' && fields.staticUserId === undefined) refuse('staticUserId', 'staticUserId: is required for userIdStrategy static')
  if (fields.cookieEnabled) checkCookie(fields, cookieSecret, secretKey)
  return {
    fields,
    secrets: { ...(secretKey === undefined ? {} : { secretKey }), ...(cookieSecret === undefined ? {} : { cookieSecret }) }
  }
}

function refuse (field: string, message: string): never {
  throw Object.assign(new errors.DWA_JWT_INVALID_VALIDATOR(message), { field })
}

/** What stands for a field that is left out, read off the schema. */
const defaults = Object.fromEntries(Object.entries(validatorSchema.properties).flatMap(([field, rule]) => 'default' in rule ? [[field, rule.default]] : []))

function checkShape (given: { readonly [field: string]: unknown }): DefaultedValidator {
  if (typeof given !== 'object' || given === null) refuse('', 'a validator must be an object')
  const present: { [field: string]: unknown } = { ...defaults, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null)) }
  if (given['cookieName'] === null) present['cookieName'] = ''
  if (typeof present['name'] === 'string' && !isIdentifier(present['name'])) refuse('name', `Name "${present['name']}" is not a valid identifier.`)
  const found = findDisagreement(validatorSchema, present)
  if (found !== null) refuse(found.path, `${found.path}: ${found.problem === 'unknown option' ? 'unknown field' : found.problem}`)
  return present as DefaultedValidator // the schema has just said so
}

function audienceList (audience: DefaultedValidator['audience']): string[] {
  const list = typeof audience === 'string' ? audience.split(',').map((one) => one.trim()).filter((one) => one !== '') : [...audience]
  if (list.length === 0) refuse('audience', 'audience: names no audience')
  return list
}

function checkKeySource (fields: ValidatorFields, secretKey: string | undefined, context: NormaliseContext): void {
  if (fields.signatureType === 'secret') {
    if (secretKey === undefined) return refuse('secretKey', 'secretKey: is required for signatureType secret')
    const problem = findSecretProblem(secretKey, fields.secretAlgorithm, fields.allowShortSecret)
    if (problem !== null) refuse('secretKey', `secretKey: ${problem}`)
    return
  }
  if (fields.publicKeyJwkUri === undefined && fields.publicKey === undefined) refuse('publicKeyJwkUri', 'publicKeyJwkUri: is required for signatureType public_key without publicKey')
  if (fields.publicKeyJwkUri !== undefined && fields.publicKey !== undefined) refuse('publicKey', 'publicKey: give either publicKey or publicKeyJwkUri')
  if (fields.publicKeyJwkUri !== undefined) checkKeySetUri(fields.publicKeyJwkUri, context)
  if (fields.publicKey !== undefined) {
    try {
      keysOfText(fields.publicKey, fields.publicKeyAlgorithm)
    } catch (error) {
      refuse('publicKey', `publicKey: ${error instanceof Error ? error.message : 'is unusable'}`)
    }
  }
}

function checkKeySetUri (uri: string, { allowInsecure, servesKeySet }: NormaliseContext): void {
  const url = URL.canParse(uri) ? new URL(uri) : null
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return refuse('publicKeyJwkUri', 'publicKeyJwkUri: is not a URL without credentials and fragment')
  const plain = url.protocol === 'http:' && allowInsecure && isLoopbackHost(url.hostname)
  if (url.protocol !== 'https:' && !plain && !servesKeySet(uri)) refuse('publicKeyJwkUri', 'publicKeyJwkUri: must be https (http only on loopback, with jwt.allowInsecure)')
}

function checkIdentities (fields: ValidatorFields, context: NormaliseContext): void {
  const { userIdStrategy, partnerIdStrategy } = fields
  if (!['static', 'claim'].includes(userIdStrategy) && !context.userIdStrategies.has(userIdStrategy)) {
    refuse('userIdStrategy', `userIdStrategy: "${userIdStrategy}" is not registered in jwt.userIdStrategies`)
  }
  if (partnerIdStrategy !== undefined && !context.partnerIdStrategies.has(partnerIdStrategy)) {
    refuse('partnerIdStrategy', `partnerIdStrategy: "${partnerIdStrategy}" is not registered in jwt.partnerIdStrategies${partnerIdStrategy === 'email' ? ' (email needs jwt.partners)' : ''}`)
  }
  if (fields.partnerIdRequired && partnerIdStrategy === undefined) refuse('partnerIdRequired', 'partnerIdRequired: needs a partnerIdStrategy')
}

function checkCookie (fields: ValidatorFields, cookieSecret: string | undefined, secretKey: string | undefined): void {
  const { name, cookieName, cookiePath, cookieSecure, cookieSameSite } = fields
  if (cookieName === '') refuse('cookieName', `A cookie name must be provided on JWT validator ${name} because it has cookie mode enabled.`)
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/.test(cookieName)) refuse('cookieName', 'cookieName: is not a cookie name (RFC 6265 §4.1.1)')
  if (!/^\/[\x20-\x3a\x3d-\x7e]*$/.test(cookiePath)) refuse('cookiePath', 'cookiePath: must start with / and hold printable ASCII without ; and <')
  if (cookieSameSite === 'None' && !cookieSecure) refuse('cookieSameSite', 'cookieSameSite: None needs cookieSecure')
  if (/^__(host|secure)-/i.test(cookieName) && !cookieSecure) refuse('cookieName', 'cookieName: this prefix needs cookieSecure')
  if (/^__host-/i.test(cookieName) && cookiePath !== '/') refuse('cookieName', 'cookieName: __Host- needs the cookiePath /')
  if (cookieSecret === undefined) return
  const problem = findSecretProblem(cookieSecret, 'HS256', false)
  if (problem !== null) refuse('cookieSecret', `cookieSecret: ${problem}`)
  if (cookieSecret === secretKey) refuse('cookieSecret', 'cookieSecret: must differ from secretKey')
}
