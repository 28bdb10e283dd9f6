import { html, renderPage, type RenderedPage } from '../http/page.js'

/** Whom an authorization is for, as people read it. */
export interface AuthorizationSubject {
  readonly name: string
  /** What it will be connected to: `DocuWare`. */
  readonly peer: string
  /** The host where they sign in. */
  readonly host: string
  /** As whom it is connected now. */
  readonly username?: string | undefined
}

/** Asks a person to begin an authorization: a link alone begins none. */
export function authorizePage ({ name, peer, host, username }: AuthorizationSubject, returnTo: string | null): RenderedPage {
  return renderPage({
    title: `Connect ${name} to ${peer}`,
    body: html`<p>You will sign in at ${peer}${peer === host ? '' : ` (${host})`} and come back here. This app then acts there in your name.</p>
${username === undefined ? html`` : html`<p>It is connected as ${username} now.</p>`}
<form method="post">${returnTo === null ? html`` : html`<input type="hidden" name="returnTo" value="${returnTo}">`}<button type="submit">Authorize</button></form>`
  })
}

export function connectedPage ({ name }: { readonly name: string }): RenderedPage {
  return renderPage({ title: `${name} is connected`, body: html`<p>You can close this window.</p>` })
}

export function failedPage (message: string): RenderedPage {
  return renderPage({ title: 'The connection was not authorized', body: html`<p>${message}</p>` })
}
