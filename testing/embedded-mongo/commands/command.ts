import type { Catalog } from '../catalog.js'
import type { Collection } from '../collection.js'
import type { Cursors } from '../cursors.js'
import { isDocument, toNumber, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import type { Session } from '../session.js'
import type { Users } from '../users.js'

/** What a command works on. */
export interface CommandContext {
  catalog: Catalog
  cursors: Cursors
  users: Users
  /** The connection that sent the command. */
  session: Session
  database: string
  now: () => Date
  startedAt: number
}

export type Command = (command: Document, context: CommandContext) => Document | Promise<Document>

/** The name of the collection that a command is about: its first field. */
export function collectionName (command: Document): string {
  const [name = ''] = Object.keys(command)
  const value = command[name]
  if (typeof value !== 'string') throw new ServerError('InvalidNamespace', `collection name has invalid type ${typeof value}`)
  if (value === '') throw new ServerError('InvalidNamespace', `Invalid namespace specified '${String(command['$db'])}.'`)
  return value
}

/** The collection a command is about, where it exists. */
export function existing (command: Document, { catalog, database }: CommandContext): Collection | undefined {
  return catalog.find(database, collectionName(command))
}

export function documentField (command: Document, name: string): Document {
  const value = command[name]
  if (value === undefined || value === null) return {}
  if (!isDocument(value)) throw new ServerError('TypeMismatch', `BSON field '${Object.keys(command)[0] ?? ''}.${name}' is the wrong type, expected type 'object'`)
  return value
}

export function documentsField (command: Document, name: string): Document[] {
  const value = command[name]
  if (value === undefined) return []
  if (!Array.isArray(value) || !value.every(isDocument)) throw new ServerError('TypeMismatch', `BSON field '${Object.keys(command)[0] ?? ''}.${name}' is the wrong type, expected type 'array'`)
  return value
}

/** What a server answers where a field must be given and is not. */
export function missing (field: string): ServerError {
  return new ServerError(40414, `BSON field '${field}' is missing but a required field`)
}

export function requiredDocuments (command: Document, name: string): Document[] {
  if (command[name] === undefined) throw missing(`${Object.keys(command)[0] ?? ''}.${name}`)
  return documentsField(command, name)
}

export function numberField (command: Document, name: string): number | undefined {
  const value = command[name]
  if (value === undefined || value === null) return undefined
  const number = toNumber(value)
  if (number === undefined) throw new ServerError('TypeMismatch', `BSON field '${Object.keys(command)[0] ?? ''}.${name}' is the wrong type, expected types '[long, int, decimal, double]'`)
  return number
}

/** A number that must not be negative. */
export function countField (command: Document, name: string): number | undefined {
  const number = numberField(command, name)
  if (number !== undefined && number < 0) throw new ServerError(51024, `BSON field '${name}' value must be >= 0, actual value '${number}'`)
  return number
}

export function refuseCollation (command: Document): void {
  const collation = command['collation']
  if (isDocument(collation) && Object.keys(collation).length > 0 && collation['locale'] !== 'simple') {
    throw new ServerError('NotImplemented', 'this server compares strings by their bytes only: collation is refused')
  }
}
