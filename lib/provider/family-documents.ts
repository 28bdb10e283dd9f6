import mongoose, { type mongo } from 'mongoose'
import { Batch } from '../store/batch.js'
import type { DocumentCollection } from '../store/document-collection.js'
import type { TokenFamilyDocument } from './token-family.js'

/** A change of one family that gives it an access token. */
export interface TokenIssue {
  readonly filter: mongo.Filter<TokenFamilyDocument> & { readonly _id: mongo.ObjectId }
  readonly update: mongo.UpdateFilter<TokenFamilyDocument>
  /** The hash of that token, by which the change is known again. */
  readonly accessHash: string
}

/** Reads and writes of families that every token request needs, those of one moment in one command. Each change still is an atomic one of one document. */
export class FamilyDocuments {
  readonly #documents: Pick<DocumentCollection<TokenFamilyDocument>, 'run'>
  readonly #finds = new Batch<string, TokenFamilyDocument | null>(async (ids) => await this.#findAll(ids))
  readonly #inserts = new Batch<TokenFamilyDocument, undefined>(async (documents) => await this.#insertAll(documents))
  readonly #issues = new Batch<TokenIssue, boolean>(async (issues) => await this.#updateAll(issues))

  constructor (documents: Pick<DocumentCollection<TokenFamilyDocument>, 'run'>) {
    this.#documents = documents
  }

  /** The family, without what waits for the log. @throws DWA_STORE_UNAVAILABLE */
  async find (id: string): Promise<TokenFamilyDocument | null> {
    return await this.#finds.add(id)
  }

  /** @throws DWA_STORE_UNAVAILABLE */
  async insert (document: TokenFamilyDocument): Promise<void> {
    await this.#inserts.add(document)
  }

  /** @returns whether the filter matched, and the family was changed @throws DWA_STORE_UNAVAILABLE */
  async update (issue: TokenIssue): Promise<boolean> {
    return await this.#issues.add(issue)
  }

  async #findAll (ids: readonly string[]): Promise<(id: string) => TokenFamilyDocument | null> {
    const found = await this.#read(ids.map((id) => new mongoose.mongo.ObjectId(id)), { outbox: 0 })
    return (id) => found.get(id) ?? null
  }

  async #insertAll (documents: readonly TokenFamilyDocument[]): Promise<() => undefined> {
    await this.#documents.run(async (families) => await families.insertMany(documents, { ordered: false }))
    return () => undefined
  }

  async #updateAll (issues: readonly TokenIssue[]): Promise<(issue: TokenIssue) => boolean> {
    const operations = issues.map(({ filter, update }) => ({ updateOne: { filter, update } }))
    const { modifiedCount } = await this.#documents.run(async (families) => await families.bulkWrite(operations, { ordered: false }))
    if (modifiedCount === issues.length) return () => true
    if (modifiedCount === 0) return () => false
    // MongoDB counts, and does not say which. Nobody can have used the tokens yet: where one is missing it was not issued, or is revoked already.
    const found = await this.#read(issues.map(({ filter }) => filter._id), { 'access.hash': 1 })
    return ({ filter, accessHash }) => found.get(filter._id.toHexString())?.access.some(({ hash }) => hash === accessHash) ?? false
  }

  async #read (ids: readonly mongo.ObjectId[], projection: mongo.Document): Promise<ReadonlyMap<string, TokenFamilyDocument>> {
    const [first, ...others] = ids
    const filter = first !== undefined && others.length === 0 ? { _id: first } : { _id: { $in: ids } }
    const found = await this.#documents.run(async (families) => await families.find(filter, { projection }).toArray())
    return new Map(found.map((family) => [family._id.toHexString(), family]))
  }
}
