import { html, renderPage } from '../http/page.js'
import type { ConnectionView } from './connection-schema.js'

type Page = ReturnType<typeof renderPage>

/** Asks a person to begin an authorization: a link alone begins none. */
export function authorizePage ({ name, platformUrl, account }: ConnectionView, returnTo: string | undefined): Page {
  return renderPage({
    title: `Connect ${name} to DocuWare`,
    body: html`<p>You will sign in at DocuWare (${new URL(platformUrl).host}) and come back here. This app then acts there in your name.</p>
${account?.username === undefined ? html`` : html`<p>It is connected as ${account.username} now.</p>`}
<form method="post">${returnTo === undefined ? html`` : html`<input type="hidden" name="returnTo" value="${returnTo}">`}<button type="submit">Authorize</button></form>`
  })
}

export function connectedPage ({ name }: { readonly name: string }): Page {
  return renderPage({ title: `${name} is connected`, body: html`<p>You can close this window.</p>` })
}

export function failedPage (message: string): Page {
  return renderPage({ title: 'The connection was not authorized', body: html`<p>${message}</p>` })
}
