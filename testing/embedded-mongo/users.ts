import { ServerError } from './errors.js'
import { builtInRole, merged, type Privilege, type Resource, type RoleName } from './roles.js'
import { scramCredential, type ScramCredential } from './scram.js'
import type { Document } from './document.js'

export interface User { user: string, db: string, roles: RoleName[], credential: ScramCredential, customData: Document | undefined }

export interface Role { role: string, db: string, privileges: Privilege[], roles: RoleName[] }

/** The users and roles of a server, and what they may do. */
export class Users {
  /** True where clients must sign in. */
  readonly enforced: boolean
  readonly users = new Map<string, User>()
  readonly roles = new Map<string, Role>()
  #privileges = new Map<string, Privilege[]>()

  constructor (enforced: boolean) {
    this.enforced = enforced
  }

  create (db: string, user: string, password: string, roles: RoleName[], customData?: Document): void {
    if (this.users.has(`${db}.${user}`)) throw new ServerError('UserExists', `User "${user}@${db}" already exists`)
    this.checkRoles(roles)
    this.users.set(`${db}.${user}`, { user, db, roles, credential: scramCredential(password), customData })
    this.changed()
  }

  user (db: string, name: string): User {
    const user = this.users.get(`${db}.${name}`)
    if (user === undefined) throw new ServerError('UserNotFound', `User '${name}@${db}' not found`)
    return user
  }

  /** A role that createRole made. Throws for the built-in ones and those that do not exist. */
  role (db: string, name: string): Role {
    if (builtInRole({ role: name, db }) !== undefined) throw new ServerError('BadValue', `${name}@${db} is a built-in role and cannot be modified`)
    const role = this.roles.get(`${db}.${name}`)
    if (role === undefined) throw new ServerError('RoleNotFound', `Role '${name}@${db}' not found`)
    return role
  }

  checkRoles (roles: RoleName[]): void {
    for (const name of roles) {
      if (builtInRole(name) === undefined && !this.roles.has(`${name.db}.${name.role}`)) throw new ServerError('RoleNotFound', `Could not find role: ${name.role}@${name.db}`)
    }
  }

  /** To be called after every change of a user or a role: it holds for open connections at once. */
  changed (): void {
    this.#privileges = new Map()
  }

  /** All roles that the ones given bring with them, themselves included. */
  inherited (roles: RoleName[]): RoleName[] {
    const all = new Map<string, RoleName>()
    const visit = (name: RoleName): void => {
      const key = `${name.db}.${name.role}`
      if (all.has(key)) return
      all.set(key, { role: name.role, db: name.db })
      this.roles.get(key)?.roles.forEach(visit)
    }
    roles.forEach(visit)
    return [...all.values()]
  }

  privilegesOf (roles: RoleName[]): Privilege[] {
    return merged(this.inherited(roles).flatMap((name) => builtInRole(name) ?? this.roles.get(`${name.db}.${name.role}`)?.privileges ?? []))
  }

  /** Everything a signed-in user may do. */
  privileges (user: string | undefined): Privilege[] {
    const known = user === undefined ? undefined : this.users.get(user)
    if (user === undefined || known === undefined) return []
    const privileges = this.#privileges.get(user) ?? this.privilegesOf(known.roles)
    this.#privileges.set(user, privileges)
    return privileges
  }

  may (user: string | undefined, resource: Resource, action: string): boolean {
    return !this.enforced || this.privileges(user).some((privilege) => covers(privilege.resource, resource) && privilege.actions.includes(action))
  }

  /** True where a user has some privilege on a database or a collection, and so may know of it. */
  sees (user: string | undefined, db: string, collection?: string): boolean {
    if (!this.enforced) return true
    return this.privileges(user).some(({ resource }) => collection === undefined
      ? 'db' in resource ? resource.db === '' || resource.db === db : 'anyResource' in resource
      : covers(resource, { db, collection }))
  }
}

function covers (granted: Resource, wanted: Resource): boolean {
  if ('anyResource' in granted) return true
  if ('cluster' in granted || 'cluster' in wanted) return 'cluster' in granted && 'cluster' in wanted
  if ('anyResource' in wanted) return false
  if (granted.db !== '' && granted.db !== wanted.db) return false
  return granted.collection === wanted.collection || (granted.collection === '' && !wanted.collection.startsWith('system.'))
}
