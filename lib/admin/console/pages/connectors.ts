import { html, type Html } from '../../../http/page.js'
import { connectorPatchSchema, connectorSchema, type ConnectorView } from '../../../connectors/connector-schema.js'
import { strategyNames, strategyTypes, type StrategyName } from '../../../connectors/strategy-types.js'
import type { ChangeNote } from '../../../store/managed-records.js'
import type { ConsoleReply, ConsoleRoute, Visit } from '../console-route.js'
import { memberAt } from '../field-text.js'
import { hiddenFields } from '../form.js'
import { labelOf, titleOf } from '../labels.js'
import { failureOf } from '../notices.js'
import { pathOf } from '../record-page.js'
import type { RecordSpecial } from '../record-routes.js'
import type { RecordShape } from '../record-shape.js'
import { Show } from '../show.js'

/** As much of `app.connectors` as the console needs. */
export interface ConnectorParts {
  readonly redirectUri: string | null
  readonly get: (idOrName: string) => Promise<ConnectorView | null>
  readonly revoke: (idOrName: string, note: Pick<ChangeNote, 'actor' | 'requestId' | 'personal'>) => Promise<void>
}

/** The form of a connector follows from how the other side knows the app: that is chosen first, and stays. */
export function connectorSpecial ({ get, redirectUri }: ConnectorParts): RecordSpecial {
  return {
    columns: ['name', 'baseUrl', 'auth.type', 'status', 'hasCredentials'],
    shape: (plain, { form, query }, record) => {
      const type = typeOf(record === null ? form.get('auth.type') ?? query['type'] : memberAt(record, 'auth.type'))
      return type === null ? plain : shapeFor(type)
    },
    choose (visit) {
      const { texts, language, link, query } = visit
      if (typeOf(query['type']) !== null) return null
      return { title: texts.newOf(titleOf(language, 'connectors')), menu: 'connectors', body: html`<p>${texts.chooseType}</p><ul class="cards">${strategyNames.map((name) => html`<li><a href="${link(`/connectors/new?type=${name}`)}">${name}</a></li>`)}</ul>` }
    },
    async extras (visit, record) {
      const connector = await get(String(memberAt(record, 'name')))
      if (connector?.auth.type !== 'oauth2') return { sections: [], told: ['status', 'statusMessage', 'hasAccessToken', 'hasRefreshToken', 'expiresAt'] }
      return {
        sections: [failureOf(visit), grantSection(visit, connector), copySection(visit, connector, redirectUri)],
        told: ['status', 'statusMessage'],
        formTargets: [new URL(String(connector.auth['authorizationUrl'])).protocol]
      }
    }
  }
}

/** What can be done to the grant of an `oauth2` connector. */
export function connectorRoutes ({ revoke }: ConnectorParts): ConsoleRoute[] {
  const route = (action: string, run: (visit: Visit) => Promise<ConsoleReply>): ConsoleRoute => ({ method: 'POST', path: `/connectors/:id/${action}`, roles: ['system'], run })
  return [
    route('authorize', async (visit) => ({ location: await visit.authorizationUrl('connectors', visit.key, `/connectors/${encodeURIComponent(visit.key)}?done=granted`) })),
    route('revoke', async ({ key, note, link }) => {
      await revoke(key, note)
      return { location: link(`/connectors/${encodeURIComponent(key)}?done=revoked`) }
    })
  ]
}

function shapeFor (type: StrategyName): RecordShape {
  const { schema, secrets } = strategyTypes[type]
  const names: readonly string[] = secrets.map((name) => `auth.${name}`)
  const { name, baseUrl, auth: _, ...others } = connectorPatchSchema.properties
  return {
    input: { ...connectorSchema, properties: { ...connectorSchema.properties, auth: schema } },
    patch: { ...connectorPatchSchema, properties: { name, baseUrl, auth: schema, ...others } },
    isSecret: (field) => names.includes(field),
    isStored: (record) => memberAt(record, 'hasCredentials') === true,
    merged: ['auth'],
    fixed: { 'auth.type': type },
    withheld: []
  }
}

function typeOf (value: unknown): StrategyName | null {
  return strategyNames.find((name) => name === value) ?? null
}

function grantSection ({ texts, language, link, csrf }: Visit, connector: ConnectorView): Html {
  const { status, statusMessage } = connector
  const show = new Show(language)
  const action = (name: string, kind: string, text: string): Html => html`<form method="post" action="${link(`${pathOf('connectors', connector)}/${name}`)}">${hiddenFields({ csrf })}<button class="${kind}">${text}</button></form>`
  return html`<section><h2>${texts.state}</h2>${show.definitions([['status', html`${show.value('status', status)} ${statusMessage}`]])}
<div class="actions">${action('authorize', '', texts.authorize)}${connector.hasAccessToken || connector.hasRefreshToken ? action('revoke', 'plain', texts.revoke) : null}</div></section>`
}

function copySection ({ texts, language }: Visit, { auth }: ConnectorView, redirectUri: string | null): Html {
  const show = new Show(language)
  const scopes = auth['scopes']
  return html`<section><h2>${texts.copyThis}</h2><dl><dt>${texts.redirectUri}</dt><dd>${redirectUri === null ? texts.noPublicUrl : show.copyable(texts.redirectUri, redirectUri)}</dd>
${Array.isArray(scopes) ? html`<dt>${texts.scopesText}</dt><dd>${show.copyable(texts.scopesText, scopes.join(' '))}</dd>` : null}
<dt>${labelOf(language, 'clientId')}</dt><dd>${show.copyable(labelOf(language, 'clientId'), String(auth['clientId']))}</dd></dl></section>`
}
