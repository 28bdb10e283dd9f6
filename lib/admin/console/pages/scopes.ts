import { html, type Html } from '../../../http/page.js'
import type { OAuthProvider } from '../../../../types/provider.js'
import type { AuditLog } from '../../../log/audit-log.js'
import type { ScopeView } from '../../../provider/scope-schema.js'
import { errors } from '../../../errors.js'
import type { ConsoleRoute, Visit } from '../console-route.js'
import { hiddenFields } from '../form.js'
import { pathOf } from '../record-page.js'
import type { RecordSpecial } from '../record-routes.js'
import { json } from '../show.js'

/** As much of `app.oauthProvider` as the preview needs. */
export interface ScopeParts extends Pick<OAuthProvider, 'getData'> {
  readonly scopes: Pick<OAuthProvider['scopes'], 'get'>
  readonly auditLog: Pick<AuditLog, 'append'>
}

const shownRecords = 20

export function scopeSpecial ({ scopes }: ScopeParts): RecordSpecial {
  return {
    columns: ['code', 'name', 'model', 'fields'],
    async extras (visit, { id }) {
      const scope = id === null ? null : await scopes.get(id)
      return { told: [], sections: scope === null ? [] : [previewForm(visit, scope, '')] }
    }
  }
}

/** What a scope shows of a person's data. Whoever looks is in the log. */
export function scopeRoutes ({ scopes, getData, auditLog }: ScopeParts): ConsoleRoute[] {
  return [{
    method: 'POST',
    path: '/scopes/:id/preview',
    roles: ['oauth_provider'],
    async run (visit) {
      const { texts, key, form, note, link } = visit
      const scope = await scopes.get(key)
      if (scope === null) throw new errors.DWA_STORE_NOT_FOUND(`The scope "${key}"`)
      const user = (form.get('user') ?? '').trim()
      const { id, code, model } = scope
      await auditLog.append('scope.previewed', { ...note, target: { type: 'scope', id, name: code }, details: { user } }) // before anything is shown
      const records = model === undefined ? [] : Object.values(await getData({ scopes: [code], userId: user }, model, { limit: shownRecords }))
      return {
        title: `${texts.preview}: ${scope.name}`,
        menu: 'scopes',
        body: html`${previewForm(visit, scope, user)}
<section><h2><bdi>${user}</bdi></h2>${model === undefined
    ? html`<p>${texts.previewNoModel}</p>`
    : records.length === 0 ? html`<p>${texts.previewNothing}</p>` : html`${records.length === shownRecords ? html`<p>${texts.previewFirst(shownRecords)}</p>` : null}${json(records)}`}</section>
<p><a href="${link(pathOf('scopes', scope))}">${texts.back(scope.name)}</a></p>`
      }
    }
  }]
}

function previewForm ({ texts, link, csrf }: Visit, scope: ScopeView, user: string): Html {
  return html`<section><h2>${texts.preview}</h2><p class="hint">${texts.previewHint}</p>
<form method="post" action="${link(`${pathOf('scopes', scope)}/preview`)}" class="filters">${hiddenFields({ csrf })}<div class="field"><label for="user">${texts.previewUser}</label><input type="text" id="user" name="user" required maxlength="200" autocomplete="off" value="${user}"></div><button>${texts.previewButton}</button></form></section>`
}
