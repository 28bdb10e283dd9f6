import { isDocument, isTruthy, type Document } from './document.js'
import { ServerError } from './errors.js'

/** What a privilege is about: collections (an empty name stands for all), the cluster, or everything. */
export type Resource = { db: string, collection: string } | { cluster: true } | { anyResource: true }

export interface Privilege { resource: Resource, actions: string[] }

export interface RoleName { role: string, db: string }

const READ = ['changeStream', 'collStats', 'dbHash', 'dbStats', 'find', 'killCursors', 'listCollections', 'listIndexes', 'listSearchIndexes', 'planCacheRead']
const WRITE = ['convertToCapped', 'createCollection', 'createIndex', 'dropCollection', 'dropIndex', 'insert', 'remove', 'renameCollectionSameDB', 'update']
const ADMINISTER = ['bypassDocumentValidation', 'collMod', 'collStats', 'compact', 'convertToCapped', 'createCollection', 'createIndex', 'dbStats',
  'dropCollection', 'dropDatabase', 'dropIndex', 'enableProfiler', 'indexStats', 'listCollections', 'listIndexes', 'planCacheIndexFilter', 'planCacheRead',
  'planCacheWrite', 'reIndex', 'renameCollectionSameDB', 'storageDetails', 'validate']
const USERS = ['changeCustomData', 'changePassword', 'createRole', 'createUser', 'dropRole', 'dropUser', 'grantRole', 'revokeRole',
  'setAuthenticationRestriction', 'viewRole', 'viewUser']
const CLUSTER_MONITOR = ['checkFreeMonitoringStatus', 'connPoolStats', 'getCmdLineOpts', 'getLog', 'getParameter', 'hostInfo', 'inprog', 'listDatabases', 'listSessions', 'serverStatus', 'top']
const CLUSTER_ADMIN = [...CLUSTER_MONITOR, 'fsync', 'killAnyCursor', 'killAnySession', 'killop', 'setParameter', 'shutdown']

const DATABASE_ROLES: Record<string, string[]> = {
  read: READ,
  readWrite: [...READ, ...WRITE],
  dbAdmin: ADMINISTER,
  userAdmin: USERS,
  dbOwner: [...READ, ...WRITE, ...ADMINISTER, ...USERS]
}

const ADMIN_ROLES: Record<string, { everywhere: string[], cluster: string[] }> = {
  readAnyDatabase: { everywhere: READ, cluster: ['listDatabases'] },
  readWriteAnyDatabase: { everywhere: [...READ, ...WRITE], cluster: ['listDatabases'] },
  dbAdminAnyDatabase: { everywhere: ADMINISTER, cluster: ['listDatabases'] },
  userAdminAnyDatabase: { everywhere: USERS, cluster: ['listDatabases'] },
  clusterMonitor: { everywhere: ['collStats', 'dbStats', 'indexStats'], cluster: CLUSTER_MONITOR },
  clusterAdmin: { everywhere: ['collStats', 'dbStats', 'dropDatabase', 'indexStats'], cluster: CLUSTER_ADMIN },
  root: { everywhere: [...READ, ...WRITE, ...ADMINISTER, ...USERS], cluster: CLUSTER_ADMIN }
}

const sorted = (actions: string[]): string[] => [...new Set(actions)].sort()

/** The privileges of a built-in role; undefined where there is none of that name on the database. */
export function builtInRole ({ role, db }: RoleName): Privilege[] | undefined {
  if (Object.hasOwn(DATABASE_ROLES, role)) {
    return [{ resource: { db, collection: '' }, actions: sorted(DATABASE_ROLES[role] ?? []) }]
  }
  const everywhere = db === 'admin' && Object.hasOwn(ADMIN_ROLES, role) ? ADMIN_ROLES[role] : undefined
  if (everywhere === undefined) return undefined
  return [
    { resource: { db: '', collection: '' }, actions: sorted(everywhere.everywhere) },
    { resource: { cluster: true }, actions: sorted(everywhere.cluster) }
  ]
}

/** The names of the built-in roles of a database. */
export function builtInRoleNames (db: string): RoleName[] {
  return [...Object.keys(DATABASE_ROLES), ...(db === 'admin' ? Object.keys(ADMIN_ROLES) : [])].map((role) => ({ role, db }))
}

export function sameResource (left: Resource, right: Resource): boolean {
  if ('anyResource' in left || 'anyResource' in right) return 'anyResource' in left && 'anyResource' in right
  if ('cluster' in left || 'cluster' in right) return 'cluster' in left && 'cluster' in right
  return left.db === right.db && left.collection === right.collection
}

/** Puts privileges on the same resource together. */
export function merged (privileges: Privilege[]): Privilege[] {
  const all: Privilege[] = []
  for (const { resource, actions } of privileges) {
    const known = all.find((privilege) => sameResource(privilege.resource, resource))
    if (known === undefined) all.push({ resource, actions: sorted(actions) })
    else known.actions = sorted([...known.actions, ...actions])
  }
  return all
}

/** Reads the privileges of createRole and grantPrivilegesToRole. */
export function parsePrivileges (value: unknown, database: string): Privilege[] {
  if (!Array.isArray(value)) throw new ServerError('TypeMismatch', '"privileges" had the wrong type. Expected array')
  return value.map((privilege: unknown) => {
    const { resource, actions } = isDocument(privilege) ? privilege : {}
    if (!isDocument(resource) || !Array.isArray(actions) || actions.length === 0 || !actions.every((action) => typeof action === 'string')) {
      throw new ServerError('FailedToParse', 'a privilege has a resource and a list of actions')
    }
    const parsed = parseResource(resource)
    if (database !== 'admin' && (!('db' in parsed) || parsed.db !== database)) {
      throw new ServerError('BadValue', `Roles on the '${database}' database cannot be granted privileges that target other databases or the cluster`)
    }
    return { resource: parsed, actions }
  })
}

function parseResource (resource: Document): Resource {
  if (isTruthy(resource['cluster'])) return { cluster: true }
  if (isTruthy(resource['anyResource'])) return { anyResource: true }
  const { db, collection } = resource
  if (typeof db !== 'string' || typeof collection !== 'string') throw new ServerError('FailedToParse', 'resource must have both db and collection, or cluster')
  return { db, collection }
}

/** Reads a list of roles, where a string names one of this database. */
export function parseRoles (value: unknown, database: string): RoleName[] {
  if (!Array.isArray(value)) throw new ServerError('TypeMismatch', '"roles" had the wrong type. Expected array')
  return value.map((role: unknown) => parseName(role, database, 'role')).map(({ name, db }) => ({ role: name, db }))
}

/** Reads `'name'` or `{ user or role: 'name', db }`. */
export function parseName (value: unknown, database: string, field: 'role' | 'user'): { name: string, db: string } {
  if (typeof value === 'string') return { name: value, db: database }
  const { [field]: name, db } = isDocument(value) ? value : {}
  if (typeof name !== 'string' || typeof db !== 'string') throw new ServerError('BadValue', `a ${field} is named by a string, or by '${field}' and 'db'`)
  return { name, db }
}
