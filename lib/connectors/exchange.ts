import type { Clock } from '../clock.js'
import { isAuthError } from '../errors.js'
import { redactIdentifier } from '../log/redact.js'
import type { Logger } from '../store/logger.js'
import { orAborted, pause } from './abort.js'
import { isPermanent, isUnsendable, unreachable } from './connection-failure.js'
import type { Credentials, ReadyRequest } from './credentials.js'
import { Deadline } from './deadline.js'
import type { Dialect, Refusal } from './dialect.js'
import { mask } from './mask.js'
import type { RequestBody } from './request-body.js'
import { nextWait, retryAfter } from './retry-policy.js'
import type { QueryParameters } from './target.js'
import { discard, type AnswerHead, type PeerAnswer, type Transport } from './transport.js'

export interface ExchangeOptions<Held, Wanted extends Call<unknown> = Call<unknown>> {
  readonly credentials: Credentials<Held, Wanted>
  readonly dialect: Dialect
  readonly tries: number
  /** Milliseconds: the longest wait that the peer may ask for. */
  readonly maxRetryAfterMs: number
  readonly transport: Transport
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger | null
}

/** One request, and what to make of its answer. */
export interface Call<Answer> {
  readonly method: string
  /** As the caller gave it. */
  readonly path: string
  readonly query?: QueryParameters | undefined
  /** With names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: RequestBody | null
  /** What the body says, when it was given as JSON. */
  readonly json?: unknown
  readonly idempotent: boolean
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
  readonly read: (answer: PeerAnswer, deadline: Deadline) => Answer | Promise<Answer>
}

/** A try that came to nothing. */
class Failure {
  readonly refusal: Refusal
  readonly path: string
  readonly body: RequestBody | null
  /** Null when there was no answer. */
  readonly head: AnswerHead | null

  constructor (refusal: Refusal, path: string, body: RequestBody | null, head: AnswerHead | null = null) {
    this.refusal = refusal
    this.path = path
    this.body = body
    this.head = head
  }
}

interface Progress<Held> { held: Held, renewed: boolean, tries: number, waited: number | null }

const maxRedirects = 5

/** Sends requests for one credential, again where that may help: the only place where this package's clients repeat, redirect and give up. */
export class Exchange<Held, Wanted extends Call<unknown> = Call<unknown>> {
  readonly #options: ExchangeOptions<Held, Wanted>

  constructor (options: ExchangeOptions<Held, Wanted>) {
    this.#options = options
  }

  async run<Answer> (call: Wanted & Call<Answer>): Promise<Answer> {
    const current = this.#options.credentials.current()
    const progress: Progress<Held> = { held: current instanceof Promise ? await orAborted(current, call.signal) : current, renewed: false, tries: 1, waited: null }
    let failure
    do {
      const made = this.#ready(call, progress.held)
      const request = made instanceof Promise ? await orAborted(made, call.signal) : made
      const answer = await (request.rate === null ? this.#send(call, request) : this.#inTurn(call, request, request.rate))
      if (!(answer instanceof Failure)) return answer
      failure = answer
    } while (await this.#mayTryAgain(call, failure, progress))
    throw failure.refusal.error
  }

  #ready (call: Wanted, held: Held): ReadyRequest | Promise<ReadyRequest> {
    const { credentials } = this.#options
    if (credentials.runsAppCode === true) return credentials.ready(call, held)
    const refuse = (error: unknown): never => { throw isUnsendable(error) ? this.#unsendable() : error }
    try {
      const made = credentials.ready(call, held)
      return made instanceof Promise ? made.catch(refuse) : made
    } catch (error) {
      return refuse(error)
    }
  }

  async #inTurn<Answer> (call: Call<Answer>, request: ReadyRequest, rate: NonNullable<ReadyRequest['rate']>): Promise<Answer | Failure> {
    const answered = await rate.take(call.signal)
    try {
      return await this.#send(call, request)
    } finally {
      answered()
    }
  }

  async #send<Answer> (call: Call<Answer>, request: ReadyRequest): Promise<Answer | Failure> {
    const { clock, transport, dialect } = this.#options
    const { headers, body, target } = request
    const deadline = new Deadline(clock, call.timeoutMs, call.signal, dialect.errors)
    let { url } = request
    try {
      const { method } = call
      const { signal } = deadline
      let answer = await transport(url, { method, headers, body: body?.open(deadline) ?? null, signal })
      for (let hops = 0; hops < maxRedirects && redirects(answer, method); hops++) {
        discard(answer.body)
        url = target.follow(answer.headers.location ?? '', url)
        request.follow?.(url)
        answer = await transport(url, { method, headers, body: null, signal })
      }
      if (answer.status >= 200 && answer.status <= 299) return await call.read(answer, deadline)
      const path = shownPath(url, request.secrets)
      const refusal = await dialect.readRefusal(answer, { method, origin: target.origin, path, secrets: request.secrets })
      call.signal?.throwIfAborted()
      return new Failure(refusal, path, body, answer)
    } catch (error) {
      return new Failure(this.#judge(error, call, request, deadline), shownPath(url, request.secrets), body)
    } finally {
      deadline.settle()
    }
  }

  /** What a try failed with that had no answer. @throws what is no failure of the connection */
  #judge (error: unknown, call: Call<unknown>, { body, secrets }: ReadyRequest, deadline: Deadline): Refusal {
    const { errors } = this.#options.dialect
    call.signal?.throwIfAborted()
    const source = body?.failure ?? null
    if (source !== null) throw source.error
    if (deadline.signal.aborted) return { kind: 'transient', error: deadline.signal.reason, exception: null }
    if (isAuthError(error)) throw error
    if (isUnsendable(error)) throw this.#unsendable()
    return { kind: isPermanent(error) ? 'final' : 'transient', error: unreachable(error, errors, secrets), exception: null }
  }

  /** Without the cause: it quotes headers. */
  #unsendable (): Error {
    return this.#options.dialect.errors.invalidRequest('The request cannot be sent: its method or a header is wrong, or a GET has a body')
  }

  /** Whether there is another try; if so, its time has come when this resolves. */
  async #mayTryAgain (call: Call<unknown>, { refusal, path, body, head }: Failure, progress: Progress<Held>): Promise<boolean> {
    const { credentials, dialect: { peer, errors, throttlesUnprocessed }, tries, clock, logger } = this.#options
    const { kind, error, exception } = refusal
    if (exception !== null) logger?.warn({ method: call.method, path, reason: error.message, exception }, `${peer} reported an exception`)
    const isUnauthorized = kind === 'unauthorized' && head !== null
    if (isUnauthorized) {
      if (progress.renewed) {
        credentials.rejected?.(progress.held)
        return false
      }
      const renewed = await orAborted(credentials.renew(progress.held, head), call.signal)
      if (renewed === null) return false
      progress.renewed = true
      progress.held = renewed
    } else if (progress.tries >= tries || !((kind === 'throttled' && throttlesUnprocessed) || ((kind === 'throttled' || kind === 'transient') && call.idempotent))) {
      return false
    }
    if (body?.sendable === false) throw errors.bodyUsed({ cause: error }) // the token is renewed all the same: the next call needs it
    if (isUnauthorized) return true
    progress.tries++
    const wait = this.#wait(kind, head, progress)
    logger?.info({ method: call.method, path, reason: error.message, try: progress.tries, waitMs: Math.round(wait) }, `${peer} is asked again`)
    await pause(clock, wait, call.signal)
    progress.held = await orAborted(Promise.resolve(credentials.current()), call.signal) // the last one may have expired meanwhile
    return true
  }

  #wait (kind: Refusal['kind'], head: AnswerHead | null, progress: Progress<Held>): number {
    const { dialect: { throttledWaitMs }, maxRetryAfterMs, clock, random } = this.#options
    const asked = retryAfter(head?.headers['retry-after'], clock.now()) ?? (kind === 'throttled' ? throttledWaitMs : null)
    if (asked !== null) return Math.min(asked, maxRetryAfterMs)
    progress.waited = nextWait(progress.waited, random)
    return progress.waited
  }
}

/** Paths may hold credentials too. */
function shownPath (url: URL, secrets: readonly string[]): string {
  return redactIdentifier(mask(url.pathname, secrets))
}

function redirects ({ status, headers }: PeerAnswer, method: string): boolean {
  return (status === 301 || status === 302 || status === 303 || status === 307 || status === 308) && (method === 'GET' || method === 'HEAD') && headers.location !== undefined
}
