import type { FastifyInstance } from 'fastify'
import type { IdentityServer } from './identity-server.js'
import { pageHeaders, servePageFiles } from './page-files.js'
import { whoAmIRoutes } from './routes.js'

/** Serves the demo's page at `/`, where the identity server also sends people back to. */
export function addDemoPage (app: FastifyInstance, identityServer: IdentityServer): void {
  const policy = `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ${identityServer.issuer}; ` +
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
  const page = renderPage(identityServer)
  app.get('/', async (_request, reply) => reply.headers(pageHeaders(policy)).send(page))
  servePageFiles(app, 'demo.js', 'demo.css', 'icon.svg')
}

function renderPage ({ issuer, pageClient }: IdentityServer): string {
  return `<!doctype html>
<html lang="en" data-issuer="${issuer}" data-client-id="${pageClient.id}" data-redirect-uri="${pageClient.redirectUri}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>fastify-docuware-auth demo</title>
  <link rel="icon" href="/icon.svg">
  <link rel="stylesheet" href="/demo.css">
  <script type="module" src="/demo.js"></script>
</head>
<body>
  <header>
    <h1>fastify-docuware-auth</h1>
    <p class="lead">Sign in, choose a token, call a route. Or open the <a href="/admin">console</a>.</p>
  </header>
  <main>
    <div class="column">
      <section class="card" aria-labelledby="who">
        <h2 id="who">1. Who are you?</h2>
        <p id="identity" role="status">Nobody is signed in.</p>
        <p class="buttons">
          <button id="sign-in" class="primary" type="button">Sign in</button>
          <button id="sign-out" type="button" hidden>Sign out</button>
        </p>
        <p class="hint">Authorization code with PKCE. Tokens stay in this page’s memory: reload it and they are gone.</p>
      </section>
      <section class="card" aria-labelledby="which">
        <h2 id="which">2. Which token?</h2>
        <fieldset>
          <legend class="visually-hidden">Token to send</legend>
          <label><input type="radio" name="token" value="none" checked> <span>None</span></label>
          <label><input type="radio" name="token" value="identity" disabled> <span>The identity server’s <small>RS256</small></span></label>
          <label><input type="radio" name="token" value="own" disabled> <span>The app’s own <small>HS256</small></span></label>
          <label><input type="radio" name="token" value="typed"> <span>This one</span></label>
          <input id="typed" type="text" aria-label="Token to send" value="not.a.token" autocomplete="off" spellcheck="false">
        </fieldset>
      </section>
    </div>
    <div class="column">
      <section class="card" aria-labelledby="where">
        <h2 id="where">3. Which route?</h2>
        <ul class="routes">
${whoAmIRoutes.map(({ url, auth }) => `          <li><button type="button" data-url="${url}"><span>${breakable(url)}</span> <small>${auth}</small></button></li>`).join('\n')}
        </ul>
      </section>
      <section class="card" aria-labelledby="answer-title">
        <h2 id="answer-title">The answer</h2>
        <div id="answer" aria-live="polite">
          <p id="empty" class="hint">Nothing has been called yet.</p>
          <p id="line" hidden><span id="status"></span> <code id="request"></code></p>
          <p id="challenge" class="hint" hidden></p>
          <pre id="body" tabindex="0" aria-label="Body of the answer" hidden></pre>
        </div>
      </section>
    </div>
  </main>
</body>
</html>
`
}

/** Lets a path wrap before its slashes. */
function breakable (path: string): string {
  return path.replaceAll(/(?<=.)\//g, '<wbr>/')
}
