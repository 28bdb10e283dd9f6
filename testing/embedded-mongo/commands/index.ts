import { getField, isDocument, toNumber, type Document } from '../document.js'
import { ServerError, failure } from '../errors.js'
import { authorize } from '../privileges.js'
import { aggregate } from './aggregate.js'
import * as authentication from './authentication.js'
import * as collections from './collections.js'
import type { Command, CommandContext } from './command.js'
import * as diagnostics from './diagnostics.js'
import { explain } from './explain.js'
import { findAndModify } from './find-and-modify.js'
import { count, distinct, find } from './find.js'
import { getMore, killCursors } from './get-more.js'
import { createIndexes, dropIndexes, listIndexes } from './indexes.js'
import * as roles from './roles.js'
import * as statistics from './statistics.js'
import * as users from './users.js'
import { deleteDocuments, insert, update } from './write.js'

const done: Command = () => ({ ok: 1 })

/** Every command the server knows, by name. */
export const commands: Record<string, Command> = {
  aggregate,
  buildInfo: diagnostics.buildInfo,
  buildinfo: diagnostics.buildInfo,
  collMod: collections.collMod,
  collStats: statistics.collStats,
  connectionStatus: authentication.connectionStatus,
  convertToCapped: collections.convertToCapped,
  count,
  create: collections.create,
  createIndexes,
  dbStats: statistics.dbStats,
  delete: deleteDocuments,
  distinct,
  drop: collections.drop,
  dropDatabase: collections.dropDatabase,
  dropIndexes,
  endSessions: done,
  explain,
  find,
  findAndModify,
  findandmodify: findAndModify,
  getMore,
  getParameter: diagnostics.getParameter,
  hello: authentication.hello,
  hostInfo: diagnostics.hostInfo,
  insert,
  isMaster: authentication.hello,
  ismaster: authentication.hello,
  killCursors,
  killSessions: done,
  listCollections: collections.listCollections,
  listDatabases: collections.listDatabases,
  listIndexes,
  logout: authentication.logout,
  ping: diagnostics.ping,
  refreshSessions: done,
  renameCollection: collections.renameCollection,
  ...roles,
  saslContinue: authentication.saslContinue,
  saslStart: authentication.saslStart,
  serverStatus: diagnostics.serverStatus,
  startSession: done,
  update,
  ...users,
  validate: statistics.validate
}

function checkWriteConcern ({ writeConcern }: Document): void {
  const w = isDocument(writeConcern) ? toNumber(writeConcern['w']) : undefined
  if (w !== undefined && w > 1) throw new ServerError('BadValue', "cannot use 'w' > 1 when a host is not replicated")
}

/** Runs one command and always answers: failures are documents too. */
export async function execute (command: Document, context: Omit<CommandContext, 'database'>): Promise<Document> {
  try {
    const [name = ''] = Object.keys(command)
    const database = command['$db']
    if (name === 'unsupportedOpQuery') throw new ServerError('UnsupportedOpQueryCommand', `Unsupported OP_QUERY command: ${String(command[name])}. The client driver may require an upgrade.`)
    if (typeof database !== 'string') throw new ServerError(40571, 'OP_MSG requests require a $db argument')
    const run = getField(commands, name)
    if (typeof run !== 'function') throw new ServerError('CommandNotFound', `no such command: '${name}'`)
    authorize(name, command, database, context.session, context.users)
    if (command['txnNumber'] !== undefined || command['startTransaction'] !== undefined) {
      throw new ServerError('IllegalOperation', 'Transaction numbers are only allowed on a replica set member or mongos')
    }
    checkWriteConcern(command)
    return await commands[name]?.(command, { ...context, database }) ?? { ok: 0 }
  } catch (error) {
    return failure(error)
  }
}
