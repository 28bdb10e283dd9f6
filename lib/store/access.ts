import { errors } from '../errors.js'

/** Who calls, as the app's `access` says, or the session of `signIn`. */
export interface Caller {
  readonly id: string
  readonly name?: string
  readonly roles: readonly string[]
}

/** Says who calls; null means nobody. */
export type Access<Request> = (request: Request) => Caller | null | Promise<Caller | null>

/** How somebody is asked who calls. */
export interface Asking {
  /** The request goes on, and its caller is looked at again: that is no use of a session. Default false. */
  readonly passive?: boolean
  /** Whoever asks checks that the request has the token of a form of theirs: the `Origin: null` of a page without a referrer then does not refuse it. Default false. */
  readonly hasFormToken?: boolean
}

/** Who calls: the app's `access` is asked first, then whoever was added, in order. */
export class Callers<Request> {
  readonly #access: Access<Request>
  readonly #others: Array<(request: Request, asking: Asking) => ReturnType<Access<Request>>> = []

  constructor (access: Access<Request>) {
    this.#access = access
  }

  /** Adds somebody to be asked when nobody before knows the caller. What it throws refuses the request as it is. */
  add (access: (request: Request, asking: Asking) => ReturnType<Access<Request>>): void {
    this.#others.push(access)
  }

  /**
   * Who calls; null for nobody.
   * @throws DWA_ACCESS_FAILED when `access` throws or answers with something else; DWA_CROSS_SITE, DWA_STORE_UNAVAILABLE
   */
  async find (request: Request, asking: Asking = {}): Promise<Caller | null> {
    const caller = await ask(this.#access, request)
    if (caller !== null) {
      if (!isCaller(caller)) throw new errors.DWA_ACCESS_FAILED()
      return caller
    }
    for (const other of this.#others) {
      const found = await other(request, asking)
      if (found !== null) return found
    }
    return null
  }

  /**
   * Who calls, if they hold the role.
   * @throws DWA_ACCESS_UNAUTHENTICATED, DWA_ACCESS_FORBIDDEN, and what `find` throws
   */
  async require (request: Request, role: string): Promise<Caller> {
    const caller = await this.find(request)
    if (caller === null) throw new errors.DWA_ACCESS_UNAUTHENTICATED()
    if (!caller.roles.includes(role)) throw new errors.DWA_ACCESS_FORBIDDEN(role)
    return caller
  }
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
