import type { mongo } from 'mongoose'

const allowed = new Set(['insert', 'find', 'listIndexes', 'collStats'])

interface Privilege { resource: { db?: string, collection?: string, anyResource?: boolean, cluster?: boolean }, actions: string[] }

/**
 * What the connection's user may do to the log collection beyond inserting and reading, by `connectionStatus`.
 * Empty: nothing. Without authentication everybody may do everything, which is said as `anything (no user is signed in)`.
 */
export async function excessPrivileges (db: mongo.Db, collection: string): Promise<string[]> {
  const status: { authInfo?: { authenticatedUsers?: unknown[], authenticatedUserPrivileges?: Privilege[] } } = await db.command({ connectionStatus: 1, showPrivileges: true })
  if ((status.authInfo?.authenticatedUsers ?? []).length === 0) return ['anything (no user is signed in)']
  const actions = (status.authInfo?.authenticatedUserPrivileges ?? [])
    .filter(({ resource }) => covers(resource, db.databaseName, collection))
    .flatMap((privilege) => privilege.actions)
  return [...new Set(actions)].filter((action) => !allowed.has(action)).sort()
}

/** An empty name stands for all. */
function covers (resource: Privilege['resource'], db: string, collection: string): boolean {
  if (resource.anyResource === true) return true
  return (resource.db === '' || resource.db === db) && (resource.collection === '' || resource.collection === collection)
}
