import { errors } from '../errors.js'

/** Who calls, as the app's `access` says. */
export interface Caller {
  readonly id: string
  readonly name?: string
  readonly roles: readonly string[]
}

/** Says who calls; null means nobody. */
export type Access<Request> = (request: Request) => Caller | null | Promise<Caller | null>

/**
 * Who calls, if they hold the role.
 * @throws DWA_ACCESS_UNAUTHENTICATED, DWA_ACCESS_FORBIDDEN, and DWA_ACCESS_FAILED when `access` throws or answers with something else
 */
export async function requireCaller<Request> (access: Access<Request>, request: Request, role: string): Promise<Caller> {
  const caller = await ask(access, request)
  if (caller === null) throw new errors.DWA_ACCESS_UNAUTHENTICATED()
  if (!isCaller(caller)) throw new errors.DWA_ACCESS_FAILED()
  if (!caller.roles.includes(role)) throw new errors.DWA_ACCESS_FORBIDDEN(role)
  return caller
}

async function ask<Request> (access: Access<Request>, request: Request): Promise<unknown> {
  try {
    return await access(request) ?? null
  } catch (error) {
    throw new errors.DWA_ACCESS_FAILED({ cause: error })
  }
}

function isCaller (value: unknown): value is Caller {
  return typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string' && 'roles' in value && Array.isArray(value.roles)
}
