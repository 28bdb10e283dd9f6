export interface NarrowPage {
  readonly title: string
  /** HTML. */
  readonly body: string
  /** The path of a script. */
  readonly script?: string
}

/** A page of one column: forms, and what the client apps show. */
export function renderNarrowPage ({ title, body, script }: NarrowPage): string {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${escapeHtml(title)}</title>
  <link rel="icon" href="/icon.svg">
  <link rel="stylesheet" href="/demo.css">
${script === undefined ? '' : `  <script type="module" src="${script}"></script>\n`}</head>
<body class="narrow">
  <main>
${body}
  </main>
</body>
</html>
`
}

/** Text as HTML shows it. */
export function escapeHtml (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
