import { html, renderPage, type RenderedPage } from '../http/page.js'

export function signedOutPage (loginUrl: string): RenderedPage {
  return renderPage({ title: 'You are signed out', body: html`<p><a href="${loginUrl}">Sign in again</a></p>` })
}

export function refusedPage (message: string, loginUrl: string): RenderedPage {
  return renderPage({ title: 'You are not signed in', body: html`<p>${message}</p><p><a href="${loginUrl}">Begin again</a></p>` })
}
