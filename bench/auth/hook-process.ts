import Fastify, { type FastifyReply, type FastifyRequest, type onRequestHookHandler } from 'fastify'
import docuwareAuth from 'fastify-docuware-auth'
import { audience, Credentials, issuer } from './credentials.js'
import { masterKey } from './our-app.js'
import { readConfig, report } from './program.js'
import { median } from './spread.js'

export interface HookConfig {
  readonly uri: string
  readonly calls: number
  /** Tokens of `distinct`. */
  readonly distinct: number
}

interface Exchanged { readonly request: FastifyRequest, readonly reply: FastifyReply }

const parts = 9

const { uri, calls, distinct } = readConfig<HookConfig>()
const credentials = new Credentials()
const app = Fastify()
await app.register(docuwareAuth, {
  store: { uri, secretKeys: [masterKey] },
  jwt: { validators: [{ name: 'hook', signatureType: 'public_key', publicKeyAlgorithm: 'RS256', publicKey: credentials.verification.RS256, audience, issuer, userIdStrategy: 'claim' }] }
})
let exchanged: Exchanged | null = null
for (const [url, auth] of [['/open', undefined], ['/public', 'public_or_jwt_hook'], ['/closed', 'jwt_hook']] as const) {
  app.get(url, auth === undefined ? {} : { config: { auth } }, (request, reply) => {
    exchanged = { request, reply }
    reply.send({ hello: 'world' })
  })
}
await app.ready()

const guard = guardOf(app.routeAuth)
const tokens = credentials.tokens('RS256', distinct, 'hook')
report({
  open: await time('/open', []),
  public: await time('/public', []),
  hot: await time('/closed', tokens.slice(0, 1)),
  distinct: await time('/closed', tokens)
})
await app.close()

/** The hook itself: nobody but Fastify is meant to call it. */
function guardOf (routeAuth: object): onRequestHookHandler {
  const guard: unknown = Reflect.get(routeAuth, 'guard')
  if (typeof guard !== 'function') throw new TypeError('there is no guard')
  return (request, reply, done) => { guard(request, reply, done) }
}

/** Microseconds of CPU for one call of the hook that guards every route, with a header that is a new string each time, as it is in a request. */
async function time (url: string, ofRoute: readonly string[]): Promise<number> {
  const headers = ofRoute.map((token) => Buffer.from(`Bearer ${token}`))
  for (let use = 1; use <= 3; use++) for (const header of headers) await ask(url, header.toString('latin1'))
  const { request, reply } = await ask(url, headers[0]?.toString('latin1'))
  let passed = 0
  const done = (error?: Error): void => { if (error === undefined) passed++ }
  const next = (call: number): void => {
    const header = headers[call % headers.length]
    if (header !== undefined) request.raw.headers.authorization = header.toString('latin1')
  }
  const guarded = perCall((call) => { next(call); guard.call(app, request, reply, done) })
  if (passed < calls * parts) throw new Error('the hook refused a request, or was not done at once')
  return guarded - perCall(next)
}

/** The median of several parts, after one to warm up. */
function perCall (run: (call: number) => void): number {
  const times = Array.from({ length: parts + 1 }, () => {
    const before = process.cpuUsage()
    for (let call = 0; call < calls; call++) run(call)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / calls
  })
  return median(times.slice(1))
}

async function ask (url: string, authorization: string | undefined): Promise<Exchanged> {
  exchanged = null
  const { statusCode } = await app.inject({ url, headers: authorization === undefined ? {} : { authorization } })
  if (statusCode !== 200 || exchanged === null) throw new Error(`a good request was answered with ${statusCode}`)
  return exchanged
}
