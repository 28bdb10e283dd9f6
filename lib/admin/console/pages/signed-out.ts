import { html } from '../../../http/page.js'
import type { ConsolePage } from '../console-route.js'
import { signInLink } from '../sign-in-link.js'
import type { ConsoleTexts } from '../texts.js'

/** Below the console's prefix: where the browser is led that has signed out. */
export const signedOutPath = '/signed-out'

/** Needs no session. */
export function signedOutPage (texts: ConsoleTexts, loginUrl: string | null): ConsolePage {
  return { title: texts.signedOutTitle, body: html`<p>${texts.signedOut}</p>${signInLink(texts, loginUrl)}` }
}
