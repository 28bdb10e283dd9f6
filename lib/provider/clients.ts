import { randomUUID } from 'node:crypto'
import { errors, isAuthError } from '../errors.js'
import { findDisagreement } from '../options.js'
import type { Change, RecordCollection, StoredRecord } from '../store/record-collection.js'
import { isClientId } from './authorization-request.js'
import { toClientView } from './client-kind.js'
import { clientSchema, type ClientInput, type ClientPatch, type ClientView, type KeptSecret, type StoredClient } from './client-schema.js'
import type { ClientSecrets } from './client-secret.js'
import { findRedirectUriProblem } from './redirect-uri.js'
import { signingKeyOf, type KeyMaker, type KeySet } from './signing-keys.js'

/** Who changes a client, and what its audit entry says beside the event. */
export type ClientChange = Pick<Change, 'actor' | 'requestId' | 'message' | 'details'>

/** A change of an existing client, optionally of one version only: otherwise the newest is changed. */
export type ClientUpdate = ClientChange & { readonly version?: number }

/** A client, and its secret, which is shown this once; null for an imported one, and for a public client. */
export interface CreatedClient {
  readonly client: ClientView
  readonly clientSecret: string | null
}

export interface ClientsOptions {
  readonly records: RecordCollection<StoredClient>
  readonly secrets: ClientSecrets
  readonly keys: KeyMaker
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Told of every record that a change has touched or may have touched. */
  readonly onChange: (id: string | null) => void
  /** Revokes everything issued to the client. */
  readonly revokeAll: (id: string, change: ClientChange) => Promise<void>
}

type Patch = Parameters<RecordCollection<StoredClient>['update']>[2]

const tries = 20
const { clientId: _clientId, clientSecret: _clientSecret, confidential: _confidential, jwtPrivateKey: _jwtPrivateKey, ...changeable } = clientSchema.properties
const optional = ['jwtScope', 'userId', 'lifetimes', 'audiences'] as const
const patchSchema = {
  ...clientSchema,
  required: [],
  properties: { ...changeable, ...Object.fromEntries(optional.map((name) => [name, { anyOf: [changeable[name], { type: 'null' }] }])) }
}

/** Management of clients. What is returned never holds a secret, except a new one, once. */
export class Clients {
  readonly #options: ClientsOptions

  constructor (options: ClientsOptions) {
    this.#options = options
  }

  /** @throws DWA_PROVIDER_INVALID_CLIENT with `field`, DWA_PROVIDER_INVALID_KEY, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE */
  async create (input: ClientInput, change: ClientChange = {}): Promise<CreatedClient> {
    const given = withoutUndefined(input)
    check(clientSchema, given)
    const { clientSecret: imported, jwtPrivateKey, ...plain } = given
    const generated = imported === undefined && isConfidential(given) ? this.#options.secrets.generate() : null
    const hash = imported === undefined ? generated?.stored : await this.#options.secrets.import(imported)
    const fields = withDefaults(plain)
    refuseDisagreements(fields, { ...given, hasSecret: hash !== undefined })
    const keys = fields.tokenType === 'jwt' || jwtPrivateKey !== undefined ? await this.#options.keys.first(fields.jwtAlgorithm, jwtPrivateKey, this.#options.now()) : null
    const stored: StoredClient = {
      ...fields,
      ...(hash === undefined ? {} : { keptSecrets: [this.#kept(hash)] }),
      ...(keys === null ? {} : keptKeys(keys))
    }
    const record = await this.#told(null, async () => await this.#options.records.create(stored, noteOf(change)))
    return { client: this.#view(record), clientSecret: generated?.secret ?? null }
  }

  /** By record id, client id or name. @throws DWA_STORE_UNAVAILABLE */
  async get (idOrName: string): Promise<ClientView | null> {
    const record = await this.#find(idOrName)
    return record === null ? null : this.#view(record)
  }

  /** All clients, by name. */
  async list (): Promise<ClientView[]> {
    return (await this.#options.records.list()).map((record) => this.#view(record))
  }

  /**
   * Changes what is given; null clears. A client that is disabled loses its tokens for good.
   * @throws DWA_PROVIDER_INVALID_CLIENT with `field`, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE
   */
  async update (idOrName: string, patch: ClientPatch, change: ClientUpdate = {}): Promise<ClientView> {
    const given = withoutUndefined(patch)
    check(patchSchema, given)
    const view = await this.#changing(idOrName, change, undefined, async ({ id, fields }) => {
      const effect = { ...Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value ?? undefined])), ...(given.enabled === false ? { tokensSince: this.#options.now() } : {}) } as Patch
      const after = { ...fields, ...effect } as StoredClient
      if (Object.keys(given).some((name) => name !== 'enabled')) refuseDisagreements(after, { hasSecret: (after.keptSecrets ?? []).length > 0 })
      const needsKey = after.tokenType === 'jwt' && signingKeyOf(fields.keys ?? [], this.#options.now())?.algorithm !== after.jwtAlgorithm
      return needsKey ? { ...effect, ...keptKeys(await this.#options.keys.forAlgorithm(after.jwtAlgorithm, fields.keys ?? [], (await this.#opened(id)).secrets['privateKeys'], this.#options.now())) } : effect
    })
    if (given.enabled === false) await this.#options.revokeAll(view.id, change)
    return view
  }

  /** The client is gone, and with it every code and token issued to it. @throws DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE */
  async remove (idOrName: string, change: ClientUpdate = {}): Promise<void> {
    const id = await this.#retrying(idOrName, change.version, async ({ id, version }) => {
      await this.#told(id, async () => { await this.#options.records.remove(id, version, noteOf(change)) })
      return id
    })
    await this.#options.revokeAll(id, change)
  }

  /**
   * A new secret beside the one there is, which goes on working until it is dropped; of two the older gives way.
   * @throws DWA_PROVIDER_INVALID_CLIENT for a public client, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE
   */
  async rotateSecret (idOrName: string, change: ClientUpdate = {}): Promise<{ readonly client: ClientView, readonly clientSecret: string }> {
    const { secret, stored } = this.#options.secrets.generate()
    const client = await this.#changing(idOrName, change, 'client.secret_rotated', async ({ fields: { confidential, keptSecrets = [] } }) => {
      if (!confidential) throw invalid('confidential', 'a public client has no secret')
      return { keptSecrets: [...keptSecrets.slice(-1), this.#kept(stored)] }
    })
    return { client, clientSecret: secret }
  }

  /** Ends one of two secrets, the older one unless its id is given. @throws DWA_PROVIDER_INVALID_CLIENT when it is the only one, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  async dropSecret (idOrName: string, { secretId, ...change }: ClientUpdate & { readonly secretId?: string } = {}): Promise<ClientView> {
    return await this.#changing(idOrName, change, 'client.secret_dropped', async ({ fields: { keptSecrets = [] } }) => {
      const dropped = secretId === undefined ? keptSecrets.at(0) : keptSecrets.find(({ id }) => id === secretId)
      if (dropped === undefined) throw new errors.DWA_STORE_NOT_FOUND('The secret')
      if (keptSecrets.length < 2) throw invalid('clientSecret', 'is the only one: rotate it first, or disable the client')
      return { keptSecrets: keptSecrets.filter((secret) => secret !== dropped) }
    })
  }

  /**
   * A new key for the client's JWTs, published at once and signing as soon as everybody can know it; see `Keys`.
   * @throws DWA_PROVIDER_INVALID_KEY for a client whose algorithm is HMAC
   */
  async generatePrivateKey (idOrName: string, change: ClientUpdate & { readonly immediately?: boolean } = {}): Promise<ClientView> {
    return await this.#changing(idOrName, change, 'client.key_rotated', async (record) => {
      const { secrets } = await this.#opened(record.id)
      return keptKeys(await this.#options.keys.next(record.fields, secrets['privateKeys'], this.#options.now(), change.immediately === true))
    })
  }

  async #changing (idOrName: string, change: ClientUpdate, event: string | undefined, effectOf: (record: StoredRecord<StoredClient>) => Promise<Patch>): Promise<ClientView> {
    return await this.#retrying(idOrName, change.version, async (record) => {
      const effect = await effectOf(record)
      return this.#view(await this.#told(record.id, async () => await this.#options.records.update(record.id, record.version, effect, { ...noteOf(change), ...(event === undefined ? {} : { event }) })))
    })
  }

  /** Runs a write on one version, or on whatever is the newest when it runs. */
  async #retrying<T> (idOrName: string, version: number | undefined, write: (record: StoredRecord<StoredClient>) => Promise<T>, left = tries): Promise<T> {
    const record = await this.#find(idOrName)
    if (record === null) throw missing(idOrName)
    if (version !== undefined && version !== record.version) throw new errors.DWA_STORE_CONFLICT('The client')
    try {
      return await write(record)
    } catch (error) {
      if (version !== undefined || left === 0 || !isAuthError(error, 'DWA_STORE_CONFLICT')) throw error
      return await this.#retrying(idOrName, version, write, left - 1)
    }
  }

  async #find (idOrName: string): Promise<StoredRecord<StoredClient> | null> {
    const { records } = this.#options
    return await records.get(idOrName) ?? (isClientId(idOrName) ? (await records.list({ clientId: idOrName })).at(0) : null) ?? await records.getByName(idOrName)
  }

  async #opened (id: string): Promise<{ readonly secrets: { readonly [name: string]: string } }> {
    const record = await this.#options.records.open(id)
    if (record === null) throw missing(id)
    return record
  }

  async #told<T> (id: string | null, write: () => Promise<T>): Promise<T> {
    try {
      return await write()
    } finally {
      this.#options.onChange(id)
    }
  }

  #kept (hash: string): KeptSecret {
    return { id: randomUUID(), hash, createdAt: this.#options.now() }
  }

  #view (record: StoredRecord<StoredClient>): ClientView {
    return toClientView(record, this.#options.now())
  }
}

function keptKeys ({ keys, privateKeys }: KeySet): Pick<StoredClient, 'keys' | 'privateKeys'> & { privateKeys: string } {
  return { keys, privateKeys: JSON.stringify(privateKeys) }
}

function isConfidential ({ confidential, applicationType, clientSecret }: ClientInput): boolean {
  return confidential ?? (applicationType !== 'mobile' || clientSecret !== undefined)
}

function withDefaults (given: Omit<ClientInput, 'clientSecret' | 'jwtPrivateKey'>): StoredClient {
  return {
    clientId: randomUUID(),
    skipAuthorization: false,
    scopes: [],
    redirectUris: [],
    tokenType: 'random',
    jwtAlgorithm: 'RS256',
    requirePkce: true,
    tokenInQuery: false,
    allowHttpRedirect: false,
    allowImplicit: false,
    allowPassword: false,
    enabled: true,
    ...given,
    confidential: isConfidential(given)
  }
}

/** What no schema says: fields that do not go together. */
function refuseDisagreements (client: StoredClient, { hasSecret }: { readonly hasSecret: boolean }): void {
  const { applicationType, confidential, redirectUris, allowHttpRedirect, allowImplicit, allowPassword, userId } = client
  for (const [index, uri] of redirectUris.entries()) {
    const problem = findRedirectUriProblem(uri, { native: applicationType === 'mobile', allowHttp: allowHttpRedirect })
    if (problem !== null) throw invalid(`redirectUris[${index}]`, problem)
  }
  const redirects = applicationType === 'web' || applicationType === 'mobile'
  if (redirects && redirectUris.length === 0) throw invalid('redirectUris', `a ${applicationType} client needs one`)
  if (!redirects && !confidential) throw invalid('confidential', `a ${applicationType} client must be confidential`)
  if (confidential && !hasSecret) throw invalid('clientSecret', 'a confidential client needs one')
  if (!confidential && hasSecret) throw invalid('clientSecret', 'a public client has none')
  if (allowImplicit && applicationType !== 'mobile') throw invalid('allowImplicit', 'is for mobile clients')
  if (allowPassword && applicationType !== 'legacy') throw invalid('allowPassword', 'is for legacy clients')
  if (userId !== undefined && applicationType !== 'backend') throw invalid('userId', 'is for backend clients')
}

function check (schema: object, given: object): void {
  const found = findDisagreement(schema, given)
  if (found === null) return
  throw invalid(found.path, found.problem === 'unknown option' ? 'unknown field' : found.problem)
}

function invalid (path: string, problem: string): Error {
  return Object.assign(new errors.DWA_PROVIDER_INVALID_CLIENT(`${path === '' ? 'client' : path}: ${problem}`), { field: path.split(/[.[]/, 1).at(0) ?? '' })
}

function missing (idOrName: string): Error {
  return new errors.DWA_STORE_NOT_FOUND(`The client "${idOrName}"`)
}

/** Own members only, each read once: what is checked is what is stored. */
function withoutUndefined<Given extends object> (given: Given): Given {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid('', 'must be an object')
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Given
}

/** The event is not the caller's to choose: other processes go by it. */
function noteOf ({ actor, requestId, message, details }: ClientChange): Change {
  return {
    ...(actor === undefined ? {} : { actor }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(message === undefined ? {} : { message }),
    ...(details === undefined ? {} : { details })
  }
}
