import { html } from '../../../http/page.js'
import type { Resource } from '../../resource.js'
import type { ConsoleRoute } from '../console-route.js'
import { memberAt } from '../field-text.js'
import { hiddenFields } from '../form.js'
import { filtersIn, givenIn, listPage } from '../list-page.js'
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
