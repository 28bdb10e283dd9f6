import type { FastifyRequest } from 'fastify'
import type { OAuthProvider } from '../../types/provider.js'
import { localKeySetsOf } from '../jwt/local-key-sets.js'
import { ConfirmedCache } from '../store/confirmed-cache.js'
import { FailureLocks, failureCollection, failureIndexes, lockedEvent, type FailureDocument } from '../store/failure-locks.js'
import type { Logger } from '../store/logger.js'
import type { Store } from '../store/store.js'
import { AccessGuard } from './access-guard.js'
import { AccessTokenJwts } from './access-token-jwt.js'
import { AccessTokens } from './access-tokens.js'
import { AnswerExpiry } from './answer-expiry.js'
import { Authorize } from './authorize.js'
import { ClientAuthentication } from './client-authentication.js'
import { clientKind } from './client-kind.js'
import { maxTokenMs, type StoredClient } from './client-schema.js'
import { ClientSecrets } from './client-secret.js'
import { Clients } from './clients.js'
import { consentKind, type StoredConsent } from './consent-kind.js'
import { Consents } from './consents.js'
import { InfoEndpoints } from './info-endpoints.js'
import { InfoRequests } from './info-requests.js'
import { Interactions, interactionIndexes, type InteractionDocument } from './interactions.js'
import { Introspection } from './introspection.js'
import { readIssuer } from './issuer.js'
import { Keys } from './keys.js'
import { LegacyWarnings } from './legacy-warnings.js'
import { featuresOf, jwksUri, metadataOf, type Metadata } from './metadata.js'
import { OpenClients, type OpenClient } from './open-clients.js'
import { OpenScopes } from './open-scopes.js'
import { displayNameOf, userIdOf } from './owner.js'
import { PasswordCheck } from './password-check.js'
import { defaultLifetimes, defaultLimits, type LimitName, type ProviderLimits, type ProviderOptions } from './provider-options.js'
import { keyOverlapMs, PublishedKeys, publicKeyPem } from './published-keys.js'
import { randomBytes } from './random-pool.js'
import { RequestRate } from './request-rate.js'
import { Resources } from './resources.js'
import { Revocation } from './revocation.js'
import { ScopeData } from './scope-data.js'
import { scopeKind } from './scope-kind.js'
import type { StoredScope } from './scope-schema.js'
import { Scopes } from './scopes.js'
import { KeyMaker } from './signing-keys.js'
import { Subjects, type SubjectDocument } from './subjects.js'
import { TokenEndpoint } from './token-endpoint.js'
import { displaced, TokenFamilies, familyIndexes, type Mint } from './token-families.js'
import type { TokenFamilyDocument } from './token-family.js'
import { Users } from './users.js'

/** The parts of the plugin, wired. */
export interface OpenProvider {
  readonly api: OAuthProvider
  readonly guard: AccessGuard
  readonly tokenEndpoint: TokenEndpoint
  readonly revocation: Revocation
  readonly introspection: Introspection
  readonly info: InfoEndpoints
  readonly publishedKeys: PublishedKeys
  readonly authorize: Authorize
  readonly consents: Consents
  readonly clients: OpenClients
  /** Where the routes are, as browsers see them. */
  readonly baseUrl: string
  readonly limits: Required<ProviderLimits>
  /** RFC 8414. @throws DWA_STORE_UNAVAILABLE */
  readonly metadata: () => Promise<Metadata>
  /** PEM of a client's key for JWTs; empty for any other client. @throws DWA_STORE_UNAVAILABLE */
  readonly publicKey: (clientId: string | undefined) => Promise<string>
  /** Says at start which clients use what today's standards advise against. */
  readonly legacyWarnings: LegacyWarnings
  /** Ends what waits for its time. */
  readonly close: () => void
}

/** Milliseconds that a client, scope or token serves without the database confirming it. */
const maxStaleMs = 2000

/** @throws DWA_OPTIONS_INVALID with the option's path */
export function openProvider (options: ProviderOptions<FastifyRequest> & { readonly prefix: string }, store: Store, logger: Logger): OpenProvider {
  const { prefix, owner, audiences = [], refreshGraceSeconds = 10, allowInsecure = false } = options
  const { serverClock: clock, log: auditLog, changes, keyRing, publicUrl } = store
  const issuer = readIssuer(options.issuer, allowInsecure)
  const baseUrl = `${publicUrl ?? new URL(issuer).origin}${prefix}`
  const lifetimes = { ...defaultLifetimes, ...options.lifetimes }
  const limits = { ...defaultLimits, ...options.limits }
  const now = (): number => clock.now()
  const cached = <Value>(): ConfirmedCache<Value> => new ConfirmedCache<Value>({ changes, clock: store.clock, maxStaleMs })

  const clientRecords = store.records<StoredClient>(clientKind)
  const clients = new OpenClients(clientRecords, cached(), cached())
  const scopeRecords = store.records<StoredScope>(scopeKind)
  const openScopes = new OpenScopes(scopeRecords, cached())
  const subjects = new Subjects(store.documents<SubjectDocument>('subjects', []), randomBytes)
  const users = new Users(owner.find, store.clock)
  const secrets = new ClientSecrets({ keyRing })
  const locks = new FailureLocks<LimitName>({ documents: store.documents<FailureDocument>(failureCollection, failureIndexes), cache: cached(), limits, auditLog, clock })
  const rate = new RequestRate(limits.requestsPerMinute, store.clock)
  const familyDocuments = store.auditedDocuments<TokenFamilyDocument>('token_families', familyIndexes)
  const answers = new AnswerExpiry({ documents: familyDocuments, clock, logger })
  const families = new TokenFamilies({
    documents: familyDocuments,
    keyRing,
    clock,
    randomBytes,
    refreshGraceSeconds,
    onRevoked: (family) => { accessTokens.forgetFamily(family) },
    onSealed: (family, until) => { answers.add(family, until) }
  })
  const accessTokens: AccessTokens = new AccessTokens({ families, clients, subjects, cache: new ConfirmedCache({ changes, clock: store.clock, maxStaleMs: -1, recheckMs: 0 }), clock: store.clock, serverClock: clock })
  const forgetClient = (id: string | null): void => {
    clients.forget(id)
    if (id !== null) accessTokens.forgetClient(id)
  }
  changes.subscribe(({ event, source, target, details }) => {
    if (event === lockedEvent) locks.forget()
    if (source === undefined || target === null) return // an entry without a source says nothing of a record
    if (target.type === 'client') forgetClient(target.id)
    if (target.type === 'scope') openScopes.forget()
    if (target.type === 'token' && target.id !== null && (endsTokens.has(event) || details[displaced] === true)) accessTokens.forgetFamily(target.id)
  })

  const resources = new Resources(options.resources)
  const data = new ScopeData({ resources, scopes: openScopes, findUser: (id) => users.get(id), clock, logger })
  const jwts = new AccessTokenJwts({ issuer, subjects, claimsOf: async (userId, scope) => await data.claimsOf(userId, scope), randomBytes })
  const mintFor = (client: OpenClient): Mint | null => jwts.mintFor(client)
  const consents = new Consents({ records: store.records<StoredConsent>(consentKind), families, auditLog, now })
  const managed = new Clients({
    records: clientRecords,
    secrets,
    keys: new KeyMaker({ overlapMs: keyOverlapMs, maxTokenMs }),
    now,
    onChange: forgetClient,
    revokeAll: async (client, change) => { await families.revokeAll({ client }, 'token.revoked', change) }
  })
  const scopes = new Scopes({
    records: scopeRecords,
    resources,
    isInUse: async (code) => (await clients.all()).some((client) => client.scopes.includes(code)),
    onChange: () => { openScopes.forget() }
  })
  const publishedKeys = new PublishedKeys({ clients: () => clients.all(), now, maxTokenMs })
  localKeySetsOf(store).serve(jwksUri(baseUrl), () => publishedKeys.current())
  const authentication = new ClientAuthentication({
    clients,
    secrets,
    locks,
    clock: store.clock,
    log: (key, fields) => { auditLog.sample(key, 'client.authentication_failed', fields) }
  })
  const passwords = new PasswordCheck({ verify: owner.verifyPassword ?? null, locks, log: (key, fields) => { auditLog.sample(key, 'token.password_refused', fields) } })
  const metadata = async (): Promise<Metadata> => metadataOf({ issuer, baseUrl, features: featuresOf(await clients.all(), owner.verifyPassword !== undefined), scopes: (await openScopes.all()).map(({ code }) => code) })
  const legacyWarnings = new LegacyWarnings({ clients, clock: store.clock, logger })

  return {
    api: {
      clients: managed,
      scopes,
      consents: {
        list: async (of) => await consents.list(of),
        page: async (limit, after, of) => await consents.page(limit, after, of),
        get: async (id) => await consents.get(id),
        revoke: async ({ user, client }, change) => await consents.revoke(user, (await managed.get(client))?.id ?? client, change)
      },
      keys: new Keys({ clients: managed, records: clientRecords, now, maxTokenMs }),
      metadata,
      getData: async (token, model, query) => await data.getData(token, model, query),
      async displayName (userId) {
        const user = await users.get(userId)
        return user === null ? null : await displayNameOf(user, owner.displayName)
      },
      async revokeUser (user, { actor, requestId, message } = {}) {
        const id = userIdOf(typeof user === 'string' ? { id: user } : user)
        users.forget(id)
        return await families.revokeAll({ user: id }, 'token.revoked', { actor, requestId, message })
      }
    },
    guard: new AccessGuard({ accessTokens, users }),
    tokenEndpoint: new TokenEndpoint({ authentication, locks, rate, families, users, passwords, lifetimes, audiences, mintFor }),
    revocation: new Revocation({ authentication, families, rate }),
    introspection: new Introspection({
      authentication,
      accessTokens,
      families,
      subjects,
      users,
      rate,
      issuer,
      log: ({ id, fields: { name } }, requestId) => { auditLog.sample(id, 'token.introspected', { actor: { type: 'client', id }, target: { type: 'client', id, name }, requestId }) }
    }),
    info: new InfoEndpoints({ requests: new InfoRequests({ accessTokens, clients, users }), data, clock }),
    publishedKeys,
    authorize: new Authorize({
      clients,
      scopes: openScopes,
      families,
      consents,
      interactions: new Interactions(store.documents<InteractionDocument>('interactions', interactionIndexes), clock, randomBytes),
      issuer,
      lifetimes,
      audiences,
      mintFor
    }),
    consents,
    clients,
    baseUrl,
    limits,
    metadata,
    publicKey: async (clientId) => publicKeyPem(clientId === undefined ? null : (await clients.byClientId(clientId))?.fields ?? null, now()),
    legacyWarnings,
    close () {
      legacyWarnings.stop()
      answers.stop()
    }
  }
}

/** Events after which tokens of the family are good no more. */
const endsTokens: ReadonlySet<string> = new Set(['token.revoked', 'token.refresh_reused', 'code.reused'])
