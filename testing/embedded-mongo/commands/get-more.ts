import { ServerError } from '../errors.js'
import { countField, missing, type Command } from './command.js'

export const getMore: Command = async (command, { cursors, database, session }) => {
  if (typeof command['getMore'] !== 'bigint') throw new ServerError('TypeMismatch', "BSON field 'getMore.getMore' is the wrong type, expected type 'long'")
  if (command['collection'] === undefined) throw missing('getMore.collection')
  const cursor = cursors.find(command['getMore'])
  const namespace = `${database}.${String(command['collection'])}`
  if (cursor.namespace !== namespace) {
    throw new ServerError('Unauthorized', `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace ${cursor.namespace}`)
  }
  if (cursor.user !== session.user) throw new ServerError('Unauthorized', `cursor id ${String(cursor.id)} was not created by the authenticated user`)
  const maxTimeMS = countField(command, 'maxTimeMS')
  if (maxTimeMS !== undefined && maxTimeMS > 0 && !cursor.awaitData) {
    throw new ServerError('BadValue', 'cannot set maxTimeMS on getMore command for a non-awaitData cursor')
  }
  const batchSize = countField(command, 'batchSize')
  return await cursors.more(cursor, batchSize === 0 ? undefined : batchSize, maxTimeMS === 0 ? undefined : maxTimeMS, session.signal)
}

export const killCursors: Command = (command, { cursors }) => {
  const ids: unknown = command['cursors']
  if (!Array.isArray(ids)) throw missing('killCursors.cursors')
  const killed: unknown[] = []
  const notFound: unknown[] = []
  for (const id of ids) {
    if (typeof id !== 'bigint') throw new ServerError('TypeMismatch', "BSON field 'killCursors.cursors' is the wrong type, expected type 'long'")
    if (cursors.kill(id)) killed.push(id)
    else notFound.push(id)
  }
  return { cursorsKilled: killed, cursorsNotFound: notFound, cursorsAlive: [], cursorsUnknown: [], ok: 1 }
}
