import { createHash } from 'node:crypto'

/** Text that is HTML already. */
export class Html {
  constructor (readonly text: string) {}
}

type Value = string | number | Html | readonly Html[] | null | undefined

/** HTML in which every value is text, unless it is `Html` itself. */
export function html (parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.reduce((page, part, index) => page + show(values[index - 1]) + part))
}

function show (value: Value): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Html) return value.text
  if (typeof value === 'object') return value.map(({ text }) => text).join('')
  return String(value).replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`)
}

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText; }
main { box-sizing: border-box; width: min(34rem, 100%); padding: 2rem 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
p, dl, ul { margin: 0 0 1rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .25rem 1rem; }
dt { opacity: .8; }
dd { margin: 0; font-weight: 600; }
fieldset { min-width: 0; margin: 0 0 1rem; padding: 0; border: 0; }
legend { padding: 0; margin: 0 0 .5rem; font-weight: 600; }
label { display: flex; gap: .75rem; align-items: start; padding: .7rem .8rem; border: 1px solid GrayText; border-radius: .4rem; cursor: pointer; }
label + label { margin-top: .5rem; }
label > span { min-width: 0; overflow-wrap: anywhere; }
label b, label small { display: block; }
label small { font-size: .9rem; }
input[type=checkbox] { flex: none; width: 1.25rem; height: 1.25rem; margin: .15rem 0 0; accent-color: #14539a; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; }
button { font: inherit; font-weight: 600; min-height: 2.75rem; padding: .5rem 1.4rem; border: 1px solid #14539a; border-radius: .4rem; background: #14539a; color: #fff; cursor: pointer; }
button:hover { background: #0d3f78; }
button.plain { background: transparent; border-color: GrayText; color: CanvasText; }
button.plain:hover { border-color: CanvasText; }
:focus-visible, label:has(:focus-visible) { outline: 3px solid #7db2ee; outline-offset: 2px; }
label :focus-visible { outline: 0; }
ul { padding: 0; list-style: none; }
li { padding: 1rem 0; border-top: 1px solid GrayText; }
li h2 { margin: 0 0 .25rem; font-size: 1.1rem; overflow-wrap: anywhere; }
code { font-size: .875rem; }
`

const styleHash = `'sha256-${createHash('sha256').update(style).digest('base64')}'`

export interface Page {
  readonly title: string
  readonly body: Html
  /** A language tag; default `en`. */
  readonly language?: string
  /** Where its forms may lead, redirects after them included, as CSP source expressions beside the page's own origin; default: anywhere. */
  readonly formTargets?: readonly string[]
}

/** A page as it is sent. */
export interface RenderedPage {
  readonly page: string
  readonly headers: Readonly<Record<string, string>>
}

/** A small page of this package's own, and the headers it is sent with: no script, nothing from elsewhere, in no frame, kept by nobody (security.md 12). */
export function renderPage ({ title, body, language = 'en', formTargets }: Page): RenderedPage {
  const { text } = html`<!doctype html>
<html lang="${language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>${new Html(style)}</style></head>
<body><main><h1>${title}</h1>
${body}
</main></body>
</html>
`
  return { page: text, headers: pageHeaders(`style-src ${styleHash}`, formTargets) }
}

/** A page that the app wrote, with the same headers, but styles and images of its own origin. */
export function foreignPage (page: string, formTargets: readonly string[]): RenderedPage {
  return { page, headers: pageHeaders('style-src \'self\'; img-src \'self\'', formTargets) }
}

/** @param sources directives of the content security policy that let something in */
export function pageHeaders (sources: string, formTargets?: readonly string[]): RenderedPage['headers'] {
  const formAction = formTargets === undefined ? '' : ` form-action ${["'self'", ...formTargets].join(' ')};`
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; ${sources};${formAction} base-uri 'none'; frame-ancestors 'none'`,
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store'
  }
}
