import { randomUUID } from 'node:crypto'
import { errors } from '../errors.js'
import { ManagedRecords, type ChangeNote, type RecordPatch, type RecordUpdate } from '../store/managed-records.js'
import type { RecordCollection, StoredRecord } from '../store/record-collection.js'
import { cleared, RecordInput } from '../store/record-input.js'
import { isClientId } from './authorization-request.js'
import { toClientView } from './client-kind.js'
import { clientSchema, type ClientInput, type ClientPatch, type ClientView, type KeptSecret, type StoredClient } from './client-schema.js'
import type { ClientSecrets } from './client-secret.js'
import { findRedirectUriProblem } from './redirect-uri.js'
import { signingKeyOf, type KeyMaker, type KeySet } from './signing-keys.js'

/** Who changes a client, and what its audit entry says beside the event. */
export type ClientChange = ChangeNote

/** A change of an existing client, optionally of one version only: otherwise the newest is changed. */
export type ClientUpdate = RecordUpdate

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

const input = new RecordInput('client', errors.DWA_PROVIDER_INVALID_CLIENT)
const { clientId: _clientId, clientSecret: _clientSecret, confidential: _confidential, jwtPrivateKey: _jwtPrivateKey, ...changeable } = clientSchema.properties
const optional = ['jwtScope', 'userId', 'lifetimes', 'audiences'] as const
/** What may be changed of a client. */
export const clientPatchSchema = {
  ...clientSchema,
  required: [],
  properties: { ...changeable, ...Object.fromEntries(optional.map((name) => [name, { anyOf: [changeable[name], { type: 'null' }] }])) }
}

/** Management of clients. What is returned never holds a secret, except a new one, once. */
export class Clients {
  readonly #options: ClientsOptions
  readonly #managed: ManagedRecords<StoredClient>

  constructor (options: ClientsOptions) {
    const { records, onChange } = options
    this.#options = options
    this.#managed = new ManagedRecords({
      records,
      onChange: ({ id }) => { onChange(id) },
      findElse: async (key) => isClientId(key) ? (await records.list({ clientId: key })).at(0) ?? null : null
    })
  }

  /** @throws DWA_PROVIDER_INVALID_CLIENT with `field`, DWA_PROVIDER_INVALID_KEY, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE */
  async create (client: ClientInput, change: ClientChange = {}): Promise<CreatedClient> {
    const given = input.read(clientSchema, client)
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
    const record = await this.#managed.create(stored, change)
    return { client: this.#view(record), clientSecret: generated?.secret ?? null }
  }

  /** By record id, client id or name. @throws DWA_STORE_UNAVAILABLE */
  async get (idOrName: string): Promise<ClientView | null> {
    const record = await this.#managed.find(idOrName)
    return record === null ? null : this.#view(record)
  }

  /** All clients, by name. */
  async list (): Promise<ClientView[]> {
    return (await this.#options.records.list()).map((record) => this.#view(record))
  }

  /** At most `limit` clients by name, from the one that follows the name `after` on; of those alone with these values. @throws DWA_STORE_INVALID_RECORD, DWA_STORE_UNAVAILABLE */
  async page (limit: number, after?: string, matching: Partial<Pick<StoredClient, 'name' | 'clientId' | 'applicationType' | 'enabled'>> = {}): Promise<ClientView[]> {
    return (await this.#options.records.page(limit, after, matching)).map((record) => this.#view(record))
  }

  /**
   * Changes what is given; null clears. A client that is disabled loses its tokens for good.
   * @throws DWA_PROVIDER_INVALID_CLIENT with `field`, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE
   */
  async update (idOrName: string, patch: ClientPatch, change: ClientUpdate = {}): Promise<ClientView> {
    const given = input.read(clientPatchSchema, patch)
    const view = await this.#changing(idOrName, change, undefined, async ({ id, fields }) => {
      const effect = { ...cleared(given), ...(given.enabled === false ? { tokensSince: this.#options.now() } : {}) } as RecordPatch<StoredClient>
      const after = { ...fields, ...effect } as StoredClient
      if (Object.keys(given).some((name) => name !== 'enabled')) refuseDisagreements(after, { hasSecret: (after.keptSecrets ?? []).length > 0 })
      const needsKey = after.tokenType === 'jwt' && signingKeyOf(fields.keys ?? [], this.#options.now())?.algorithm !== after.jwtAlgorithm
      return needsKey ? { ...effect, ...keptKeys(await this.#options.keys.forAlgorithm(after.jwtAlgorithm, fields.keys ?? [], await this.#privateKeys(id), this.#options.now())) } : effect
    })
    if (given.enabled === false) await this.#options.revokeAll(view.id, change)
    return view
  }

  /** The client is gone, and with it every code and token issued to it. @throws DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE */
  async remove (idOrName: string, change: ClientUpdate = {}): Promise<void> {
    const { id } = await this.#managed.remove(idOrName, change)
    await this.#options.revokeAll(id, change)
  }

  /**
   * A new secret beside the one there is, which goes on working until it is dropped; of two the older gives way.
   * @throws DWA_PROVIDER_INVALID_CLIENT for a public client, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE
   */
  async rotateSecret (idOrName: string, change: ClientUpdate = {}): Promise<{ readonly client: ClientView, readonly clientSecret: string }> {
    const { secret, stored } = this.#options.secrets.generate()
    const client = await this.#changing(idOrName, change, 'client.secret_rotated', async ({ fields: { confidential, keptSecrets = [] } }) => {
      if (!confidential) throw input.invalid('confidential', 'a public client has no secret')
      return { keptSecrets: [...keptSecrets.slice(-1), this.#kept(stored)] }
    })
    return { client, clientSecret: secret }
  }

  /** Ends one of two secrets, the older one unless its id is given. @throws DWA_PROVIDER_INVALID_CLIENT when it is the only one, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  async dropSecret (idOrName: string, { secretId, ...change }: ClientUpdate & { readonly secretId?: string } = {}): Promise<ClientView> {
    return await this.#changing(idOrName, change, 'client.secret_dropped', async ({ fields: { keptSecrets = [] } }) => {
      const dropped = secretId === undefined ? keptSecrets.at(0) : keptSecrets.find(({ id }) => id === secretId)
      if (dropped === undefined) throw new errors.DWA_STORE_NOT_FOUND('The secret')
      if (keptSecrets.length < 2) throw input.invalid('clientSecret', 'is the only one: rotate it first, or disable the client')
      return { keptSecrets: keptSecrets.filter((secret) => secret !== dropped) }
    })
  }

  /**
   * A new key for the client's JWTs, published at once and signing as soon as everybody can know it; see `Keys`.
   * @throws DWA_PROVIDER_INVALID_KEY for a client whose algorithm is HMAC
   */
  async generatePrivateKey (idOrName: string, change: ClientUpdate & { readonly immediately?: boolean } = {}): Promise<ClientView> {
    return await this.#changing(idOrName, change, 'client.key_rotated', async (record) => {
      return keptKeys(await this.#options.keys.next(record.fields, await this.#privateKeys(record.id), this.#options.now(), change.immediately === true))
    })
  }

  async #changing (idOrName: string, change: ClientUpdate, event: string | undefined, effectOf: (record: StoredRecord<StoredClient>) => Promise<RecordPatch<StoredClient>>): Promise<ClientView> {
    return this.#view(await this.#managed.change(idOrName, change, effectOf, event))
  }

  async #privateKeys (id: string): Promise<string | undefined> {
    return (await this.#options.records.secrets(id))['privateKeys']
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
    if (problem !== null) throw input.invalid(`redirectUris[${index}]`, problem)
  }
  const redirects = applicationType === 'web' || applicationType === 'mobile'
  if (redirects && redirectUris.length === 0) throw input.invalid('redirectUris', `a ${applicationType} client needs one`)
  if (!redirects && !confidential) throw input.invalid('confidential', `a ${applicationType} client must be confidential`)
  if (confidential && !hasSecret) throw input.invalid('clientSecret', 'a confidential client needs one')
  if (!confidential && hasSecret) throw input.invalid('clientSecret', 'a public client has none')
  if (allowImplicit && applicationType !== 'mobile') throw input.invalid('allowImplicit', 'is for mobile clients')
  if (allowPassword && applicationType !== 'legacy') throw input.invalid('allowPassword', 'is for legacy clients')
  if (userId !== undefined && applicationType !== 'backend') throw input.invalid('userId', 'is for backend clients')
}
