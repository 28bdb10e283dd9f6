import type { JwtValidators } from '../../types/jwt.js'
import { errors } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import type { ChangeNote, RecordUpdate } from '../store/managed-records.js'
import { isRecordId, type RecordCollection, type StoredRecord } from '../store/record-collection.js'
import type { CompiledValidator } from './compiled-validator.js'
import { findClosedChain } from './closed-chain.js'
import { nextName } from './declared-validators.js'
import { normaliseValidator, type NormaliseContext, type NormalValidator } from './normalise-validator.js'
import { byId, byName, readLink, type ValidatorKey } from './validator-key.js'
import type { StoredValidator } from './validator-kind.js'
import type { ValidatorInput, ValidatorPatch, ValidatorSecrets, ValidatorView } from './validator-schema.js'

export interface ValidatorsOptions {
  readonly declared: ReadonlyMap<string, CompiledValidator>
  readonly records: RecordCollection<StoredValidator>
  readonly auditLog: Pick<AuditLog, 'append'>
  readonly context: NormaliseContext
  /** Runs a change that depends on other validators while no other process does. */
  readonly exclusively: <T>(change: () => Promise<T>) => Promise<T>
  /** Told of every record that a change has touched or may have touched, whatever became of its audit entry. */
  readonly onChange: (validator: { readonly id: string | null, readonly name: string }) => void
}

/** Who changes a validator, and what its audit entry says beside the event. */
export type ValidatorChange = ChangeNote

/** A change of an existing validator, optionally of one version only: otherwise the newest is changed. */
export type ValidatorUpdate = RecordUpdate

type Stored = StoredRecord<StoredValidator>

/** Management of validators in the store, beside the declared ones. */
export class Validators implements Omit<JwtValidators, 'clearCookie' | 'explain'> {
  readonly #options: ValidatorsOptions

  constructor (options: ValidatorsOptions) {
    this.#options = options
  }

  async create (input: ValidatorInput, change: ValidatorChange = {}): Promise<ValidatorView> {
    const { declared, records, context, exclusively } = this.#options
    const normal = normaliseValidator(input, context)
    if (declared.has(normal.fields.name)) throw new errors.DWA_STORE_DUPLICATE(`Validator "${normal.fields.name}"`)
    return await exclusively(async () => {
      const link = await this.#checkedLink(normal.fields.name, normal)
      const record = await this.#told({ id: null, name: normal.fields.name }, () => records.create(toStored(normal, link), noteOf(change, normal)))
      return await this.#view(record)
    })
  }

  async get (idOrName: string): Promise<ValidatorView | null> {
    const declared = this.#options.declared.get(idOrName)
    if (declared !== undefined) return declaredView(declared)
    const record = await this.#find(idOrName)
    return record === null ? null : await this.#view(record)
  }

  async list (): Promise<ValidatorView[]> {
    const records = await this.#options.records.list()
    const names = new Map(records.map((record) => [record.id, record.fields.name]))
    const stored = records.map((record) => toView(record, nameOfLink(record, (id) => names.get(id))))
    return [...[...this.#options.declared.values()].map(declaredView), ...stored].sort((one, other) => one.name < other.name ? -1 : 1)
  }

  async update (idOrName: string, given: ValidatorPatch, change: ValidatorUpdate = {}): Promise<ValidatorView> {
    const patch: ValidatorPatch = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    return await this.#options.exclusively(async () => {
      const record = await this.#editable(idOrName, change)
      const { name } = record.fields
      const version = change.version ?? record.version
      const isSwitch = Object.keys(patch).join() === 'enabled' && typeof patch.enabled === 'boolean'
      // An emergency must not fail for what else may be wrong with the record.
      if (isSwitch) return await this.#view(await this.#told({ id: record.id, name }, () => this.#options.records.update(record.id, version, { enabled: patch.enabled === true }, noteOf(change))))
      const normal = normaliseValidator({ ...await this.#asGiven(record, patch), ...patch }, this.#options.context)
      if (normal.fields.name !== name) await this.#checkRename(name, normal.fields.name)
      const link = await this.#checkedLink(name, normal)
      const stored = toStored(normal, link)
      return await this.#view(await this.#told({ id: record.id, name: normal.fields.name }, () => this.#options.records.update(record.id, version, difference(record, stored, patch), noteOf(change, normal))))
    })
  }

  async remove (idOrName: string, change: ValidatorUpdate = {}): Promise<void> {
    await this.#options.exclusively(async () => {
      const record = await this.#editable(idOrName, change)
      const { name } = record.fields
      const users = [...await this.#pointingTo(byId(record.id)), ...this.#declaredPointingTo(name)]
      if (users.length > 0) throw new errors.DWA_JWT_VALIDATOR_IN_USE(name, users.join(', '))
      await this.#told({ id: record.id, name }, () => this.#options.records.remove(record.id, change.version ?? record.version, noteOf(change)))
    })
  }

  async secrets (idOrName: string, { actor, requestId, message, personal }: ValidatorChange = {}): Promise<ValidatorSecrets> {
    const { id, fields: { name } } = await this.#editable(idOrName)
    const { secretKey = null, cookieSecret = null } = await this.#options.records.secrets(id)
    await this.#options.auditLog.append('validator.secrets_read', { level: 'warning', actor, requestId, message, personal, target: { type: 'validator', id, name } })
    return { secretKey, cookieSecret }
  }

  /** Runs a write; what it may have changed is forgotten here even when its audit entry could not be stored. */
  async #told<T> (validator: { readonly id: string | null, readonly name: string }, write: () => Promise<T>): Promise<T> {
    try {
      return await write()
    } finally {
      this.#options.onChange(validator)
    }
  }

  async #find (idOrName: string): Promise<Stored | null> {
    const { records } = this.#options
    return isRecordId(idOrName) ? await records.get(idOrName) : await records.getByName(idOrName)
  }

  async #editable (idOrName: string, meant: Pick<ValidatorUpdate, 'id'> = {}): Promise<Stored> {
    if (this.#options.declared.has(idOrName)) throw new errors.DWA_JWT_READ_ONLY_VALIDATOR(idOrName)
    const record = await this.#find(idOrName)
    if (record === null) throw new errors.DWA_STORE_NOT_FOUND(`Validator "${idOrName}"`)
    if (meant.id !== undefined && meant.id !== record.id) throw new errors.DWA_STORE_CONFLICT('The validator')
    return record
  }

  /** The record in the form it could have been created with. Secrets that the patch replaces all are not read: they may be unreadable. */
  async #asGiven ({ id, fields, secretsSet }: Stored, patch: ValidatorPatch): Promise<{ [field: string]: unknown }> {
    const { nextLink, userIdStrategy, ...others } = fields
    return {
      ...others,
      ...(secretsSet.every((name) => Object.hasOwn(patch, name)) ? {} : await this.#options.records.secrets(id)),
      ...(userIdStrategy === 'static' && fields.staticUserId === undefined ? {} : { userIdStrategy }),
      nextValidator: nextLink === undefined ? undefined : await this.#linkedName(readLink(nextLink))
    }
  }

  async #checkRename (from: string, to: string): Promise<void> {
    if (this.#options.declared.has(to)) throw new errors.DWA_STORE_DUPLICATE(`Validator "${to}"`)
    const users = this.#declaredPointingTo(from)
    if (users.length > 0) throw new errors.DWA_JWT_VALIDATOR_IN_USE(from, users.join(', '))
  }

  /** The link to the named next validator. @param saved the name the record has until it is saved */
  async #checkedLink (saved: string, { fields }: NormalValidator): Promise<ValidatorKey | null> {
    const { nextValidator } = fields
    if (nextValidator === undefined) return null
    const path = await findClosedChain(saved, nextValidator === fields.name ? saved : nextValidator, (name) => this.#nextOf(name))
    if (path !== null) throw new errors.DWA_JWT_CLOSED_CHAIN(path.map((name) => name === saved ? fields.name : name).join(' -> '))
    if (this.#options.declared.has(nextValidator)) return byName(nextValidator)
    const next = await this.#options.records.getByName(nextValidator)
    if (next === null) throw Object.assign(new errors.DWA_JWT_INVALID_VALIDATOR(`nextValidator: validator "${nextValidator}" does not exist`), { field: 'nextValidator' })
    return byId(next.id)
  }

  async #nextOf (name: string): Promise<string | undefined> {
    const declared = this.#options.declared.get(name)
    if (declared !== undefined) return nextName(declared)
    const record = await this.#options.records.getByName(name)
    const link = record?.fields.nextLink
    return link === undefined ? undefined : await this.#linkedName(readLink(link))
  }

  async #linkedName (link: ReturnType<typeof readLink>): Promise<string | undefined> {
    return link.by === 'name' ? link.name : (await this.#options.records.get(link.id))?.fields.name
  }

  async #pointingTo (link: ValidatorKey): Promise<string[]> {
    return (await this.#options.records.list({ nextLink: link.text })).map(({ fields }) => fields.name)
  }

  #declaredPointingTo (name: string): string[] {
    return [...this.#options.declared.values()].filter(({ next }) => next?.text === byName(name).text).map((validator) => validator.name)
  }

  async #view (record: Stored): Promise<ValidatorView> {
    const { nextLink } = record.fields
    return toView(record, nextLink === undefined ? undefined : await this.#linkedName(readLink(nextLink)))
  }
}

function toStored ({ fields, secrets }: NormalValidator, link: ValidatorKey | null): StoredValidator {
  const { nextValidator, ...others } = fields
  return { ...others, ...secrets, ...(link === null ? {} : { nextLink: link.text }) }
}

/** The fields that a save really changes; a secret counts as changed when the patch names it. */
function difference ({ fields, secretsSet }: Stored, stored: StoredValidator, patch: ValidatorPatch): { [Name in keyof StoredValidator]?: StoredValidator[Name] | undefined } {
  const before: { readonly [field: string]: unknown } = { ...fields }
  const after: { readonly [field: string]: unknown } = { ...stored }
  const names = new Set([...Object.keys(before), ...Object.keys(after), ...secretsSet])
  const isSecret = (name: string) => name === 'secretKey' || name === 'cookieSecret'
  const changed = [...names].filter((name) => isSecret(name) ? Object.hasOwn(patch, name) : JSON.stringify(before[name]) !== JSON.stringify(after[name]))
  return Object.fromEntries(changed.map((name) => [name, after[name]]))
}

function nameOfLink ({ fields }: Stored, nameOf: (id: string) => string | undefined): string | undefined {
  if (fields.nextLink === undefined) return undefined
  const link = readLink(fields.nextLink)
  return link.by === 'name' ? link.name : nameOf(link.id)
}

function toView ({ id, version, createdAt, updatedAt, fields, secretsSet }: Stored, next: string | undefined): ValidatorView {
  const { nextLink, ...others } = fields
  return {
    ...others,
    ...(next === undefined ? {} : { nextValidator: next }),
    id,
    version,
    createdAt,
    updatedAt,
    hasSecretKey: secretsSet.includes('secretKey'),
    hasCookieSecret: secretsSet.includes('cookieSecret')
  }
}

function declaredView (declared: CompiledValidator): ValidatorView {
  const { fields, cookieSecret } = declared
  const next = nextName(declared)
  return {
    ...fields,
    ...(next === undefined ? {} : { nextValidator: next }),
    id: null,
    version: 0,
    createdAt: null,
    updatedAt: null,
    hasSecretKey: fields.signatureType === 'secret',
    hasCookieSecret: cookieSecret !== null
  }
}

/** What the audit entry says. That a secret may be shorter than its hash, for migration, is written down. The event is not the caller's to choose: other processes go by it. */
function noteOf ({ actor, requestId, message, details, personal }: ValidatorChange, normal?: NormalValidator): ValidatorChange {
  return { actor, requestId, message, personal, details: normal?.fields.allowShortSecret === true ? { ...details, allowShortSecret: true } : details }
}
