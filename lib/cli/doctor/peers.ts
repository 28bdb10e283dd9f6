import type { mongo } from 'mongoose'
import { findUrlProblem } from '../../connectors/connector.js'
import { connectorKind } from '../../connectors/connector-kind.js'
import { connectionKind } from '../../docuware/connection-kind.js'
import { discover } from '../../docuware/discovery.js'
import { readPlatformUrl } from '../../docuware/platform-url.js'
import { isAuthError } from '../../errors.js'
import { requestBounded } from '../../http/bounded-request.js'
import { fetchKeySet } from '../../jwt/fetch-key-set.js'
import { jwksOf } from '../../jwt/public-keys.js'
import { validatorKind } from '../../jwt/validator-kind.js'
import { jwksUri } from '../../provider/metadata.js'
import { IdentityProvider } from '../../sign-in/identity-provider.js'
import type { SignInOptions } from '../../sign-in/sign-in-options.js'
import type { RecordDocument } from '../../store/outbox.js'
import type { RecordKind } from '../../store/record-collection.js'
import { livingRecords } from './living-records.js'
import type { Report } from './report.js'
import { settingAt, textAt, type Settings } from './settings.js'

/** Somebody whom the app calls. */
export interface Peer {
  readonly check: keyof typeof remedies
  /** `connection "acme"`, say. */
  readonly name: string
  /** The same for those that are asked the same. */
  readonly id: string
  /** Why the app would not call it; null when it would. */
  readonly problem: string | null
  /** Calls it, by the rules that the app calls it by. Rejects when it does not answer as it should. */
  readonly ask: () => Promise<unknown>
}

/** Milliseconds for one exchange, and how many peers are asked at once. */
const timeoutMs = 3000
const atOnce = 16
/** What stands before a server that is not there says so itself. */
const gatewayFailures: readonly number[] = [502, 503, 504]

const look = 'see whether the address is right and the server runs, and whether DNS, proxy and firewall let this machine reach it'
const remedies = {
  'DocuWare platforms': look,
  'key sets': `${look}; a private one needs jwt.keySets.allowPrivateAddresses, which doctor reads from --config`,
  'connector addresses': look,
  'sign-in provider': look
} as const

const checks = Object.keys(remedies) as Array<Peer['check']>

/** Whom the options name. @param settings those that `examineSettings` found nothing wrong with */
export function declaredPeers (settings: Settings, now: () => number): Peer[] {
  const validators = Object.values(Object(settingAt(settings, 'jwt', 'validators')))
  const connectors = Object.entries(Object(settingAt(settings, 'connectors', 'declared')))
  return [
    ...validators.flatMap((validator, index) => keySetOf(`jwt.validators[${index}]`, validator, false, settings)),
    ...connectors.flatMap(([name, connector]) => connectorOf(`connectors.declared.${name}`, textAt(connector, 'baseUrl'), settingAt(connector, 'auth'), settings)),
    ...signInOf(settings, now)
  ]
}

/** Whom the records name. */
export async function storedPeers (report: Report, db: mongo.Db, prefix: string, settings: Settings, now: () => number): Promise<Peer[]> {
  const peers: Peer[] = []
  const add = async (check: Peer['check'], kind: RecordKind, peersOf: (name: string, record: RecordDocument) => Peer[]): Promise<void> => {
    await report.attempt(check, async () => {
      for await (const record of livingRecords(db, prefix, kind)) peers.push(...peersOf(`${kind.area} ${JSON.stringify(record[kind.nameField])}`, record))
    })
  }
  await add('DocuWare platforms', connectionKind, (name, record) => platformOf(name, record, settings, now))
  await add('key sets', validatorKind, (name, record) => keySetOf(name, record, true, settings))
  await add('connector addresses', connectorKind, (name, record) => connectorOf(name, textAt(record, 'baseUrl'), { ...Object(record['settings']), type: record['type'] }, settings))
  return peers
}

/** Asks each whether it is there: one address once, however many name it. @param offline says only whom the app would not call */
export async function examinePeers (report: Report, peers: readonly Peer[], offline: boolean): Promise<void> {
  for (const check of checks) {
    const own = peers.filter((peer) => peer.check === check)
    await report.check(check, async (wrong) => {
      for (const { name, problem } of own) if (problem !== null) wrong(`${name}: ${problem}`, 'mend the address: the app does not call it')
      const callable = own.filter(({ problem }) => problem === null)
      if (offline) return `${callable.length} not asked`
      const failures = await failuresOf(callable)
      for (const { name, id } of callable) {
        const failure = failures.get(id)
        if (failure !== undefined) wrong(`${name}: ${failure instanceof Error ? failure.message : String(failure)}`, remedies[check], isAuthError(failure) ? failure.code : null)
      }
      return `${callable.length} answer`
    })
  }
}

/** Why some of them do not answer, by id. */
async function failuresOf (peers: readonly Peer[]): Promise<Map<string, unknown>> {
  const waiting = [...new Map(peers.map((peer) => [peer.id, peer])).values()]
  const failures = new Map<string, unknown>()
  const askOn = async (): Promise<void> => {
    for (let peer = waiting.shift(); peer !== undefined; peer = waiting.shift()) {
      const { id, ask } = peer
      await ask().catch((error: unknown) => { failures.set(id, error) })
    }
  }
  await Promise.all(Array.from({ length: atOnce }, askOn))
  return failures
}

function platformOf (name: string, record: RecordDocument, settings: Settings, now: () => number): Peer[] {
  const url = String(record['platformUrl'])
  const allowInsecure = allowsInsecure(settings, 'docuware')
  const read = readPlatformUrl(url, allowInsecure)
  return [{ check: 'DocuWare platforms', name, id: url, problem: typeof read === 'string' ? null : read.problem, ask: async () => await discover(url, { allowInsecure, now, timeoutMs }) }]
}

function keySetOf (name: string, validator: unknown, dynamic: boolean, settings: Settings): Peer[] {
  const url = textAt(validator, 'publicKeyJwkUri')
  if (url === undefined || settingAt(validator, 'enabled') === false || url === ownKeySet(settings)) return []
  const allowInsecure = allowsInsecure(settings, 'jwt')
  const keySets = { allowPrivateAddresses: settingAt(settings, 'jwt', 'keySets', 'allowPrivateAddresses') === true }
  const ask = async (): Promise<unknown> => jwksOf(await fetchKeySet(new URL(url), dynamic, { allowInsecure, keySets }, timeoutMs))
  return [{ check: 'key sets', name, id: `${dynamic ? 'stored' : 'declared'} ${url}`, problem: findUrlProblem(url, allowInsecure, true), ask }]
}

/** The set that the app's provider serves: validators of the app take it without a request. */
function ownKeySet (settings: Settings): string | null {
  const base = textAt(settings, 'publicUrl') ?? textAt(settings, 'provider', 'issuer')
  return base === undefined ? null : jwksUri(`${base.replace(/\/$/, '')}${textAt(settings, 'provider', 'prefix') ?? '/oauth2'}`)
}

function connectorOf (name: string, baseUrl: string | undefined, auth: unknown, settings: Settings): Peer[] {
  const allowInsecure = allowsInsecure(settings, 'connectors')
  const tokenUrl = textAt(auth, 'type') === 'oauth2' ? textAt(auth, 'tokenUrl') : undefined
  return Object.entries({ baseUrl, tokenUrl }).flatMap(([field, url]) => url === undefined ? [] : [{ check: 'connector addresses' as const, name: `${name}, ${field}`, id: url, problem: findUrlProblem(url, allowInsecure), ask: async () => { await knock(url) } }])
}

function signInOf (settings: Settings, now: () => number): Peer[] {
  const options = settings['signIn'] as SignInOptions | undefined // they were checked
  if (options === undefined) return []
  const shared = { check: 'sign-in provider', problem: null } as const
  const { issuer = '', endpoints } = options
  if (endpoints === undefined) return [{ ...shared, name: 'signIn.issuer', id: issuer, ask: async () => await new IdentityProvider({ ...options, now, timeoutMs }).endpoints() }]
  return Object.entries(endpoints).map(([name, url]) => ({ ...shared, name: `signIn.endpoints.${name}`, id: url, ask: async () => { await knock(url) } }))
}

function allowsInsecure (settings: Settings, plugin: string): boolean {
  return settingAt(settings, plugin, 'allowInsecure') === true
}

/** Asks for nothing but an answer, whatever its status; whoever wrote the address may have meant an internal one. */
async function knock (url: string): Promise<void> {
  let status = 0
  const exchange = requestBounded(new URL(url), { method: 'HEAD', timeoutMs, maxBytes: 0, allowSpecialAddress: true, inspect (answered) { status = answered } })
  await exchange.catch((error: unknown) => {
    if (status === 0) throw error
  })
  if (gatewayFailures.includes(status)) throw new Error(`answered with status ${status}`)
}
