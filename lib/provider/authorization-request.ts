import { errors } from '../errors.js'
import { clientSchema, type StoredClient } from './client-schema.js'
import { pairsOf } from './form-pairs.js'
import { readParameters, readScope, required, type Parameters } from './form-parameters.js'
import type { OpenClient, OpenClients } from './open-clients.js'
import { isRegisteredRedirectUri } from './redirect-uri.js'

export type ResponseType = 'code' | 'token'

/** Where an answer goes. Once it is known, every answer but a page goes there. */
export interface Destination {
  readonly client: OpenClient
  /** A registered one. */
  readonly redirectUri: string
  /** As the request gave it; null when it gave none, and the client's first one was taken. */
  readonly givenRedirectUri: string | null
  readonly state: string | null
  /** Implicit answers, errors too, go in the fragment (RFC 6749 §4.2.2). */
  readonly inFragment: boolean
}

/** What a client asks for. */
export interface AuthorizationRequest {
  readonly responseType: ResponseType
  readonly scopes: readonly string[]
  /** S256 (RFC 7636 §4.2); null for none. */
  readonly challenge: string | null
  /** RFC 8707; null for none. */
  readonly resource: string | null
  readonly prompt: 'none' | 'consent' | null
}

const clientIdPattern = new RegExp(clientSchema.properties.clientId.pattern)

/**
 * Finds out where answers go, before anything else of the request is looked at (security.md 1, 3).
 * @throws DWA_OAUTH_UNKNOWN_CLIENT, DWA_OAUTH_UNREGISTERED_REDIRECT and DWA_OAUTH_INVALID_REQUEST: for a page, never for a redirect
 */
export async function readDestination (query: string, clients: Pick<OpenClients, 'byClientId'>): Promise<Destination> {
  const parameters = readParameters(pairsOf(query, ['client_id', 'redirect_uri']))
  const clientId = required(parameters, 'client_id')
  const client = isClientId(clientId) ? await clients.byClientId(clientId) : null
  if (client === null) throw new errors.DWA_OAUTH_UNKNOWN_CLIENT()
  const { redirectUris, applicationType } = client.fields
  const given = parameters.get('redirect_uri') ?? null
  const redirectUri = given ?? redirectUris.at(0)
  if (redirectUri === undefined || !isRegisteredRedirectUri(redirectUris, redirectUri, applicationType === 'mobile')) throw new errors.DWA_OAUTH_UNREGISTERED_REDIRECT()
  return { client, redirectUri, givenRedirectUri: given, state: lenient(query, 'state'), inFragment: lenient(query, 'response_type') === 'token' }
}

/** Whether a text could be a client id at all: the database is not asked for others. */
export function isClientId (text: string): boolean {
  return clientIdPattern.test(text)
}

/** Whether the request wants an answer without a page, whatever else it says (`prompt=none`). */
export function isSilent (query: string): boolean {
  return lenient(query, 'prompt') === 'none'
}

/**
 * Reads what a client asks for, of what it may ask for now.
 * @throws DWA_OAUTH_…: what is told to the client
 */
export function readAuthorizationRequest (query: string, client: StoredClient, audiences: readonly string[]): AuthorizationRequest {
  const parameters = readParameters(query)
  if (parameters.has('request')) throw new errors.DWA_OAUTH_REQUEST_NOT_SUPPORTED()
  if (parameters.has('request_uri')) throw new errors.DWA_OAUTH_REQUEST_URI_NOT_SUPPORTED()
  const responseType = readResponseType(parameters, client)
  const mode = parameters.get('response_mode')
  if (mode !== undefined && mode !== (responseType === 'code' ? 'query' : 'fragment')) throw new errors.DWA_OAUTH_INVALID_REQUEST('This response mode is not supported')
  const challenge = responseType === 'code' ? readChallenge(parameters, client) : null
  const resource = parameters.get('resource') ?? null
  if (resource !== null && !audiences.includes(resource)) throw new errors.DWA_OAUTH_INVALID_TARGET()
  return { responseType, challenge, resource, scopes: readScopes(parameters, client), prompt: readPrompt(parameters) }
}

function readResponseType (parameters: Parameters, { applicationType, allowImplicit }: StoredClient): ResponseType {
  const type = required(parameters, 'response_type')
  if (type !== 'code' && type !== 'token') throw new errors.DWA_OAUTH_UNSUPPORTED_RESPONSE_TYPE()
  const allowed = type === 'code' ? applicationType === 'web' || applicationType === 'mobile' : applicationType === 'mobile' && allowImplicit
  if (!allowed) throw new errors.DWA_OAUTH_UNAUTHORIZED_CLIENT('The client may not use this response type')
  return type
}

/** RFC 7636 §4.3; `plain` is refused, and it is what a missing method means. */
function readChallenge (parameters: Parameters, { confidential, requirePkce }: StoredClient): string | null {
  const challenge = parameters.get('code_challenge')
  const method = parameters.get('code_challenge_method')
  if (challenge === undefined) {
    if (method !== undefined) throw new errors.DWA_OAUTH_INVALID_REQUEST('Missing parameter: code_challenge')
    if (requirePkce || !confidential) throw new errors.DWA_OAUTH_INVALID_REQUEST('PKCE is required: code_challenge is missing')
    return null
  }
  if (method !== 'S256') throw new errors.DWA_OAUTH_INVALID_REQUEST('code_challenge_method must be S256')
  if (!/^[A-Za-z0-9_-]{43}$/.test(challenge)) throw new errors.DWA_OAUTH_INVALID_REQUEST('code_challenge must be 43 characters of base64url')
  return challenge
}

function readScopes (parameters: Parameters, { scopes }: StoredClient): readonly string[] {
  const asked = readScope(parameters) ?? scopes
  if (!asked.every((scope) => scopes.includes(scope))) throw new errors.DWA_OAUTH_INVALID_SCOPE('A scope is not one of the client')
  return asked
}

/** OpenID Connect Core §3.1.2.1. What else it knows is up to the app, which signs people in. */
function readPrompt (parameters: Parameters): AuthorizationRequest['prompt'] {
  const values = (parameters.get('prompt') ?? '').split(' ')
  if (values.includes('none')) {
    if (values.length > 1) throw new errors.DWA_OAUTH_INVALID_REQUEST('prompt=none stands alone')
    return 'none'
  }
  return values.includes('consent') ? 'consent' : null
}

/** A parameter that an answer needs even if something is wrong with the request; null when there is something wrong with itself. */
function lenient (query: string, name: string): string | null {
  try {
    return readParameters(pairsOf(query, [name])).get(name) ?? null
  } catch {
    return null // the strict reading tells
  }
}
