import { errors } from '../errors.js'
import type { Caller } from '../store/access.js'
import type { SignInOptions } from './sign-in-options.js'

/** What the identity provider says of a person. */
export type Claims = Readonly<Record<string, unknown>>

const usualNames = ['name', 'preferred_username', 'email']
const longestName = 200
const longestId = 200

/**
 * Who the claims are about, and what they may do here. Only text counts, and only members of the claims' own.
 * @throws DWA_SIGN_IN_IDENTITY when they name nobody, DWA_SIGN_IN_ROLES when `roles.of` throws or returns something else than roles
 */
export async function personOf (claims: Claims, { claims: names = {}, roles = {} }: Pick<SignInOptions, 'claims' | 'roles'>): Promise<Caller> {
  const id = claimOf(claims, names.id ?? 'sub')
  const text = typeof id === 'string' ? id : typeof id === 'number' && Number.isSafeInteger(id) ? String(id) : ''
  if (text === '' || text.length > longestId) throw new errors.DWA_SIGN_IN_IDENTITY(names.id ?? 'sub')
  const name = (names.name === undefined ? usualNames : [names.name]).map((one) => claimOf(claims, one)).find((value) => typeof value === 'string' && value !== '')
  return {
    id: text,
    ...(typeof name === 'string' ? { name: name.slice(0, longestName) } : {}),
    roles: [...new Set([...mappedRoles(claims, roles), ...await computedRoles(claims, roles)])]
  }
}

function mappedRoles (claims: Claims, { claim, map }: NonNullable<SignInOptions['roles']>): string[] {
  if (claim === undefined || map === undefined) return []
  const groups = [claimOf(claims, claim)].flat().filter((group) => typeof group === 'string')
  return groups.flatMap((group) => Object.hasOwn(map, group) ? map[group] ?? [] : [])
}

async function computedRoles (claims: Claims, { of }: NonNullable<SignInOptions['roles']>): Promise<readonly string[]> {
  if (of === undefined) return []
  let roles: unknown
  try {
    roles = await of(claims)
  } catch (cause) {
    throw new errors.DWA_SIGN_IN_ROLES({ cause })
  }
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string')) throw new errors.DWA_SIGN_IN_ROLES()
  return roles
}

/** A claim by its name, dots and all, or by a path of names. */
function claimOf (claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  let found: unknown = claims
  for (const part of name.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, part)) return undefined
    found = Reflect.get(found, part)
  }
  return found
}
