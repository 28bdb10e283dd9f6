import type { mongo } from 'mongoose'
import type { RecordDocument } from '../../store/outbox.js'
import type { RecordKind } from '../../store/record-collection.js'

/** The records of a kind by name, without those that were removed. */
export function livingRecords (db: mongo.Db, prefix: string, { collection, nameField }: RecordKind): AsyncIterable<RecordDocument> {
  return db.collection<RecordDocument>(prefix + collection).find({ [nameField]: { $exists: true } }).sort({ [nameField]: 1 })
}
