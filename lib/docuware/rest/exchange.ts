import type { Clock } from '../../clock.js'
import { errors, isAuthError } from '../../errors.js'
import { redactIdentifier } from '../../log/redact.js'
import type { Logger } from '../../store/logger.js'
import type { Bearer, BearerAccess } from '../bearer-access.js'
import { orAborted, pause } from './abort.js'
import type { CabinetListRates } from './call-rate.js'
import { isPermanent, isUnsendable, unreachable } from './connection-failure.js'
import { Credential } from './credential.js'
import { Deadline } from './deadline.js'
import type { QueryParameters } from './docuware-client.js'
import { readRefusal, type Refusal } from './refusal.js'
import type { RequestBody } from './request-body.js'
import { nextWait, retryAfter, throttledWait } from './retry-policy.js'

export interface ExchangeOptions {
  readonly access: BearerAccess
  readonly tries: number
  /** Milliseconds: the longest wait that DocuWare may ask for. */
  readonly maxRetryAfterMs: number
  readonly rates: CabinetListRates
  readonly fetch: typeof globalThis.fetch
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger | null
}

/** One request, and what to make of its answer. */
export interface Call<Answer> {
  readonly method: string
  readonly path: string
  readonly query?: QueryParameters | undefined
  /** With names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: RequestBody | null
  readonly idempotent: boolean
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
  readonly read: (response: Response, deadline: Deadline) => Answer | Promise<Answer>
}

/** A try that came to nothing. */
class Failure {
  readonly refusal: Refusal
  readonly retryAfterMs: number | null
  readonly path: string

  constructor (refusal: Refusal, path: string, retryAfterMs: number | null = null) {
    this.refusal = refusal
    this.path = path
    this.retryAfterMs = retryAfterMs
  }
}

interface Progress { bearer: Bearer, renewed: boolean, tries: number, waited: number | null }

const maxRedirects = 5

/** Sends requests of one connection, again where that may help. */
export class Exchange {
  readonly #options: ExchangeOptions
  #credential: Credential | null = null

  constructor (options: ExchangeOptions) {
    this.#options = options
  }

  async run<Answer> (call: Call<Answer>): Promise<Answer> {
    const held = this.#options.access.current()
    const bearer = held instanceof Promise ? await orAborted(held, call.signal) : held
    const progress: Progress = { bearer, renewed: false, tries: 1, waited: null }
    let failure
    do {
      const answer = await this.#try(call, progress.bearer)
      if (!(answer instanceof Failure)) return answer
      failure = answer
    } while (await this.#mayTryAgain(call, failure, progress))
    throw failure.refusal.error
  }

  #try<Answer> (call: Call<Answer>, bearer: Bearer): Promise<Answer | Failure> {
    const credential = this.#credentialOf(bearer)
    const url = credential.platform.resolve(call.path, call.query)
    return credential.platform.listsCabinets(url) ? this.#inTurn(call, credential, url) : this.#send(call, credential, url)
  }

  async #inTurn<Answer> (call: Call<Answer>, credential: Credential, url: URL): Promise<Answer | Failure> {
    const { platform, bearer } = credential
    const answered = await this.#options.rates.of(`${platform.origin} ${bearer.organization ?? ''}`).take(call.signal)
    try {
      return await this.#send(call, credential, url)
    } finally {
      answered()
    }
  }

  async #send<Answer> (call: Call<Answer>, credential: Credential, url: URL): Promise<Answer | Failure> {
    const { clock, fetch } = this.#options
    const deadline = new Deadline(clock, call.timeoutMs, call.signal)
    try {
      const init = { method: call.method, headers: credential.headers(call.headers), redirect: 'manual', signal: deadline.signal } as const
      let response = await fetch(url.href, call.body === null ? init : { ...init, ...bodyInit(call.body.open(deadline)) })
      for (let hops = 0; hops < maxRedirects && redirects(response, call.method); hops++) {
        url = credential.platform.follow(response.headers.get('location') ?? '', url)
        await response.body?.cancel()
        response = await fetch(url.href, init)
      }
      if (response.ok) return await call.read(response, deadline)
      const path = redactIdentifier(url.pathname)
      const refusal = await readRefusal(response, { method: call.method, path, accessToken: credential.bearer.accessToken })
      call.signal?.throwIfAborted()
      return new Failure(refusal, path, retryAfter(response.headers.get('retry-after'), clock.now()))
    } catch (error) {
      return new Failure(this.#judge(error, call, deadline), redactIdentifier(url.pathname))
    } finally {
      deadline.settle()
    }
  }

  #credentialOf (bearer: Bearer): Credential {
    if (this.#credential?.bearer !== bearer) this.#credential = new Credential(bearer)
    return this.#credential
  }

  /** What a try failed with that had no answer. @throws what is no failure of the connection */
  #judge (error: unknown, call: Call<unknown>, deadline: Deadline): Refusal {
    call.signal?.throwIfAborted()
    const source = call.body?.failure ?? null
    if (source !== null) throw source.error
    if (deadline.signal.aborted) return { kind: 'transient', error: deadline.signal.reason, exception: null }
    if (isAuthError(error)) throw error
    if (isUnsendable(error)) throw new errors.DWA_DOCUWARE_INVALID_REQUEST('The request cannot be sent: its method or a header is wrong, or a GET has a body') // without the cause: it quotes headers
    return { kind: isPermanent(error) ? 'final' : 'transient', error: unreachable(error), exception: null }
  }

  /** Whether there is another try; if so, its time has come when this resolves. */
  async #mayTryAgain (call: Call<unknown>, failure: Failure, progress: Progress): Promise<boolean> {
    const { access, tries, clock, logger } = this.#options
    const { kind, error, exception } = failure.refusal
    if (exception !== null) logger?.warn({ method: call.method, path: failure.path, reason: error.message, exception }, 'DocuWare reported an exception')
    const again = kind === 'unauthorized' ? !progress.renewed : progress.tries < tries && (kind === 'throttled' || (kind === 'transient' && call.idempotent))
    if (kind === 'unauthorized' && progress.renewed) access.rejected?.(progress.bearer)
    if (!again) return false
    if (kind === 'unauthorized') {
      progress.renewed = true
      progress.bearer = await orAborted(access.renew(progress.bearer), call.signal)
    }
    if (call.body?.sendable === false) throw new errors.DWA_DOCUWARE_BODY_USED({ cause: error }) // the token is renewed all the same: the next call needs it
    if (kind === 'unauthorized') return true
    progress.tries++
    const wait = this.#wait(failure, progress)
    logger?.info({ method: call.method, path: failure.path, reason: error.message, try: progress.tries, waitMs: Math.round(wait) }, 'DocuWare is asked again')
    await pause(clock, wait, call.signal)
    progress.bearer = await orAborted(Promise.resolve(access.current()), call.signal) // the last one may have expired meanwhile
    return true
  }

  #wait ({ refusal, retryAfterMs }: Failure, progress: Progress): number {
    const { maxRetryAfterMs, random } = this.#options
    const asked = retryAfterMs ?? (refusal.kind === 'throttled' ? throttledWait : null)
    if (asked !== null) return Math.min(asked, maxRetryAfterMs)
    progress.waited = nextWait(progress.waited, random)
    return progress.waited
  }
}

/** A fetch that may be redirected keeps all that was sent of a stream in memory. */
function bodyInit (body: string | ReadableStream<Uint8Array>): RequestInit {
  return typeof body === 'string' ? { body } : { body, duplex: 'half', redirect: 'error' }
}

function redirects ({ status, headers }: Response, method: string): boolean {
  return (status === 301 || status === 302 || status === 303 || status === 307 || status === 308) && (method === 'GET' || method === 'HEAD') && headers.has('location')
}
