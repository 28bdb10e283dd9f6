import { html } from '../../../http/page.js'
import { pageQuery } from '../../pages.js'
import type { Resource } from '../../resource.js'
import type { ConsoleRoute } from '../console-route.js'
import { memberAt } from '../field-text.js'
import { hiddenFields } from '../form.js'
import { titleOf } from '../labels.js'
import { givenIn, listPage } from '../list-page.js'
import { operationOf, pageIn, perform } from '../operation-call.js'

/** Signing keys of clients: seen, and followed by new ones. */
export function keyRoutes (keys: Resource): ConsoleRoute[] {
  const roles = ['system']
  const list = operationOf(keys, 'listKeys')
  return [
    {
      method: 'GET',
      path: '/keys',
      roles,
      async run (visit) {
        const { texts, link, csrf } = visit
        const page = pageIn(await perform(visit, list, { query: givenIn(visit.query) }))
        return listPage(visit, {
          resource: 'keys',
          page,
          columns: ['clientName', 'kid', 'algorithm', 'state', 'signsFrom'],
          filters: filtersIn(list.query),
          pathOf: () => null,
          actionsOf: (key) => html`<form method="post" action="${link(`/keys/${encodeURIComponent(String(memberAt(key, 'clientId')))}/rotate`)}">${hiddenFields({ csrf })}<label class="check"><input type="checkbox" name="immediately"> ${texts.immediately}</label><button class="plain">${texts.rotateKey}</button></form>`,
          before: html`<p class="hint">${texts.rotateKeyHint}</p>`,
          canCreate: false
        })
      }
    },
    {
      method: 'POST',
      path: '/keys/:id/rotate',
      roles,
      async run (visit) {
        await perform(visit, operationOf(keys, 'rotateKeyOfClient'), { body: { immediately: visit.form.get('immediately') === 'on' } })
        return { location: visit.link('/keys?done=rotated') }
      }
    }
  ]
}

/** What people have agreed to: seen, and ended. */
export function consentRoutes (consents: Resource): ConsoleRoute[] {
  const roles = ['oauth_provider']
  const list = operationOf(consents, 'listConsents')
  const revoke = operationOf(consents, 'revokeConsent')
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
        return {
          title: `${titleOf(language, 'consents')}: ${texts.revoke}`,
          menu: 'consents',
          body: html`<p><bdi>${String(memberAt(body, 'user'))}</bdi></p><p>${texts.removeWarning}</p><form method="post" action="${link(`/consents/${encodeURIComponent(key)}/revoke`)}" class="actions">${hiddenFields({ csrf })}<button class="danger">${texts.revoke}</button><a class="button plain" href="${link('/consents')}">${texts.cancel}</a></form>`
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

type Filters = NonNullable<Resource['operations'][number]['query']>

function filtersIn (query: Filters = {}): Filters {
  return Object.fromEntries(Object.entries(query).filter(([name]) => !(name in pageQuery)))
}
