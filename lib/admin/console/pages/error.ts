import { html } from '../../../http/page.js'
import { isAuthError } from '../../../errors.js'
import { problemOf, refusalOf } from '../../problem.js'
import type { ConsolePage } from '../console-route.js'
import { notice } from '../notices.js'
import { messageOf } from '../problems.js'
import { signInLink } from '../sign-in-link.js'
import type { ConsoleTexts } from '../texts.js'

/** What a person is told of an error, by the same rules as a program. @param back where they came from */
export function errorPage (error: unknown, requestId: string, texts: ConsoleTexts, { back, loginUrl }: { readonly back: string | null, readonly loginUrl: string | null }): ConsolePage & { readonly status: number } {
  const { status, code, detail } = refusalOf(error, requestId) ?? problemOf(error, requestId)
  const title = status === 401 ? texts.nobodyTitle : isAuthError(error, 'DWA_ACCESS_FORBIDDEN') ? texts.noAccessTitle : status === 404 ? texts.missingTitle : texts.problemTitle
  const message = status === 401 ? texts.nobody : status === 404 ? texts.missing : messageOf(code, detail, texts)
  return {
    status,
    title,
    body: html`${notice('bad', message)}<p><code>${code}</code> · <code>${requestId}</code></p>${signInLink(texts, loginUrl)}${back === null ? null : html`<p><a href="${back}">${texts.back(texts.overview)}</a></p>`}`
  }
}
