import { html } from '../../../http/page.js'
import type { ConsolePage } from '../console-route.js'
import { signInLink } from '../sign-in-link.js'
import type { ConsoleTexts } from '../texts.js'

/** Needs no session. */
export function signedOutPage (texts: ConsoleTexts, loginUrl: string | null): ConsolePage {
  return { title: texts.signedOutTitle, body: html`<p>${texts.signedOut}</p>${signInLink(texts, loginUrl)}` }
}
