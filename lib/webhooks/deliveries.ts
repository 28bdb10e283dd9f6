import { createHash } from 'node:crypto'
import { every, type Clock } from '../clock.js'
import type { DocumentCollection, DocumentIndex } from '../store/document-collection.js'
import { isDuplicateKey } from '../store/key-ring-document.js'
import { reasonOf, type Logger } from '../store/logger.js'

/** What tells a delivery from others: ids are unique to who signs with a secret, and another who knows them suppresses nothing. */
export interface Delivery {
  readonly source: string
  /** Of the secret that its signature was made with: never the secret. */
  readonly secretId: string
  readonly id: string
}

/** A delivery that is being handled, or was. */
export interface DeliveryDocument {
  /** A hash of what tells the delivery from others. */
  _id: string
  /** Whose turn it is. */
  owner: string
  /** Whether it was handled: then it is not handled again. */
  done: boolean
  /** The database's time at which somebody else may handle it, and it is forgotten. */
  expiresAt: Date
}

export const deliveryIndexes: readonly DocumentIndex[] = [{ keys: { expiresAt: 1 }, expireAfterSeconds: 0 }]

/** Milliseconds: how long a process that died blocks a delivery, how often a living one prolongs that, and when it gives up waiting for its handler. */
const turnMs = 30_000
const renewalMs = 10_000
const longestTurnMs = 15 * 60_000

export interface DeliveriesOptions {
  readonly documents: Pick<DocumentCollection<DeliveryDocument>, 'run'>
  /** The database's time. */
  readonly clock: Clock
  readonly randomBytes: (size: number) => Buffer
  readonly logger: Logger
}

/** The turn to handle a delivery. */
export interface Turn {
  /** Ends it once: handled for good, or free for the next try. Never rejects. */
  end (handled: boolean): Promise<void>
  /** Prolongs it no more: it is free within half a minute, unless it is ended before. */
  lapse (): void
}

/** Which deliveries were handled: each by one process, once, unless its handler fails. */
export class Deliveries {
  readonly #options: DeliveriesOptions

  constructor (options: DeliveriesOptions) {
    this.#options = options
  }

  /** The turn to handle a delivery; `handled` when it was, `taken` while somebody is at it. @throws DWA_STORE_UNAVAILABLE */
  async take ({ source, secretId, id }: Delivery, rememberMs: number): Promise<Turn | 'handled' | 'taken'> {
    const { documents, clock, randomBytes } = this.#options
    const _id = createHash('sha256').update(JSON.stringify([source, secretId, id])).digest('base64url')
    const owner = randomBytes(16).toString('base64url')
    const now = clock.now()
    try {
      await documents.run(async (deliveries) => await deliveries.updateOne({ _id, expiresAt: { $lte: new Date(now) } }, { $set: { owner, done: false, expiresAt: new Date(now + turnMs) } }, { upsert: true }))
    } catch (error) {
      if (!isDuplicateKey(error)) throw error
      const other = await documents.run(async (deliveries) => await deliveries.findOne({ _id }))
      return other?.done === true ? 'handled' : 'taken'
    }
    return this.#turn(_id, owner, now, rememberMs)
  }

  #turn (_id: string, owner: string, since: number, rememberMs: number): Turn {
    const { documents, clock } = this.#options
    const prolong = (until: number, done: boolean) => async (): Promise<boolean> => {
      const { matchedCount } = await documents.run(async (deliveries) => await deliveries.updateOne({ _id, owner, done: false }, { $set: { done, expiresAt: new Date(until) } }))
      return matchedCount === 1
    }
    const release = async (): Promise<boolean> => {
      await documents.run(async (deliveries) => await deliveries.deleteOne({ _id, owner, done: false }))
      return true
    }
    let over = false
    const stop = (): void => {
      over = true
      cancel()
    }
    const renew = async (until: number): Promise<void> => {
      if (await this.#attempt(prolong(until, false)) || over) return // a renewal may come after the end
      stop()
      this.#lost()
    }
    const cancel = every(clock, renewalMs, () => {
      const now = clock.now()
      if (now - since > longestTurnMs) cancel()
      else renew(now + turnMs).catch(() => {}) // it never rejects
    })
    return {
      end: async (handled) => {
        if (over) return
        stop()
        if (!await this.#attempt(handled ? prolong(clock.now() + rememberMs, true) : release)) this.#lost()
      },
      lapse: () => { cancel() }
    }
  }

  #lost (): void {
    this.#options.logger.warn({}, 'a webhook delivery took so long that it was given to somebody else')
  }

  /** Whether it is still this turn. What cannot be written down now ends by itself: the delivery may then be handled once more. */
  async #attempt (write: () => Promise<boolean>): Promise<boolean> {
    try {
      return await write()
    } catch (error) {
      this.#options.logger.warn({ reason: reasonOf(error) }, 'what became of a webhook delivery could not be stored')
      return true
    }
  }
}
