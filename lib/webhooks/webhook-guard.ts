import type { FastifyReply, FastifyRequest, RequestPayload } from 'fastify'
import type { Clock } from '../clock.js'
import { errors, isAuthError } from '../errors.js'
import { networkOf } from '../http/address-network.js'
import type { AuditLog } from '../log/audit-log.js'
import type { FailureLocks } from '../store/failure-locks.js'
import type { BodyHook } from '../store/route-auth.js'
import { reasonOf } from '../store/logger.js'
import type { Deliveries, Delivery, Turn } from './deliveries.js'
import { ReadBody } from './read-body.js'
import { peekBody, readBody } from './request-body.js'
import { secretId } from './secret-id.js'
import { secretsOf } from './secrets-of.js'
import { signingSecret } from './signature.js'
import { readSignedHeaders, type RefusalReason, type SignedHeaders } from './signed-headers.js'
import type { SourceRegistry } from './source-registry.js'
import type { WebhookSource } from './webhook-source.js'

export interface WebhookGuardOptions {
  readonly registry: SourceRegistry<FastifyRequest>
  readonly deliveries: Deliveries
  readonly locks: FailureLocks<'refusedPerAddress'>
  readonly auditLog: Pick<AuditLog, 'sample'>
  /** What a sender's timestamp is compared with. */
  readonly clock: Clock
  /** Fastify's own error for a body beyond the limit. */
  readonly tooLarge: () => Error
}

type Source = WebhookSource<FastifyRequest>

/** One request on its way. */
interface Attempt {
  readonly name: string
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly payload: RequestPayload
  readonly done: Parameters<BodyHook>[3]
  /** Bytes of the body. */
  readonly limit: number
}

interface Ready { readonly source: Source, readonly headers: SignedHeaders, readonly secrets: readonly string[] }
type Prepared = Ready | { readonly source: Source | null, readonly refused: RefusalReason }

/** Methods whose body Fastify does not read: there is nothing to sign. */
const bodyless = new Set(['GET', 'HEAD', 'TRACE'])
const refusal = JSON.stringify({ error: 'Invalid signature' })
/** Seconds. */
const retryAfter = '5'

/** Lets signed requests through, and answers all others. */
export class WebhookGuard {
  readonly #options: WebhookGuardOptions
  readonly #turns = new WeakMap<FastifyRequest, Turn>()

  constructor (options: WebhookGuardOptions) {
    this.#options = options
  }

  /** The preParsing hook of the routes that name this source. What is at hand is not waited for: most requests wait for their body alone. */
  hook (name: string): BodyHook {
    return (request, reply, payload, done, limit) => {
      const attempt: Attempt = { name, request, reply, payload, done, limit }
      let prepared: Prepared | Promise<Prepared>
      try {
        prepared = this.#prepare(attempt)
      } catch (error) {
        return fail(attempt, error)
      }
      if (prepared instanceof Promise) prepared.then((ready) => { this.#receive(attempt, ready) }, (error: unknown) => { fail(attempt, error) })
      else this.#receive(attempt, prepared)
    }
  }

  /** For an onSend hook: what the answer says is what became of the delivery. A promise only when there is something to write down. */
  conclude (request: FastifyRequest, reply: FastifyReply): Promise<void> | null {
    const turn = this.#turns.get(request)
    return turn === undefined ? null : turn.end(isSuccess(reply.statusCode))
  }

  /** All that can be said before the body is read. */
  #prepare ({ name, request }: Attempt): Prepared | Promise<Prepared> {
    const { registry } = this.#options
    const unlocked = this.#isUnlocked(name, request)
    const source = unlocked === true ? registry.find(name) : unlocked.then(async () => await registry.find(name))
    return source instanceof Promise ? source.then((found) => this.#readHead(found, request)) : this.#readHead(source, request)
  }

  #readHead (source: Source | null, request: FastifyRequest): Prepared | Promise<Prepared> {
    if (source === null) return { source, refused: 'unknown_source' }
    if (bodyless.has(request.method)) return { source, refused: 'method_without_body' }
    const headers = readSignedHeaders(source, request.raw, this.#options.clock.now())
    if (typeof headers === 'string') return { source, refused: headers }
    const ready = (secrets: readonly string[]): Prepared => secrets.length === 0 ? { source, refused: 'no_secret' } : { source, headers, secrets }
    const secrets = secretsOf(source, request)
    return secrets instanceof Promise ? secrets.then(ready) : ready(secrets)
  }

  #receive (attempt: Attempt, prepared: Prepared): void {
    if ('refused' in prepared) return this.#refuse(attempt, prepared.source, prepared.refused)
    const { request, payload, limit } = attempt
    const { raw } = request
    // While a delivery is looked up, the sender may go away with what was not read.
    if (payload !== raw || prepared.source.delivery !== null) return this.#read(attempt, prepared)
    setImmediate(() => { // by then, all that came with the headers is in the stream, and it is known whether that was all
      const body = peekBody(raw, limit)
      if (body === null) this.#read(attempt, prepared)
      else this.#verify(attempt, prepared, body, payload)
    })
  }

  #read (attempt: Attempt, prepared: Ready): void {
    const { request, reply, payload, limit } = attempt
    readBody(payload, request.headers['content-length'], limit, (body) => {
      if (body === 'aborted') return fail(attempt, new errors.DWA_WEBHOOK_ABORTED())
      if (body !== 'too_large') return this.#verify(attempt, prepared, body, new ReadBody(body, payload))
      reply.header('connection', 'close') // there may be more to come
      fail(attempt, this.#options.tooLarge())
    })
  }

  /** @param unread a stream of the same body, for the parser */
  #verify (attempt: Attempt, { source, headers, secrets }: Ready, body: readonly Buffer[], unread: RequestPayload): void {
    const secret = signingSecret(source, headers, secrets, body)
    if (secret === null) return this.#refuse(attempt, source, 'signature_wrong')
    const { name, request, done } = attempt
    const { timestamp, deliveryId } = headers
    const pass = (): void => {
      request.webhook = { source: name, id: deliveryId, timestamp: timestamp === null ? null : new Date(Number(timestamp) * 1000) }
      done(null, unread)
    }
    if (source.delivery === null || deliveryId === null) return pass()
    this.#wasHandled(attempt, { source: name, secretId: secretId(secret), id: deliveryId }, source.delivery.rememberMs).then((handled) => { if (!handled) pass() }, (error: unknown) => { fail(attempt, error) })
  }

  /** Answers a delivery that was handled before; otherwise it is this request's turn. @throws DWA_WEBHOOK_IN_PROGRESS, DWA_STORE_UNAVAILABLE */
  async #wasHandled ({ request, reply }: Attempt, delivery: Delivery, rememberMs: number): Promise<boolean> {
    const turn = await this.#options.deliveries.take(delivery, rememberMs)
    if (turn === 'handled') {
      reply.code(200).send()
      return true
    }
    if (turn === 'taken') throw Object.assign(new errors.DWA_WEBHOOK_IN_PROGRESS(), { headers: { 'retry-after': retryAfter } })
    this.#turns.set(request, turn)
    watch(reply, turn)
    return false
  }

  /** True, or a promise that rejects with DWA_RATE_LIMITED when too much was refused from that address. */
  #isUnlocked (name: string, request: FastifyRequest): true | Promise<void> {
    const { locks } = this.#options
    const none = locks.areNone()
    if (none === true) return true
    return Promise.resolve(none).then(async (isTrue) => {
      if (!isTrue) await locks.refuseLocked('refusedPerAddress', keyOf(name, request))
    }).catch((error: unknown) => {
      if (isAuthError(error, 'DWA_STORE_UNAVAILABLE')) return // a declared source does not depend on the database, and its signature decides
      throw error instanceof Error && 'retryAfter' in error ? Object.assign(error, { headers: { 'retry-after': String(error.retryAfter) } }) : error
    })
  }

  #refuse ({ name, request, reply }: Attempt, source: Source | null, reason: RefusalReason): void {
    const { auditLog, locks } = this.#options
    request.log[source === null ? 'error' : 'info']({ webhook: name, reason }, 'a webhook was refused')
    auditLog.sample(`${name} ${reason}`, 'webhook.refused', { level: 'warning', target: { type: 'webhook_source', id: source?.id ?? null, name }, details: { reason }, requestId: request.id })
    const answer = (): void => { reply.code(401).header('www-authenticate', 'Signature').type('application/json; charset=utf-8').send(refusal) }
    locks.note('refusedPerAddress', keyOf(name, request)).then(answer, (error: unknown) => {
      request.log.warn({ webhook: name, reason: reasonOf(error) }, 'a refused webhook could not be counted')
      answer()
    })
  }
}

/** What cannot be decided is refused as the app refuses errors. */
function fail ({ name, request, done }: Attempt, error: unknown): void {
  const failure = error instanceof Error ? error : new errors.DWA_WEBHOOK_CONFIGURATION({ cause: error })
  if (isAuthError(failure, 'DWA_WEBHOOK_CONFIGURATION')) request.log.error({ err: failure, webhook: name }, 'a webhook source cannot be used')
  done(failure)
}

/** For answers that pass by Fastify, and those that nobody waits for any more. An end never rejects. */
function watch (reply: FastifyReply, turn: Turn): void {
  const { raw } = reply
  const gone = (): void => {
    if (reply.sent) turn.end(false).catch(() => {}) // after `finish` it has ended already
    else turn.lapse() // the handler may still be at it, and what it returns is heard of
  }
  raw.once('finish', () => { turn.end(isSuccess(raw.statusCode)).catch(() => {}) })
  if (raw.destroyed) gone()
  else raw.once('close', gone)
}

/** Whose refused requests count together. */
function keyOf (name: string, { ip }: FastifyRequest): string[] {
  return [name, networkOf(ip)]
}

function isSuccess (status: number): boolean {
  return status >= 200 && status < 300
}
