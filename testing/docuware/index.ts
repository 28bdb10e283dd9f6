import { randomUUID } from 'node:crypto'
import { Calls, type DocuWareCall } from './calls.js'
import { expectedFile } from './download.js'
import { json, type Origin } from './exchange.js'
import { Faults, type PlannedAnswer, type PlannedDisguise, type PlannedDrop, type PlannedFailure, type AnswerPace, type PlannedThrottle, type RequestFilter } from './faults.js'
import type { DocuWareUpload, FileCabinet } from './file-cabinets.js'
import { Gate, type DocuWareGate } from './gate.js'
import { identity } from './identity.js'
import { LoopbackServer } from './loopback-server.js'
import { readOptions, type DocuWareOptions, type DocuWareUser } from './options.js'
import { createPlatform } from './platform.js'
import type { SecretKind } from './secrets-issued.js'
import { serve, type Half, type Serving } from './serving.js'
import { signIn } from './sign-in.js'
import { SigningKey } from './signing-key.js'
import { setSwitches, type DocuWareSwitches } from './switches.js'
import { Tenant, type DocuWareOrganization } from './tenant.js'
import { sendWebhook, webhookEvent, type WebhookAnswer, type WebhookOptions } from './webhook.js'

/** A running DocuWare simulator. */
export interface DocuWare {
  /** `http://127.0.0.1:PORT/DocuWare/Platform`. */
  readonly platformUrl: string
  /** The identity service, at another port: `http://127.0.0.1:PORT/<organization's GUID>`. */
  readonly identityUrl: string
  /** The origin of a third server that answers everything with 200: what comes here has left DocuWare. Its calls are in `calls()` with the origin `foreign`. */
  readonly foreignUrl: string
  readonly organization: DocuWareOrganization
  readonly clientId: string
  /** The first client secret, expired or not; null for a native app. */
  readonly clientSecret: string | null
  /** Who can sign in, with the password in plain text. */
  readonly user: DocuWareUser
  /** The organization's passphrase, which signs webhooks. */
  readonly passphrase: string
  readonly fileCabinets: ReadonlyArray<{ readonly id: string, readonly name: string, readonly isBasket: boolean }>
  /** Changes switches, from the next request on. @throws DWA_OPTIONS_INVALID */
  set: (switches: Partial<DocuWareSwitches>) => void
  /** Registers a further redirect URI, compared byte for byte. */
  addRedirectUri: (redirectUri: string) => void
  /** A further client secret, valid beside those that are there. Default: a random one. */
  addClientSecret: (secret?: string) => string
  /** The client secret expires; without an argument all of them. Token requests with it are answered `invalid_client`. */
  expireClientSecret: (secret?: string) => void
  /** All access tokens issued so far have expired: the platform answers 401. */
  expireTokens: () => void
  /** All refresh tokens issued so far have expired: refreshing is answered `invalid_grant`. */
  expireRefreshTokens: () => void
  /** The identity service moves to a new path; at the old one everything is 404. Returns the new `identityUrl`. */
  moveIdentity: () => string
  /** The next `count` requests (to the platform, unless told otherwise) are answered with 429 and not processed. */
  throttle: (count: number, options?: PlannedThrottle) => void
  /** The next `count` requests (to the platform, unless told otherwise) are answered with `status` and not processed. */
  failNext: (count: number, status: number, options?: PlannedFailure) => void
  /** The next `count` requests (to the platform, unless told otherwise) lose their connection. */
  dropNext: (count: number, options?: PlannedDrop) => void
  /** The next refresh is processed, and its answer, with the new refresh token, is lost. */
  loseNextRefresh: () => void
  /** The next `count` requests (to the platform, unless told otherwise) are answered slowly. */
  slowNext: (count: number, options: RequestFilter & AnswerPace) => void
  /** The next `count` requests (to the platform, unless told otherwise) are answered with an XML or HTML page and not processed. */
  disguiseNext: (count: number, as: 'xml' | 'html', options?: PlannedDisguise) => void
  /** The next `count` requests (to the platform, unless told otherwise) are answered like this and not processed: a redirect, a huge body, or whatever else. */
  answerNext: (count: number, answer: PlannedAnswer) => void
  /** Forgets what is planned for next requests. */
  clearPlans: () => void
  /** From now on token requests are processed, and their answers held until `release()`; those of one grant type only, when it is named. One gate at a time: a new one releases the last. */
  holdTokens: (options?: { readonly grantType?: string }) => DocuWareGate
  /** The calls in the order in which they came, at most the last 20 000. */
  calls: () => DocuWareCall[]
  /** How often each call came, such as `POST /connect/token refresh_token` or `GET /FileCabinets/{id}/Documents/{n}`. */
  counters: () => { [call: string]: number }
  /** Forgets the calls and sets the counters to 0. */
  clearCalls: () => void
  /** Every secret issued, configured or seen so far, to search logs for. */
  secretsIssued: () => { [Kind in SecretKind]: string[] }
  /** The uploaded files: counted and hashed, not kept. */
  uploads: () => DocuWareUpload[]
  /** What the download of a document's file must give. */
  file: (fileCabinetId: string, documentId: number) => { bytes: number, sha256: string }
  /** The bodies of the users that POST `/Organization/UserInfo` has created: a client that only asks who is calling has made none. */
  usersCreated: () => Array<{ readonly [name: string]: unknown }>
  /** Signs `user` in at an authorization URL as a browser would, and returns where that leads: the redirect URI with its `code`, or `error`. @throws Error for any other answer */
  signIn: (authorizationUrl: string, login?: { readonly username?: string, readonly password?: string }) => Promise<string>
  /** POSTs a webhook signed as DocuWare signs it. A text is sent as it is (so that `5.30` stays `5.30`), an object as JSON. Default event: a stored document with the amount 5.30. */
  sendWebhook: (url: string, event?: string | object, options?: WebhookOptions) => Promise<WebhookAnswer>
  /** Ends the servers, whoever is still connected. May be called twice. */
  stop: () => Promise<void>
}

/**
 * Starts a simulated DocuWare Cloud organization in this process, for tests and demonstrations: the platform and the identity service on two ports of the loopback interface.
 * Its signing key may be that of one that has stopped.
 * @throws DWA_OPTIONS_INVALID with the option's path, and Error where NODE_ENV is `production`
 */
export async function startDocuWare (options: DocuWareOptions = {}): Promise<DocuWare> {
  if (process.env['NODE_ENV'] === 'production') throw new Error('The DocuWare simulator lets anyone in and is for tests and demonstrations: it does not start with NODE_ENV=production')
  const settings = readOptions(options)
  const servers = new Map<Origin, LoopbackServer>()
  const originOf = (origin: Origin): string => servers.get(origin)?.origin ?? 'http://127.0.0.1'
  let identityPath: string | undefined
  const urls = () => ({
    platform: `${originOf('platform')}/DocuWare/Platform`,
    identity: `${originOf('identity')}/${identityPath ?? tenant.organization.guid}`,
    foreign: originOf('foreign')
  })
  const tenant = new Tenant(settings, await SigningKey.take(), urls)
  const stopping = new AbortController()
  const calls = new Calls()
  const faults = new Faults()
  let gate: Gate | null = null
  const serving: Serving = { calls, faults, now: () => tenant.now(), gate: () => gate, stopped: stopping.signal }
  const halves: ReadonlyArray<Half & { readonly port: number }> = [
    { origin: 'platform', base: () => urls().platform, handle: createPlatform(tenant), port: settings.ports.platform },
    { origin: 'identity', base: () => urls().identity, handle: (received) => identity(tenant, received), port: settings.ports.identity },
    { origin: 'foreign', base: () => urls().foreign, handle: () => json(200, {}), port: 0 }
  ]
  const stop = async (): Promise<void> => {
    const first = !stopping.signal.aborted
    stopping.abort()
    gate?.release()
    const running = [...servers.values()]
    servers.clear()
    await Promise.all(running.map((server) => server.stop()))
    if (first) tenant.key.release()
  }
  for (const half of halves) {
    try {
      servers.set(half.origin, await LoopbackServer.start(half.port, (incoming, outgoing) => {
        serve(serving, half, incoming, outgoing).catch(() => { outgoing.destroy() }) // the client went away, or the simulator stops
      }))
    } catch (error) {
      await stop()
      throw error
    }
  }
  // The addresses stay readable after stop().
  const { platform, foreign } = urls()
  const identityOrigin = originOf('identity')

  return {
    platformUrl: platform,
    get identityUrl () { return `${identityOrigin}/${identityPath ?? tenant.organization.guid}` },
    foreignUrl: foreign,
    organization: tenant.organization,
    clientId: settings.clientId,
    clientSecret: settings.clientSecret,
    user: settings.user,
    passphrase: settings.passphrase,
    fileCabinets: tenant.cabinets.list().map(({ id, name, isBasket }) => ({ id, name, isBasket })),
    set: (switches) => { setSwitches(tenant.switches, switches) },
    addRedirectUri: (redirectUri) => { tenant.clients.app.redirectUris.add(redirectUri) },
    addClientSecret: (secret) => tenant.clients.addSecret(secret),
    expireClientSecret: (secret) => { tenant.clients.expireSecret(secret) },
    expireTokens: () => { tenant.tokens.endAccessTokens() },
    expireRefreshTokens: () => { tenant.tokens.endRefreshTokens() },
    moveIdentity: () => {
      identityPath = randomUUID()
      return `${identityOrigin}/${identityPath}`
    },
    throttle: (count, plan) => { faults.throttle(count, plan) },
    failNext: (count, status, plan) => { faults.failNext(count, status, plan) },
    dropNext: (count, plan) => { faults.dropNext(count, plan) },
    loseNextRefresh: () => { faults.dropNext(1, { grantType: 'refresh_token', when: 'after' }) },
    slowNext: (count, plan) => { faults.slowNext(count, plan) },
    disguiseNext: (count, as, plan) => { faults.disguiseNext(count, as, plan) },
    answerNext: (count, plan) => { faults.answerNext(count, plan) },
    clearPlans: () => { faults.clear() },
    holdTokens: ({ grantType } = {}) => {
      gate?.release()
      gate = new Gate(grantType)
      return gate
    },
    calls: () => calls.list(),
    counters: () => calls.counters(),
    clearCalls: () => { calls.clear() },
    secretsIssued: () => tenant.secrets.list(),
    uploads: () => tenant.cabinets.list().flatMap((cabinet) => cabinet.uploads()),
    file: (fileCabinetId, documentId) => expectedFile(cabinetWith(tenant, fileCabinetId, documentId), documentId),
    usersCreated: () => [...tenant.usersCreated],
    signIn: (authorizationUrl, login) => signIn(authorizationUrl, { ...settings.user, ...login }),
    sendWebhook: (url, event, webhook) => sendWebhook(url, event ?? webhookEvent(tenant.now()), { secret: settings.passphrase, ...webhook }),
    stop
  }
}

function cabinetWith (tenant: Tenant, fileCabinetId: string, documentId: number): FileCabinet {
  const cabinet = tenant.cabinets.get(fileCabinetId)
  if (cabinet?.has(documentId) !== true) throw new Error(`There is no document ${documentId} in ${fileCabinetId}`)
  return cabinet
}
