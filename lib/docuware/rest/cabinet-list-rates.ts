import { systemClock, type Clock } from '../../clock.js'
import { CallRate } from '../../connectors/call-rate.js'

/** DocuWare's limit on lists of file cabinets, for each organization. */
export class CabinetListRates {
  readonly #clock: Clock
  readonly #rates = new Map<string, CallRate>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** The one of an organization at its platform, shared by all who ask for it. */
  of (organization: string): CallRate {
    let rate = this.#rates.get(organization)
    if (rate === undefined) this.#rates.set(organization, rate = new CallRate(60, 60_000, this.#clock))
    return rate
  }
}

/** DocuWare counts the calls of an organization, not those of one client: all clients of a process share this. */
export const processWideRates = new CabinetListRates(systemClock)
