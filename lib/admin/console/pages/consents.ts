import { html, type Html } from '../../../http/page.js'
import { isAuthError } from '../../../errors.js'
import type { OAuthProvider } from '../../../../types/provider.js'
import type { Logger } from '../../../store/logger.js'
import type { Resource } from '../../resource.js'
import type { ConsoleRoute, Visit } from '../console-route.js'
import { memberAt } from '../field-text.js'
import { hiddenFields } from '../form.js'
import { titleOf } from '../labels.js'
import { filtersIn, givenIn, listPage } from '../list-page.js'
import { operationOf, pageIn, perform } from '../operation-call.js'
import { Show } from '../show.js'

/** As much of the app as tells how people and clients are called. */
export interface ConsentParts extends Pick<OAuthProvider, 'displayName'> {
  readonly clients: Pick<OAuthProvider['clients'], 'get'>
  readonly logger: Pick<Logger, 'error'>
}

/** How the person and the client of each consent are shown. */
interface Parties { readonly user: (consent: object | undefined) => Html, readonly client: (consent: object | undefined) => Html }

/** What people have agreed to: seen, and ended. */
export function consentRoutes (consents: Resource, { clients, displayName, logger }: ConsentParts): ConsoleRoute[] {
  const roles = ['oauth_provider']
  const list = operationOf(consents, 'listConsents')
  const revoke = operationOf(consents, 'revokeConsent')

  /** Null for somebody whom the app does not know any more; what it cannot tell is no reason to hide a consent. */
  async function userName (id: string): Promise<string | null> {
    try {
      return await displayName(id)
    } catch (error) {
      if (!isAuthError(error, 'DWA_PROVIDER_OWNER_FAILED')) throw error
      logger.error({ err: error }, 'how a person is called could not be found out')
      return null
    }
  }

  async function partiesOf ({ link }: Visit, of: ReadonlyArray<object | undefined>): Promise<Parties> {
    const users = await namesOf(of.map(userOf), userName)
    const names = await namesOf(of.map(clientOf), async (id) => (await clients.get(id))?.name ?? null)
    return {
      user: (consent) => called(userOf(consent), users.get(userOf(consent)) ?? null),
      client: (consent) => called(clientOf(consent), names.get(clientOf(consent)) ?? null, link(`/clients/${encodeURIComponent(clientOf(consent))}`))
    }
  }

  return [
    {
      method: 'GET',
      path: '/consents',
      roles,
      async run (visit) {
        const page = pageIn(await perform(visit, list, { query: givenIn(visit.query) }))
        return listPage(visit, {
          resource: 'consents',
          page,
          columns: ['user', 'client', 'scopes', 'updatedAt'],
          cells: { ...await partiesOf(visit, page.items) },
          filters: filtersIn(list.query),
          pathOf: () => null,
          actionsOf: (consent) => html`<a class="button plain" href="${visit.link(`/consents/${String(memberAt(consent, 'id'))}/revoke`)}">${visit.texts.revoke}</a>`,
          canCreate: false
        })
      }
    },
    {
      method: 'GET',
      path: '/consents/:id/revoke',
      roles,
      async run (visit) {
        const { texts, language, link, csrf, key } = visit
        const { body } = await perform(visit, operationOf(consents, 'getConsent'))
        const { user, client } = await partiesOf(visit, [body])
        return {
          title: `${titleOf(language, 'consents')}: ${texts.revoke}`,
          menu: 'consents',
          body: html`${new Show(language).definitions([['user', user(body)], ['client', client(body)]])}<p>${texts.removeWarning}</p><form method="post" action="${link(`/consents/${encodeURIComponent(key)}/revoke`)}" class="actions">${hiddenFields({ csrf })}<button class="danger">${texts.revoke}</button><a class="button plain" href="${link('/consents')}">${texts.cancel}</a></form>`
        }
      }
    },
    {
      method: 'POST',
      path: '/consents/:id/revoke',
      roles,
      async run (visit) {
        await perform(visit, revoke)
        return { location: visit.link('/consents?done=revoked') }
      }
    }
  ]
}

function userOf (consent: object | undefined): string {
  return String(memberAt(consent, 'user'))
}

function clientOf (consent: object | undefined): string {
  return String(memberAt(consent, 'client'))
}

/** Names by id, each asked for once. */
async function namesOf (ids: readonly string[], find: (id: string) => Promise<string | null>): Promise<ReadonlyMap<string, string | null>> {
  return new Map(await Promise.all([...new Set(ids)].map(async (id): Promise<[string, string | null]> => [id, await find(id)])))
}

/** A name with its id, which may be all there is. @param address where the named one has a page */
function called (id: string, name: string | null, address?: string): Html {
  if (name === null || name === id) return html`<bdi>${id}</bdi>`
  const shown = html`<bdi>${name}</bdi>`
  return html`${address === undefined ? shown : html`<a href="${address}">${shown}</a>`}<p class="hint">${id}</p>`
}
