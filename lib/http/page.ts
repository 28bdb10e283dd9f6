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
main { box-sizing: border-box; width: min(30rem, 100%); padding: 2rem 1.5rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
p { margin: 0 0 1rem; overflow-wrap: anywhere; }
button { font: inherit; font-weight: 600; padding: .6rem 1.4rem; border: 0; border-radius: .4rem; background: #14539a; color: #fff; cursor: pointer; }
button:hover { background: #0d3f78; }
button:focus-visible { outline: 3px solid #7db2ee; outline-offset: 2px; }
`

/** A small page of this package's own, and the headers it is sent with: no script, nothing from elsewhere, in no frame, kept by nobody (security.md 12). */
export function renderPage ({ title, body }: { readonly title: string, readonly body: Html }): { readonly page: string, readonly headers: Readonly<Record<string, string>> } {
  const { text } = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>${new Html(style)}</style></head>
<body><main><h1>${title}</h1>
${body}
</main></body>
</html>
`
  return { page: text, headers: pageHeaders }
}

const pageHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; frame-ancestors 'none'`,
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store'
}
