import type { CallRate } from './call-rate.js'
import type { Call } from './exchange.js'
import type { RequestBody } from './request-body.js'
import type { Target } from './target.js'
import type { AnswerHead } from './transport.js'

/** A request made ready for one try. */
export interface ReadyRequest {
  readonly url: URL
  /** With names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: RequestBody | null
  /** Where the credentials may go, whatever a redirect says. */
  readonly target: Target
  /** Never to be repeated in an error or a log, whatever the peer says. */
  readonly secrets: readonly string[]
  /** A limit of the peer that the request counts for. */
  readonly rate: CallRate | null
  /** Puts what credentials stand in the query into where a redirect leads. */
  readonly follow?: (url: URL) => void
}

/** Whom requests are sent for. `Held` is what a try goes with: a token, or nothing in particular. */
export interface Credentials<Held, Wanted extends Call<unknown> = Call<unknown>> {
  /** At once, without a promise, when it is at hand. */
  readonly current: () => Held | Promise<Held>
  /** Called for every try: signatures are made of the moment. */
  readonly ready: (call: Wanted, held: Held) => ReadyRequest | Promise<ReadyRequest>
  /** Whether `ready` runs code of the app: what that throws is its own affair. */
  readonly runsAppCode?: boolean
  /** The peer answered 401 to `refused`: what to try once more with, null when there is nothing else. Rejects with why nothing is to be had. */
  readonly renew: (refused: Held, answer: AnswerHead) => Promise<Held | null>
  /** The peer answered 401 to what `renew` has just given, too. */
  readonly rejected?: (renewed: Held) => void
}
