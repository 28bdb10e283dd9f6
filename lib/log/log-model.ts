import type { Connection, Model } from 'mongoose'
import { errors } from '../errors.js'

const refused = ['insertOne', 'insertMany', 'bulkWrite', 'updateOne', 'updateMany', 'replaceOne', 'deleteOne', 'deleteMany',
  'findOneAndUpdate', 'findOneAndReplace', 'findOneAndDelete', 'initializeOrderedBulkOp', 'initializeUnorderedBulkOp',
  'drop', 'rename', 'dropIndex', 'dropIndexes', 'dropSearchIndex']

/**
 * Registers the log's mongoose model, for reading. Every write of mongoose, by document, query or bulk, with its middleware on or off,
 * goes through the model's collection object, and there it is refused with DWA_LOG_IMMUTABLE: the log's own writer does not use mongoose.
 */
export function registerLogModel (connection: Connection, collection: string): Model<Record<string, unknown>> {
  if (connection.models[collection] !== undefined) connection.deleteModel(collection)
  const schema = new connection.base.Schema({}, { collection, strict: false, versionKey: false, autoIndex: false, autoCreate: false, bufferCommands: false })
  const model = connection.model<Record<string, unknown>>(collection, schema, collection)
  for (const operation of refused) {
    Object.defineProperty(model.collection, operation, { value: () => { throw new errors.DWA_LOG_IMMUTABLE(operation) } })
  }
  return model
}
