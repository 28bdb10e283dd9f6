import { randomBytes } from 'node:crypto'
import { Collection } from './collection.js'
import type { Document } from './document.js'
import { ServerError } from './errors.js'

/** The databases of a server and their collections. */
export class Catalog {
  readonly databases = new Map<string, Map<string, Collection>>()

  find (database: string, name: string): Collection | undefined {
    return this.databases.get(database)?.get(name)
  }

  /** The collections of a database, in the order of their creation. */
  list (database: string): Array<[string, Collection]> {
    return [...this.databases.get(database) ?? []]
  }

  create (database: string, name: string, options: Document = {}): Collection {
    checkNamespace(database, name)
    const collections = this.databases.get(database) ?? new Map<string, Collection>()
    this.databases.set(database, collections)
    const collection = new Collection(`${database}.${name}`, options, randomBytes(16))
    collections.set(name, collection)
    return collection
  }

  findOrCreate (database: string, name: string): Collection {
    return this.find(database, name) ?? this.create(database, name)
  }

  drop (database: string, name: string): void {
    const collection = this.find(database, name)
    if (collection === undefined) return
    const collections = this.databases.get(database)
    collections?.delete(name)
    if (collections?.size === 0) this.databases.delete(database)
    collection.dropped = true
    collection.wake()
  }

  dropDatabase (database: string): void {
    for (const [name] of this.list(database)) this.drop(database, name)
  }

  rename (from: [database: string, name: string], to: [database: string, name: string]): void {
    const collection = this.find(...from)
    if (collection === undefined) throw new ServerError('NamespaceNotFound', `Source collection ${from.join('.')} does not exist`)
    checkNamespace(...to)
    this.databases.get(from[0])?.delete(from[1])
    collection.namespace = to.join('.')
    const collections = this.databases.get(to[0]) ?? new Map<string, Collection>()
    this.databases.set(to[0], collections)
    collections.set(to[1], collection)
  }
}

function checkNamespace (database: string, name: string): void {
  if (database === '' || /[/\\. "$\0]/.test(database) || Buffer.byteLength(database) > 63) throw new ServerError('InvalidNamespace', `Invalid database name: '${database}'`)
  if (name === '' || name.startsWith('.') || /[$\0]/.test(name) || Buffer.byteLength(`${database}.${name}`) > 255) {
    throw new ServerError('InvalidNamespace', `Invalid collection name: ${name}`)
  }
}
