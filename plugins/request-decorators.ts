import type { FastifyInstance, FastifyRequest } from 'fastify'

/** Members of requests, as each is read from what was found out about one. */
export type MembersOf<Found> = { readonly [Name in keyof FastifyRequest & string]?: (found: Found) => FastifyRequest[Name] }

/** A member that somebody set. */
class Assigned<Found> {
  constructor (readonly name: string, readonly value: unknown, readonly before: Found | Assigned<Found> | undefined) {}
}

/**
 * Decorates the requests of the whole app with members that are null until the returned function is called with what was found out, or one of them is set; the last one holds.
 * A request keeps one object for all of them, and none where nothing was found out: `decorateRequest(name, null)` would write each into every request of the app, those of open routes included.
 */
export function decorateRequests<Found extends object> (app: FastifyInstance, members: MembersOf<Found>): (request: FastifyRequest, found: Found) => void {
  const key: unique symbol = Symbol(Object.keys(members).join())
  type Decorated = FastifyRequest & { [key]?: Found | Assigned<Found> }
  const accessors = Object.entries<(found: Found) => unknown>(members).map(([name, read]) => [name, {
    getter (this: Decorated): unknown {
      let found = this[key]
      for (; found instanceof Assigned; found = found.before) if (found.name === name) return found.value
      return found === undefined ? null : read(found)
    },
    setter (this: Decorated, value: unknown): void { this[key] = new Assigned(name, value, this[key]) }
  }] as const)
  const decorate = (instance: FastifyInstance): void => {
    for (const [name, accessor] of accessors) instance.decorateRequest<unknown, string>(name, accessor)
  }
  const root = rootOf(app) // the guards are the store's, which is there
  decorate(root)
  root.addHook('onRegister', decorate) // or Fastify would let a child take the name for something else
  return (request: Decorated, found) => { request[key] = found }
}

/** Fastify makes a child context by `Object.create` of its parent. @see https://fastify.dev/docs/latest/Reference/Encapsulation/ */
export function rootOf (app: FastifyInstance): FastifyInstance {
  const parent: unknown = Object.getPrototypeOf(app)
  return isInstance(parent) ? rootOf(parent) : app
}

function isInstance (value: unknown): value is FastifyInstance {
  return typeof value === 'object' && value !== null && 'addHook' in value
}
