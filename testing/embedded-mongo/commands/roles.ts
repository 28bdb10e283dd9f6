import { isTruthy, toNumber, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import { builtInRole, builtInRoleNames, merged, parseName, parsePrivileges, parseRoles, sameResource, type RoleName } from '../roles.js'
import type { Users } from '../users.js'
import { collectionName, type Command } from './command.js'

export const createRole: Command = (command, { users, database }) => {
  const role = collectionName(command)
  if (builtInRole({ role, db: database }) !== undefined) throw new ServerError('BadValue', 'Cannot create roles with the same name as a built-in role')
  if (users.roles.has(`${database}.${role}`)) throw new ServerError('RoleExists', `Role "${role}@${database}" already exists`)
  const roles = parseRoles(command['roles'], database)
  users.checkRoles(roles)
  users.roles.set(`${database}.${role}`, { role, db: database, privileges: merged(parsePrivileges(command['privileges'], database)), roles })
  users.changed()
  return { ok: 1 }
}

export const updateRole: Command = (command, { users, database }) => {
  const role = users.role(database, collectionName(command))
  if (command['privileges'] !== undefined) role.privileges = merged(parsePrivileges(command['privileges'], database))
  if (command['roles'] !== undefined) {
    const roles = parseRoles(command['roles'], database)
    users.checkRoles(roles)
    role.roles = roles
  }
  users.changed()
  return { ok: 1 }
}

export const dropRole: Command = (command, { users, database }) => {
  const { role, db } = users.role(database, collectionName(command))
  const others = (name: RoleName): boolean => name.role !== role || name.db !== db
  users.roles.delete(`${db}.${role}`)
  for (const user of users.users.values()) user.roles = user.roles.filter(others)
  for (const other of users.roles.values()) other.roles = other.roles.filter(others)
  users.changed()
  return { ok: 1 }
}

export const grantPrivilegesToRole: Command = (command, { users, database }) => {
  const role = users.role(database, collectionName(command))
  role.privileges = merged([...role.privileges, ...parsePrivileges(command['privileges'], database)])
  users.changed()
  return { ok: 1 }
}

export const revokePrivilegesFromRole: Command = (command, { users, database }) => {
  const role = users.role(database, collectionName(command))
  const revoked = parsePrivileges(command['privileges'], database)
  role.privileges = role.privileges.map(({ resource, actions }) => ({
    resource,
    actions: actions.filter((action) => !revoked.some((privilege) => sameResource(privilege.resource, resource) && privilege.actions.includes(action)))
  })).filter(({ actions }) => actions.length > 0)
  users.changed()
  return { ok: 1 }
}

export const grantRolesToRole: Command = (command, { users, database }) => {
  const role = users.role(database, collectionName(command))
  const roles = parseRoles(command['roles'], database)
  users.checkRoles(roles)
  role.roles = [...role.roles, ...roles.filter((name) => !role.roles.some((known) => known.role === name.role && known.db === name.db))]
  users.changed()
  return { ok: 1 }
}

export const revokeRolesFromRole: Command = (command, { users, database }) => {
  const role = users.role(database, collectionName(command))
  const roles = parseRoles(command['roles'], database)
  role.roles = role.roles.filter((name) => !roles.some((revoked) => revoked.role === name.role && revoked.db === name.db))
  users.changed()
  return { ok: 1 }
}

function information (name: RoleName, users: Users, command: Document): Document {
  const own = users.roles.get(`${name.db}.${name.role}`)
  const inherits = own?.roles ?? []
  return {
    _id: `${name.db}.${name.role}`,
    role: name.role,
    db: name.db,
    roles: inherits,
    inheritedRoles: users.inherited(inherits),
    isBuiltin: own === undefined,
    ...(isTruthy(command['showPrivileges'])
      ? { privileges: own?.privileges ?? builtInRole(name) ?? [], inheritedPrivileges: users.privilegesOf([name]) }
      : {})
  }
}

export const rolesInfo: Command = (command, { users, database }) => {
  const wanted = command['rolesInfo']
  let names: RoleName[]
  if (toNumber(wanted) === 1) {
    names = [...users.roles.values()].filter(({ db }) => db === database)
    if (isTruthy(command['showBuiltinRoles'])) names = [...builtInRoleNames(database), ...names]
  } else {
    names = (Array.isArray(wanted) ? wanted : [wanted]).map((name: unknown) => parseName(name, database, 'role'))
      .map(({ name, db }) => ({ role: name, db }))
      .filter((name) => builtInRole(name) !== undefined || users.roles.has(`${name.db}.${name.role}`))
  }
  return { roles: names.map((name) => information(name, users, command)), ok: 1 }
}
