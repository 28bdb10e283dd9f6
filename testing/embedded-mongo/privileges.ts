import { isDocument, isTruthy, toNumber, type Document } from './document.js'
import { ServerError } from './errors.js'
import type { Resource } from './roles.js'
import type { Session } from './session.js'
import type { Users } from './users.js'

/** An action that a command takes, and on what. */
export interface Requirement { resource: Resource, action: string }

type Rule = (command: Document, database: string) => Requirement[]

const cluster: Resource = { cluster: true }
const onDatabase = (action: string): Rule => (_command, db) => [{ resource: { db, collection: '' }, action }]
const onCluster = (action: string): Rule => () => [{ resource: cluster, action }]

function collectionOf (command: Document): string {
  const value = command[Object.keys(command)[0] ?? '']
  return typeof value === 'string' ? value : ''
}

const onCollection = (...actions: string[]): Rule => (command, db) => actions.map((action) => ({ resource: { db, collection: collectionOf(command) }, action }))

const documents = (value: unknown): Document[] => Array.isArray(value) ? value.filter(isDocument) : []

function aggregation (command: Document, db: string): Requirement[] {
  const needs: Requirement[] = []
  const visit = (pipeline: unknown, collection: string): void => {
    const stages = documents(pipeline)
    const [first] = stages
    const action = first !== undefined && Object.hasOwn(first, '$collStats') ? 'collStats' : first !== undefined && Object.hasOwn(first, '$indexStats') ? 'indexStats' : 'find'
    needs.push({ resource: { db, collection }, action })
    for (const stage of stages) {
      for (const name of ['$lookup', '$graphLookup', '$unionWith']) {
        const other = stage[name]
        if (typeof other === 'string') visit([], other)
        else if (isDocument(other)) visit(other['pipeline'], String(other['from'] ?? other['coll'] ?? collection))
      }
      const facet = stage['$facet']
      if (isDocument(facet)) for (const inner of Object.values(facet)) visit(inner, collection)
    }
  }
  visit(command['pipeline'], toNumber(command['aggregate']) === 1 ? '' : collectionOf(command))
  return needs
}

function roleGrants (command: Document, database: string, action: string): Requirement[] {
  const roles: unknown[] = Array.isArray(command['roles']) ? command['roles'] : []
  return roles.map((role) => ({ resource: { db: isDocument(role) ? String(role['db']) : database, collection: '' }, action }))
}

function privilegeGrants (command: Document, action: string): Requirement[] {
  return documents(command['privileges']).map(({ resource }) => ({
    resource: isDocument(resource) && typeof resource['db'] === 'string' ? { db: resource['db'], collection: '' } : cluster, action
  }))
}

const both = (...rules: Rule[]): Rule => (command, database) => rules.flatMap((rule) => rule(command, database))
const grants: Rule = (command, database) => [...roleGrants(command, database, 'grantRole'), ...privilegeGrants(command, 'grantRole')]
const revokes: Rule = (command, database) => [...roleGrants(command, database, 'revokeRole'), ...privilegeGrants(command, 'revokeRole')]

const modifying: Rule = (command, database) => isTruthy(command['remove'])
  ? onCollection('find', 'remove')(command, database)
  : onCollection('find', 'update', ...(isTruthy(command['upsert']) ? ['insert'] : []))(command, database)

const none: Rule = () => []

/** What each command requires. A command that is not here is for everybody who has signed in. */
const rules: Record<string, Rule> = {
  aggregate: aggregation,
  collMod: onCollection('collMod'),
  collStats: onCollection('collStats'),
  convertToCapped: onCollection('convertToCapped'),
  count: onCollection('find'),
  create: onCollection('createCollection'),
  createIndexes: onCollection('createIndex'),
  createRole: both(onDatabase('createRole'), grants),
  createUser: both(onDatabase('createUser'), grants),
  dbStats: onDatabase('dbStats'),
  delete: onCollection('remove'),
  distinct: onCollection('find'),
  drop: onCollection('dropCollection'),
  dropAllUsersFromDatabase: onDatabase('dropUser'),
  dropDatabase: onDatabase('dropDatabase'),
  dropIndexes: onCollection('dropIndex'),
  dropRole: onDatabase('dropRole'),
  dropUser: onDatabase('dropUser'),
  explain: (command, database) => isDocument(command['explain']) ? requirements(Object.keys(command['explain'])[0] ?? '', command['explain'], database) : [],
  find: onCollection('find'),
  findAndModify: modifying,
  findandmodify: modifying,
  getMore: (command, db) => String(command['collection']).startsWith('$cmd.') ? [] : [{ resource: { db, collection: String(command['collection']) }, action: 'find' }],
  getParameter: onCluster('getParameter'),
  grantPrivilegesToRole: grants,
  grantRolesToRole: grants,
  grantRolesToUser: grants,
  hostInfo: onCluster('hostInfo'),
  insert: onCollection('insert'),
  killCursors: none,
  listCollections: (command, database) => isTruthy(command['nameOnly']) && isTruthy(command['authorizedCollections']) ? [] : onDatabase('listCollections')(command, database),
  listDatabases: none,
  listIndexes: onCollection('listIndexes'),
  renameCollection: (command) => [command['renameCollection'], command['to']].map(String).flatMap((namespace, i) => {
    const db = namespace.slice(0, namespace.indexOf('.'))
    return [{ resource: { db, collection: '' }, action: i === 0 ? 'dropCollection' : 'createCollection' }]
  }),
  revokePrivilegesFromRole: revokes,
  revokeRolesFromRole: revokes,
  revokeRolesFromUser: revokes,
  rolesInfo: onDatabase('viewRole'),
  serverStatus: onCluster('serverStatus'),
  update: (command, database) => onCollection('update', ...(documents(command['updates']).some(({ upsert }) => isTruthy(upsert)) ? ['insert'] : []))(command, database),
  updateRole: both(grants, onDatabase('revokeRole')),
  updateUser: both(grants, onDatabase('changePassword')),
  usersInfo: onDatabase('viewUser'),
  validate: onCollection('validate')
}

/** The commands that need no sign-in. */
const open = new Set(['authenticate', 'buildInfo', 'buildinfo', 'connectionStatus', 'endSessions', 'hello', 'isMaster', 'ismaster', 'logout', 'ping', 'saslContinue', 'saslStart'])

function requirements (name: string, command: Document, database: string): Requirement[] {
  return Object.hasOwn(rules, name) ? rules[name]?.(command, database) ?? [] : []
}

/** Throws Unauthorized (13) for a command that the session's user may not run. */
export function authorize (name: string, command: Document, database: string, session: Session, users: Users): void {
  if (!users.enforced || open.has(name)) return
  if (session.user === undefined || !users.users.has(session.user)) throw new ServerError('Unauthorized', `Command ${name} requires authentication`)
  const ownUser = name === 'usersInfo' && session.user === `${database}.${String(command['usersInfo'])}`
  if (ownUser) return
  for (const { resource, action } of requirements(name, command, database)) {
    if (!users.may(session.user, resource, action)) {
      const { lsid, $clusterTime, $readPreference, ...shown } = command
      throw new ServerError('Unauthorized', `not authorized on ${database} to execute command ${JSON.stringify(shown, (_key, value: unknown) => typeof value === 'bigint' ? value.toString() : value).slice(0, 1000)}`)
    }
  }
}
