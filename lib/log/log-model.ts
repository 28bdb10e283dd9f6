import type { Connection, Model } from 'mongoose'
import { errors } from '../errors.js'

const refused = ['insertOne', 'insertMany', 'bulkWrite', 'updateOne', 'updateMany', 'replaceOne', 'deleteOne', 'deleteMany',
  'findOneAndUpdate', 'findOneAndReplace', 'findOneAndDelete', 'initializeOrderedBulkOp', 'initializeUnorderedBulkOp',
  'drop', 'rename', 'dropIndex', 'dropIndexes', 'dropSearchIndex']

/**
 * Registers the log's mongoose model, for reading. Every write of mongoose, by document, query, bulk or pipeline, with its middleware on or off,
 * goes through the model's collection object, its namespace or the connection, and there it is refused with DWA_LOG_IMMUTABLE: the log's own writer does not use mongoose.
 */
export function registerLogModel (connection: Connection, collection: string): Model<Record<string, unknown>> {
  const schema = new connection.base.Schema({}, { collection, strict: false, versionKey: false, autoIndex: false, autoCreate: false, bufferCommands: false })
  const model = connection.model<Record<string, unknown>>(collection, schema, collection)
  for (const operation of refused) Object.defineProperty(model.collection, operation, { value: () => refuse(operation) })
  Object.defineProperty(model, 'namespace', { value: () => refuse('bulkWrite') }) // only the bulkWrite of connections asks for it
  before(model.collection, 'aggregate', (pipeline) => { if (writes(pipeline)) refuse('aggregate') })
  before(connection, 'dropCollection', (name) => { if (name === collection) refuse('dropCollection') })
  return model
}

function refuse (operation: string): never {
  throw new errors.DWA_LOG_IMMUTABLE(operation)
}

/** Looks at the first argument of a method before it runs. */
function before<Name extends string> (object: { [Method in Name]: (...args: never[]) => unknown }, name: Name, check: (argument: unknown) => void): void {
  const method: (...args: never[]) => unknown = object[name]
  Object.defineProperty(object, name, {
    value: (...args: unknown[]) => {
      check(args[0])
      return Reflect.apply(method, object, args)
    }
  })
}

function writes (pipeline: unknown): boolean {
  return [pipeline].flat().some((stage) => typeof stage === 'object' && stage !== null && ('$out' in stage || '$merge' in stage))
}
