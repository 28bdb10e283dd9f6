import type { FastifyInstance, FastifyRequest } from 'fastify'

/**
 * Decorates requests with properties that are null until they are set. They are accessors on the prototype: `decorateRequest(name, null)` would write
 * each of them into every request of the app, those of open routes included.
 */
export function decorateRequests (app: FastifyInstance, names: ReadonlyArray<keyof FastifyRequest & string>): void {
  const accessors = new Map(names.map((name) => [name, nullUntilSet(name)]))
  const decorate = (instance: FastifyInstance): void => {
    for (const [name, accessor] of accessors) instance.decorateRequest<unknown, string>(name, accessor)
  }
  decorate(app)
  app.addHook('onRegister', decorate) // or Fastify would let a child take the name for something else
}

function nullUntilSet (name: string) {
  const key: unique symbol = Symbol(name)
  type Decorated = FastifyRequest & { [key]?: unknown }
  return {
    getter (this: Decorated): unknown { return this[key] ?? null },
    setter (this: Decorated, value: unknown): void { this[key] = value }
  }
}
