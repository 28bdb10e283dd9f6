import { errors } from '../errors.js'
import type { Clock } from '../clock.js'
import { networkOf } from '../http/address-network.js'
import type { LogFields } from '../log/log-entry.js'
import type { FailureLocks } from '../store/failure-locks.js'
import type { ClientSecrets } from './client-secret.js'
import { decode, type Parameters } from './form-parameters.js'
import type { OpenClient, OpenClients } from './open-clients.js'
import type { LimitName } from './provider-options.js'
import { Turns } from './turns.js'

/** Who a client says it is (RFC 6749 §2.3), in every way its header can be read: as it stands, and form-decoded. A null secret: it only names itself. */
type Credentials = ReadonlyArray<{ readonly clientId: string, readonly secret: string | null }>

/** The parts of a request that count. */
export interface ClientRequest {
  readonly authorization: string | undefined
  readonly parameters: Parameters
  readonly address: string
  readonly requestId?: string | undefined
}

export interface ClientAuthenticationOptions {
  readonly clients: Pick<OpenClients, 'byClientId'>
  readonly secrets: Pick<ClientSecrets, 'fitsAtOnce' | 'fitsImported'>
  readonly locks: FailureLocks<LimitName>
  readonly clock: Clock
  /** Notes a failure in the log, sampled. */
  readonly log: (key: string, fields: LogFields) => void
}

/** Milliseconds: a failure is not answered sooner. More than the slow hash takes, which every failure costs, whether there was a client to compare with or not. */
const failureTime = 150

/** Authenticates clients at the token endpoint and its kin. An unknown client and a wrong secret look the same in body, status and time (security.md 19 to 21). */
export class ClientAuthentication {
  readonly #options: ClientAuthenticationOptions
  readonly #turns = new Turns()

  constructor (options: ClientAuthenticationOptions) {
    this.#options = options
  }

  /**
   * @param anonymous whether a public client will do, which merely names itself
   * @throws DWA_OAUTH_INVALID_CLIENT with `challenge` when the header was used, DWA_OAUTH_INVALID_REQUEST for two methods at once, DWA_RATE_LIMITED, DWA_STORE_UNAVAILABLE
   */
  async authenticate (request: ClientRequest, { anonymous }: { readonly anonymous: boolean }): Promise<OpenClient> {
    const { clock, locks } = this.#options
    const began = clock.now()
    const credentials = readCredentials(request) ?? []
    const client = await this.#named(credentials)
    const lock = [client?.fields.clientId ?? credentials.at(-1)?.clientId ?? '', networkOf(request.address)] // the same for a client that does not exist
    await locks.refuseLocked('clientAuthentications', lock)
    if (client !== null && await this.#fitsAtOnce(client, credentials, anonymous)) return client
    const late = await this.#turns.run(lock.join(' '), async () => await this.#tryImported(client, credentials, request, lock))
    if (late !== null) return late
    const left = began + failureTime - clock.now()
    if (left > 0) await new Promise<void>((resolve) => { clock.after(left, resolve) })
    throw Object.assign(new errors.DWA_OAUTH_INVALID_CLIENT(), { challenge: request.authorization !== undefined })
  }

  /** The client that is meant; an id that is encoded has one reading only that can be one. */
  async #named (credentials: Credentials): Promise<OpenClient | null> {
    for (const { clientId } of credentials) {
      const client = await this.#options.clients.byClientId(clientId)
      if (client !== null) return client
    }
    return null
  }

  async #fitsAtOnce ({ fields: { clientId, confidential, keptSecrets = [] } }: OpenClient, credentials: Credentials, anonymous: boolean): Promise<boolean> {
    const own = credentials.filter((reading) => reading.clientId === clientId)
    if (own.some(({ secret }) => secret === null)) return anonymous && !confidential
    return await this.#options.secrets.fitsAtOnce(secretsOf(own), keptSecrets.map(({ hash }) => hash))
  }

  /** One at a time for a client and address, so that who guesses in parallel is locked like one who guesses in turn. */
  async #tryImported (client: OpenClient | null, credentials: Credentials, { address, requestId }: ClientRequest, lock: readonly string[]): Promise<OpenClient | null> {
    const { locks, secrets, log } = this.#options
    const network = networkOf(address)
    await locks.refuseLocked('clientAuthentications', lock)
    await locks.refuseLocked('failuresPerAddress', [network]) // whoever invents one client after the other
    const own = client === null ? credentials : credentials.filter(({ clientId }) => clientId === client.fields.clientId)
    if (await secrets.fitsImported(secretsOf(own), (client?.fields.keptSecrets ?? []).map(({ hash }) => hash))) return client
    await locks.note('clientAuthentications', lock)
    await locks.note('failuresPerAddress', [network])
    log(network, {
      level: 'warning',
      target: { type: 'client', id: client?.id ?? null, name: credentials[0]?.clientId ?? null },
      personal: { ip: address },
      requestId
    })
    return null
  }
}

function secretsOf (credentials: Credentials): string[] {
  return credentials.flatMap(({ secret }) => secret ?? [])
}

/** @returns null when the header is malformed, or no client is named. @throws DWA_OAUTH_INVALID_REQUEST */
function readCredentials ({ authorization, parameters }: ClientRequest): Credentials | null {
  const clientId = parameters.get('client_id')
  const secret = parameters.get('client_secret')
  if (authorization === undefined) return clientId === undefined ? null : [{ clientId, secret: secret ?? null }]
  if (secret !== undefined) throw new errors.DWA_OAUTH_INVALID_REQUEST('The client authenticates in two ways at once')
  const raw = readBasic(authorization)
  if (raw === null) return null
  const decoded = formDecoded(raw)
  const readings = decoded === null || (decoded.clientId === raw.clientId && decoded.secret === raw.secret) ? [raw] : [raw, decoded]
  return readings.filter((reading) => clientId === undefined || reading.clientId === clientId)
}

function readBasic (authorization: string): { readonly clientId: string, readonly secret: string } | null {
  const encoded = /^basic +([A-Za-z0-9+/_-]+={0,2})$/i.exec(authorization)?.[1]
  if (encoded === undefined || encoded.length > 8192) return null
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  if (colon < 1) return null
  return { clientId: text.slice(0, colon), secret: text.slice(colon + 1) }
}

/** RFC 6749 §2.3.1 encodes both before they go into the header; RFC 7617, and many clients, do not. */
function formDecoded ({ clientId, secret }: { readonly clientId: string, readonly secret: string }): { readonly clientId: string, readonly secret: string } | null {
  try {
    return { clientId: decode(clientId), secret: decode(secret) }
  } catch {
    return null // it was not encoded, then
  }
}
