import type { mongo } from 'mongoose'

/** An index of a document collection. */
export interface DocumentIndex {
  readonly keys: Readonly<Record<string, 1 | -1>>
  readonly unique?: boolean
  readonly sparse?: boolean
  /** Documents go so many seconds after the date in the indexed field; the server looks once a minute. */
  readonly expireAfterSeconds?: number
  readonly partialFilterExpression?: object
}

/** Documents of one kind, with their indexes: short-lived state as it is, records and what is audited by what is built on this. Written with majority. */
export class DocumentCollection<Document extends mongo.Document> {
  readonly #open: () => mongo.Collection<Document>
  readonly #indexes: readonly DocumentIndex[]
  readonly #run: <T>(operation: () => Promise<T>) => Promise<T>
  #ensuring: Promise<void> | null = null

  constructor (open: () => mongo.Collection<Document>, indexes: readonly DocumentIndex[], run: <T>(operation: () => Promise<T>) => Promise<T>) {
    this.#open = open
    this.#indexes = indexes
    this.#run = run
  }

  /** Runs a database operation on the collection, its indexes being there. @throws DWA_STORE_UNAVAILABLE */
  async run<T> (operation: (collection: mongo.Collection<Document>) => Promise<T>): Promise<T> {
    return await this.#run(async () => {
      await this.ensure()
      return await operation(this.#open())
    })
  }

  /** Creates the indexes unless they are there. */
  async ensure (): Promise<void> {
    this.#ensuring ??= this.#createIndexes().catch((error: unknown) => {
      this.#ensuring = null
      throw error
    })
    await this.#ensuring
  }

  async #createIndexes (): Promise<void> {
    if (this.#indexes.length === 0) return
    await this.#open().createIndexes(this.#indexes.map(({ keys, ...options }) => ({ key: { ...keys }, ...options })))
  }
}
