import { createPrivateKey, type KeyObject } from 'node:crypto'
import { errors } from '../errors.js'
import { signInputAside } from '../jwt/algorithms.js'
import { encodeInput } from '../jwt/compact-token.js'
import { cookieBinding } from '../jwt/cookie-token.js'
import type { ClientKey } from './client-schema.js'
import { familyOfAccessToken, issueTokenId } from './issued-text.js'
import { isHmac } from './key-material.js'
import type { OpenClient } from './open-clients.js'
import { signingKeyOf } from './signing-keys.js'
import { clientSubject, type Subjects } from './subjects.js'
import type { AccessTokenOrder, Mint } from './token-families.js'

export interface AccessTokenJwtsOptions {
  readonly issuer: string
  readonly subjects: Pick<Subjects, 'of'>
  /** The fields of a person that a client's `jwtScope` shows. */
  readonly claimsOf: (userId: string, scope: string) => Promise<Readonly<Record<string, unknown>>>
  readonly randomBytes: (size: number) => Buffer
}

/** Claims that no field of a person can stand for: those that are ours, those that say what a token may do, and the person's id, which the per-client one replaces. */
const reserved = new Set([
  'iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'client_id', 'scope', 'user_id', 'id', '__proto__',
  'scp', 'azp', 'act', 'may_act', 'cnf', 'auth_time', 'acr', 'amr', cookieBinding
])

/** More private keys than this are not kept parsed. */
const maxParsed = 1000

/** Mints JWT access tokens (RFC 9068). */
export class AccessTokenJwts {
  readonly #options: AccessTokenJwtsOptions
  readonly #parsed = new Map<string, { readonly text: string, readonly key: Buffer | KeyObject }>()

  constructor (options: AccessTokenJwtsOptions) {
    this.#options = options
  }

  /**
   * What makes the client's access tokens; null when they are opaque.
   * The mint throws DWA_PROVIDER_SIGNING_FAILED when the client has no usable key or the token would be too long, and what `subjects` and `claimsOf` throw.
   */
  mintFor (client: OpenClient): Mint | null {
    return client.fields.tokenType === 'jwt' ? async (order) => await this.#mint(client, order) : null
  }

  async #mint (client: OpenClient, order: AccessTokenOrder): Promise<string> {
    const { name, keys = [] } = client.fields
    const key = signingKeyOf(keys, order.issuedAt)
    const text = key === null ? undefined : client.privateKeys.get(key.kid)
    if (key === null || text === undefined) throw new errors.DWA_PROVIDER_SIGNING_FAILED(name, 'it has no key')
    const input = encodeInput({ typ: 'at+jwt', alg: key.algorithm, kid: key.kid }, await this.#claims(client, order))
    const token = `${input}.${(await signInputAside(key.algorithm, this.#keyOf(name, key, text), input)).toString('base64url')}`
    if (familyOfAccessToken(token) === null) throw new errors.DWA_PROVIDER_SIGNING_FAILED(name, 'the fields of jwtScope make it too long')
    return token
  }

  async #claims ({ fields: { clientId, jwtScope } }: OpenClient, { family, user, scopes, resource, issuedAt, expiresAt }: AccessTokenOrder): Promise<Record<string, unknown>> {
    const { issuer, subjects, claimsOf, randomBytes } = this.#options
    const sub = user === null ? clientSubject(clientId) : await subjects.of(clientId, user)
    const shown = user === null || jwtScope === undefined ? {} : await claimsOf(user, jwtScope)
    const iat = Math.floor(issuedAt / 1000)
    return {
      ...Object.fromEntries(Object.entries(shown).filter(([claim]) => !reserved.has(claim))),
      iss: issuer,
      sub,
      ...(user === null ? {} : { user_id: sub }),
      aud: resource ?? clientId,
      client_id: clientId,
      scope: scopes.join(' '),
      iat,
      nbf: iat,
      exp: Math.floor(expiresAt / 1000),
      jti: issueTokenId(family, randomBytes)
    }
  }

  /** Private keys are parsed once, not for every token. */
  #keyOf (client: string, { kid, algorithm }: ClientKey, text: string): Buffer | KeyObject {
    const known = this.#parsed.get(kid)
    if (known?.text === text) return known.key
    const key = isHmac(algorithm) ? Buffer.from(text) : parse(client, text)
    if (this.#parsed.size >= maxParsed) this.#parsed.clear()
    this.#parsed.set(kid, { text, key })
    return key
  }
}

function parse (client: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch {
    throw new errors.DWA_PROVIDER_SIGNING_FAILED(client, 'its key cannot be read') // without the cause, which may quote it
  }
}
