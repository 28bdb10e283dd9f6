import { html, type Html } from '../../http/page.js'
import type { ConsoleTexts } from './texts.js'

/** What leads to where people sign in. @param loginUrl null: nobody has said where that is */
export function signInLink (texts: ConsoleTexts, loginUrl: string | null): Html | null {
  return loginUrl === null ? null : html`<p><a class="button" href="${loginUrl}">${texts.signIn}</a></p>`
}
