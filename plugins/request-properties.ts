import type { FastifyInstance, FastifyRequest } from 'fastify'

/**
 * Decorates requests with properties that are null until they are set. They live on the prototype, and what is set in one record on the request:
 * `decorateRequest(name, null)` writes each of them into every request of the app, open routes included.
 * @param nobody the properties' names, each with null
 * @returns what sets all of them at once
 */
export function addRequestProperties<Fields extends { [name: string]: unknown }> (app: FastifyInstance, nobody: { readonly [Name in keyof Fields]: null }): (request: FastifyRequest, fields: Readonly<Fields>) => void {
  const record: unique symbol = Symbol('what is known of a request')
  interface Known { readonly raw: unknown, [record]?: { readonly [name: string]: unknown } }
  for (const name of Object.keys(nobody)) {
    app.decorateRequest(name, {
      getter (this: Known) { return this[record]?.[name] ?? null },
      setter (this: Known, value: unknown) { this[record] = { ...nobody, ...this[record], [name]: value } }
    })
  }
  return (request: Known, fields) => { request[record] = fields }
}
