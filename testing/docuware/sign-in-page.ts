import { html, type Answer } from './exchange.js'

/** What the sign-in page shows. */
export interface SignInPage {
  readonly organization: string
  readonly clientId: string
  readonly redirectUri: string
  readonly scopes: readonly string[]
  /** Whether a login has just failed. */
  readonly mistaken: boolean
}

const headers = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-frame-options': 'DENY', 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'" }

/** The sign-in form. It posts to its own address and works without scripts. */
export function renderSignIn ({ organization, clientId, redirectUri, scopes, mistaken }: SignInPage): Answer {
  return html(200, page(`Sign in · ${organization}`, `
    <p class="brand">DocuWare simulator</p>
    <h1>Sign in to ${escapeHtml(organization)}</h1>
    <form method="post">
      ${mistaken ? '<p role="alert">The user name or the password is wrong.</p>' : ''}
      <label for="username">User name</label>
      <input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus>
      <label for="password">Password</label>
      <input id="password" name="password" type="password" autocomplete="current-password" required>
      <div class="buttons">
        <button name="decision" value="allow">Sign in</button>
        <button name="decision" value="deny" class="plain" formnovalidate>Cancel</button>
      </div>
    </form>
    <dl>
      <dt>App</dt><dd>${escapeHtml(clientId)}</dd>
      <dt>Leads back to</dt><dd>${escapeHtml(new URL(redirectUri).host)}</dd>
      <dt>Asks for</dt><dd>${scopes.map((scope) => `<code>${escapeHtml(scope)}</code>`).join(' ')}</dd>
    </dl>`), headers)
}

/** A page that says one thing. Nothing of the request is on it. */
export function renderMessage (status: number, title: string, message: string): Answer {
  return html(status, page(title, `
    <p class="brand">DocuWare simulator</p>
    <h1>${escapeHtml(title)}</h1>
    <p>${escapeHtml(message)}</p>`), headers)
}

function page (title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${escapeHtml(title)}</title>
  <style>${style}</style>
</head>
<body>
  <main>${content}
  </main>
</body>
</html>
`
}

const style = `
    :root { color-scheme: light dark; --ink: #1d2733; --soft: #55616e; --line: #c9d1d9; --card: #fff; --ground: #f3f5f7; --blue: #0b5cad; --red: #a4161a; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e8edf2; --soft: #a5b0bc; --line: #44505c; --card: #1c242c; --ground: #12181e; --blue: #2f7fd0; --red: #ff8a8a; } }
    * { box-sizing: border-box; }
    body { margin: 0; padding: 1rem; min-height: 100vh; display: grid; place-items: center; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
    main { width: 100%; max-width: 26rem; padding: 1.75rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
    .brand { margin: 0; color: var(--soft); font-size: .875rem; }
    h1 { margin: .125rem 0 1.25rem; font-size: 1.375rem; line-height: 1.25; overflow-wrap: anywhere; }
    label { display: block; margin-top: .875rem; font-weight: 600; }
    input { width: 100%; margin-top: .25rem; padding: .5rem .625rem; font: inherit; color: inherit; background: transparent; border: 1px solid var(--soft); border-radius: .25rem; }
    .buttons { display: flex; gap: .75rem; margin-top: 1.25rem; }
    button { flex: 1; padding: .5625rem 1rem; font: inherit; font-weight: 600; color: #fff; background: #0b5cad; border: 1px solid #0b5cad; border-radius: .25rem; cursor: pointer; }
    button.plain { color: inherit; background: transparent; border-color: var(--soft); }
    :focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
    [role=alert] { margin: 0; padding: .5rem .75rem; color: var(--red); border: 1px solid currentColor; border-radius: .25rem; }
    dl { margin: 1.5rem 0 0; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .875rem; }
    dt { color: var(--soft); }
    dd { margin: 0 0 .5rem; overflow-wrap: anywhere; }
    dd:last-child { margin-bottom: 0; }
  `

function escapeHtml (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
