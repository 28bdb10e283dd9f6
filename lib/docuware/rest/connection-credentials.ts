import type { Credentials } from '../../connectors/credentials.js'
import type { Call } from '../../connectors/exchange.js'
import type { Bearer, BearerAccess } from '../bearer-access.js'
import type { CabinetListRates } from './cabinet-list-rates.js'
import { Credential } from './credential.js'

/** A stored connection as the strategy of a connector: its platform and its tokens, renewed once when they are refused. */
export function connectionCredentials (access: BearerAccess, rates: CabinetListRates): Credentials<Bearer> {
  let known: Credential | null = null
  const credentialOf = (bearer: Bearer): Credential => {
    if (known?.bearer !== bearer) known = new Credential(bearer)
    return known
  }
  return {
    current: () => access.current(),
    ready ({ path, query, headers, body }: Call<unknown>, bearer) {
      const credential = credentialOf(bearer)
      const { platform } = credential
      const url = platform.resolve(path, query)
      return {
        url,
        body,
        headers: credential.headers(headers),
        target: platform,
        secrets: credential.secrets,
        rate: platform.listsCabinets(url) ? rates.of(`${platform.origin} ${bearer.organization ?? ''}`) : null
      }
    },
    renew: async (refused) => await access.renew(refused),
    rejected: (renewed) => { access.rejected?.(renewed) }
  }
}
