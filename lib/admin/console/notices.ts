import { html, type Html } from '../../http/page.js'
import { doneOf, type Visit } from './console-route.js'

/** Something that went well, or did not. */
export function notice (kind: 'good' | 'bad' | 'plain', text: Html | string): Html {
  return html`<div class="notice ${kind}" role="${kind === 'bad' ? 'alert' : 'status'}"><p>${text}</p></div>`
}

/** What was done before the browser came here. */
export function noticeOf (visit: Pick<Visit, 'query' | 'texts'>): Html | null {
  const done = doneOf(visit)
  return done === null ? null : notice('good', done)
}

/** The browser comes back from an authorization that failed with `error=…` in the address. */
export function failureOf ({ query, texts }: Pick<Visit, 'query' | 'texts'>): Html {
  const { error } = query
  return typeof error === 'string' && error !== '' ? notice('bad', html`${texts.authorizeFailed} <code>${error.slice(0, 100)}</code>`) : html``
}
