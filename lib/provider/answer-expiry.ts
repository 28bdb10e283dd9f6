import type { mongo } from 'mongoose'
import type { Clock } from '../clock.js'
import type { DocumentCollection } from '../store/document-collection.js'
import { reasonOf, type Logger } from '../store/logger.js'
import type { TokenFamilyDocument } from './token-family.js'

export interface AnswerExpiryOptions {
  readonly documents: Pick<DocumentCollection<TokenFamilyDocument>, 'run'>
  /** The database's time. */
  readonly clock: Clock
  readonly logger: Logger
}

interface Sealed { readonly family: mongo.ObjectId, readonly until: number }

/** Milliseconds in which answers are gathered, to be taken away by one command. */
const gathering = 1000
/** Those beyond wait for the next write of their family. */
const maxSealed = 20_000

/** Takes the sealed answers of refresh tokens out of the database when their grace is over. What a process cannot take away, the next rotation or revocation of the family does. */
export class AnswerExpiry {
  readonly #options: AnswerExpiryOptions
  #sealed: Sealed[] = []
  #cancel: (() => void) | null = null
  #stopped = false

  constructor (options: AnswerExpiryOptions) {
    this.#options = options
  }

  /** @param until milliseconds since 1970 */
  add (family: mongo.ObjectId, until: number): void {
    if (this.#sealed.length < maxSealed) this.#sealed.push({ family, until })
    this.#wait()
  }

  stop (): void {
    this.#stopped = true
    this.#cancel?.()
  }

  #wait (): void {
    const [first] = this.#sealed
    if (first === undefined || this.#cancel !== null || this.#stopped) return
    const { clock, logger } = this.#options
    this.#cancel = clock.after(Math.max(first.until - clock.now(), 0) + gathering, () => {
      this.#cancel = null
      this.#takeAway().catch((error: unknown) => { logger.warn({ reason: reasonOf(error) }, 'sealed answers of refresh tokens stay until their families are written again') })
      this.#wait()
    })
  }

  async #takeAway (): Promise<void> {
    const now = this.#options.clock.now()
    const due = this.#sealed.filter(({ until }) => until <= now)
    this.#sealed = this.#sealed.filter(({ until }) => until > now)
    await this.#options.documents.run(async (families) => await families.updateMany({ _id: { $in: due.map(({ family }) => family) }, 'previous.until': { $lte: new Date(now) } }, { $unset: { 'previous.answer': 1 } }))
  }
}
