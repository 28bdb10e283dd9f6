import { html, type Html } from '../../../http/page.js'
import type { Clients } from '../../../provider/clients.js'
import type { ClientView } from '../../../provider/client-schema.js'
import type { Metadata } from '../../../provider/metadata.js'
import type { Changed } from '../../resource.js'
import type { ConsolePage, ConsoleRoute, Visit } from '../console-route.js'
import { memberAt } from '../field-text.js'
import { hiddenFields } from '../form.js'
import { labelOf } from '../labels.js'
import { notice } from '../notices.js'
import { pathOf } from '../record-page.js'
import { nameOf } from '../record-shape.js'
import type { RecordSpecial } from '../record-routes.js'
import { Show } from '../show.js'

/** As much of `app.oauthProvider` as the pages of clients need. */
export interface ClientParts {
  readonly clients: Pick<Clients, 'get' | 'rotateSecret' | 'dropSecret'>
  readonly metadata: () => Promise<Metadata>
}

/** What the page of a client has: what to copy into it, and its secrets, which are shown once when they are new. */
export function clientSpecial ({ clients, metadata }: ClientParts): RecordSpecial {
  return {
    columns: ['name', 'clientId', 'applicationType', 'enabled'],
    created: secretPage,
    shape: (plain, { person }, record) => person.roles.includes('system') ? plain : { ...plain, withheld: hasKeys(record) ? ['jwtPrivateKey', 'jwtAlgorithm'] : ['jwtPrivateKey'] },
    async extras (visit, { id }) {
      const client = id === null ? null : await clients.get(id)
      if (client === null) return { sections: [], told: [] }
      return { told: ['clientId', 'redirectUris', 'scopes', 'clientSecrets', 'hasClientSecret'], sections: [copySection(visit, client, await metadata()), secretsSection(visit, client)] }
    }
  }
}

/** What can be done to a client's secrets. */
export function clientRoutes ({ clients }: ClientParts): ConsoleRoute[] {
  const roles = ['oauth_provider']
  return [
    {
      method: 'POST',
      path: '/clients/:id/rotate-secret',
      roles,
      async run (visit) {
        const { client, clientSecret } = await clients.rotateSecret(visit.key, visit.note)
        return secretPage(visit, { view: client, once: { clientSecret } })
      }
    },
    {
      method: 'POST',
      path: '/clients/:id/drop-secret',
      roles,
      async run (visit) {
        const secretId = visit.form.get('secretId')
        await clients.dropSecret(visit.key, { ...visit.note, ...(secretId === undefined ? {} : { secretId }) })
        return { location: visit.link(`/clients/${encodeURIComponent(visit.key)}?done=saved`) }
      }
    }
  ]
}

/** Whether a client signs JWTs already: its keys are the system's. */
function hasKeys (record: object | null): boolean {
  const keys = record === null ? [] : memberAt(record, 'keys')
  return Array.isArray(keys) && keys.length > 0
}

/** A secret that was just made: shown on this page, and never again. */
function secretPage (visit: Visit, { view, once = {} }: Changed): ConsolePage {
  const { texts, language, link } = visit
  const { clientSecret } = once
  const show = new Show(language)
  const label = labelOf(language, 'clientSecret')
  return {
    title: nameOf(view),
    menu: 'clients',
    body: html`${notice('good', texts.done.saved)}
<section><h2>${label}</h2>${typeof clientSecret === 'string' ? html`<p><strong>${texts.secretOnce}</strong></p><p>${show.copyable(label, clientSecret)}</p>` : html`<p>${texts.none}</p>`}
<dl><dt>${labelOf(language, 'clientId')}</dt><dd>${show.copyable(labelOf(language, 'clientId'), String(memberAt(view, 'clientId')))}</dd></dl></section>
<p><a class="button" href="${link(pathOf('clients', view))}">${texts.back(nameOf(view))}</a></p>`
  }
}

function copySection ({ texts, language }: Visit, { clientId, redirectUris, scopes }: ClientView, metadata: Metadata): Html {
  const show = new Show(language)
  const endpoints = Object.entries(metadata).filter((entry): entry is [string, string] => typeof entry[1] === 'string' && (entry[0] === 'issuer' || /(_endpoint|_uri)$/.test(entry[0])))
  const lines: ReadonlyArray<readonly [string, string]> = [
    ['clientId', clientId],
    ...scopes.length === 0 ? [] : [['scopes', scopes.join(' ')] as const],
    ...endpoints,
    ...redirectUris.map((uri) => [texts.redirectUri, uri] as const)
  ]
  return html`<section><h2>${texts.copyThis}</h2><dl>${lines.map(([name, text]) => {
    const label = name === texts.redirectUri ? name : labelOf(language, name)
    return html`<dt>${label}</dt><dd>${show.copyable(label, text)}</dd>`
  })}</dl></section>`
}

function secretsSection (visit: Visit, client: ClientView): Html {
  const { texts, language, link, csrf } = visit
  if (!client.confidential) return html``
  const show = new Show(language)
  const path = pathOf('clients', client)
  const { clientSecrets } = client
  return html`<section><h2>${texts.secretsOf}</h2><ul>${clientSecrets.map(({ id, createdAt }, index) => html`<li>${texts.secretFrom(show.timeText(createdAt))}${index === clientSecrets.length - 1 ? html` (${texts.newestSecret})` : null}${clientSecrets.length > 1
    ? html` <form method="post" action="${link(`${path}/drop-secret`)}">${hiddenFields({ csrf, secretId: id })}<button class="plain" aria-label="${texts.dropSecret}: ${texts.secretFrom(show.timeText(createdAt))}">${texts.dropSecret}</button></form>`
    : null}</li>`)}</ul>
<form method="post" action="${link(`${path}/rotate-secret`)}">${hiddenFields({ csrf })}<button class="plain">${texts.rotateSecret}</button></form><p class="hint">${texts.rotateSecretHint}</p></section>`
}
