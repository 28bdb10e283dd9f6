import { createHash } from 'node:crypto'
import { Html, html, pageHeaders, type RenderedPage } from '../../http/page.js'
import type { PageLanguage } from '../../http/page-language.js'
import type { ConsolePage } from './console-route.js'
import { titleOf } from './labels.js'
import { scriptPath } from './script.js'
import { consoleStyle } from './style.js'
import type { ConsoleTexts } from './texts.js'

const digest = (text: string): string => createHash('sha256').update(text).digest('base64')
const policy = `style-src 'sha256-${digest(consoleStyle)}'; script-src 'self'; connect-src 'self'`

/** What all pages have around them. */
export interface Frame {
  readonly language: PageLanguage
  readonly texts: ConsoleTexts
  /** The address of a path of the console. */
  readonly link: (path: string) => string
  /** The entries of the menu beside the overview: what the person may see. Empty for nobody. */
  readonly menu: readonly string[]
  /** How the person is called; null for nobody. */
  readonly person: string | null
  /** Where a form signs them out; null where the app looks after that itself. */
  readonly signOut: { readonly action: string, readonly returnTo: string } | null
}

/** A page of the console as it is sent: a script of its own origin alone, nothing from elsewhere, in no frame, kept by nobody (security.md 12). */
export function renderConsole ({ title, body, menu: current, formTargets = [] }: ConsolePage, { language, texts, link, menu, person, signOut }: Frame): RenderedPage {
  const entry = (path: string, text: string, isCurrent: boolean): Html => html`<li><a href="${link(path)}"${isCurrent ? new Html(' aria-current="page"') : null}>${text}</a></li>`
  const { text } = html`<!doctype html>
<html lang="${language}" data-label-copy="${texts.copy}" data-label-copied="${texts.copied}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title} – ${texts.product}</title><style>${new Html(consoleStyle)}</style><script src="${link(scriptPath)}" defer></script></head>
<body><a class="skip" href="#content">${texts.skip}</a>
<header><p class="product">${texts.product}</p>${person === null ? null : html`<p>${texts.signedInAs(person)}</p>`}${signOut === null ? null : html`<form method="post" action="${signOut.action}"><input type="hidden" name="returnTo" value="${signOut.returnTo}"><button class="plain">${texts.signOut}</button></form>`}</header>
<div class="frame">${person === null
  ? null
  : html`<nav aria-label="${texts.menu}"><ul>${entry('', texts.overview, current === undefined)}${menu.map((name) => entry(`/${name}`, titleOf(language, name), name === current))}</ul></nav>`}
<main id="content" tabindex="-1"><h1>${title}</h1>
${body}
</main></div></body>
</html>
`
  return { page: text, headers: pageHeaders(policy, formTargets) }
}
