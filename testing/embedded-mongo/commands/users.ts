import { isDocument, isTruthy, toNumber, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import { parseName, parseRoles } from '../roles.js'
import { scramCredential } from '../scram.js'
import type { User, Users } from '../users.js'
import { collectionName, type Command } from './command.js'

function checkMechanisms (command: Document): void {
  const mechanisms = command['mechanisms']
  if (Array.isArray(mechanisms) && !mechanisms.includes('SCRAM-SHA-256')) throw new ServerError('BadValue', 'this server has SCRAM-SHA-256 only')
}

function password (value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new ServerError('BadValue', 'Password cannot be empty')
  return value
}

const customData = (command: Document): Document | undefined => isDocument(command['customData']) ? command['customData'] : undefined

export const createUser: Command = (command, { users, database }) => {
  checkMechanisms(command)
  users.create(database, collectionName(command), password(command['pwd']), parseRoles(command['roles'], database), customData(command))
  return { ok: 1 }
}

export const updateUser: Command = (command, { users, database }) => {
  const user = users.user(database, collectionName(command))
  checkMechanisms(command)
  if (command['pwd'] !== undefined) user.credential = scramCredential(password(command['pwd']))
  if (command['roles'] !== undefined) {
    const roles = parseRoles(command['roles'], database)
    users.checkRoles(roles)
    user.roles = roles
  }
  if (command['customData'] !== undefined) user.customData = customData(command)
  users.changed()
  return { ok: 1 }
}

export const dropUser: Command = (command, { users, database }) => {
  const { db, user } = users.user(database, collectionName(command))
  users.users.delete(`${db}.${user}`)
  users.changed()
  return { ok: 1 }
}

export const dropAllUsersFromDatabase: Command = (_command, { users, database }) => {
  const names = [...users.users.values()].filter(({ db }) => db === database)
  for (const { db, user } of names) users.users.delete(`${db}.${user}`)
  users.changed()
  return { n: names.length, ok: 1 }
}

export const grantRolesToUser: Command = (command, { users, database }) => {
  const user = users.user(database, collectionName(command))
  const roles = parseRoles(command['roles'], database)
  users.checkRoles(roles)
  const fresh = roles.filter(({ role, db }) => !user.roles.some((known) => known.role === role && known.db === db))
  user.roles = [...user.roles, ...fresh]
  users.changed()
  return { ok: 1 }
}

export const revokeRolesFromUser: Command = (command, { users, database }) => {
  const user = users.user(database, collectionName(command))
  const roles = parseRoles(command['roles'], database)
  user.roles = user.roles.filter(({ role, db }) => !roles.some((revoked) => revoked.role === role && revoked.db === db))
  users.changed()
  return { ok: 1 }
}

function information (user: User, users: Users, command: Document): Document {
  return {
    _id: `${user.db}.${user.user}`,
    user: user.user,
    db: user.db,
    ...(user.customData === undefined ? {} : { customData: user.customData }),
    roles: user.roles,
    mechanisms: ['SCRAM-SHA-256'],
    ...(isTruthy(command['showPrivileges']) ? { inheritedRoles: users.inherited(user.roles), inheritedPrivileges: users.privilegesOf(user.roles) } : {})
  }
}

export const usersInfo: Command = (command, { users, database }) => {
  const wanted = command['usersInfo']
  const all = [...users.users.values()]
  let found = all
  if (toNumber(wanted) === 1) found = all.filter(({ db }) => db === database)
  else if (!(isDocument(wanted) && isTruthy(wanted['forAllDBs']))) {
    const names = (Array.isArray(wanted) ? wanted : [wanted]).map((name: unknown) => parseName(name, database, 'user'))
    found = all.filter(({ user, db }) => names.some((name) => name.name === user && name.db === db))
  }
  return { users: found.map((user) => information(user, users, command)), ok: 1 }
}
