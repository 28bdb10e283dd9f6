import { createHmac } from 'node:crypto'
import { demoUser } from './accounts.js'
import type { ClientLogin } from './clients.js'
import type { Demo } from './demo.js'
import { connectorKinds } from './connectors.js'
import { connectionName } from './docuware.js'
import { webhookPath } from './webhooks.js'
import { readAccessToken, serviceToken } from './service-token.js'

/** What the demo says when it has started: addresses, the login, and commands that work as they stand for an hour. */
export async function introduction ({ url, identityServer, docuWare, adminKey, token, clients: { nightShift, legacy }, shopUrl, odooUrl }: Demo): Promise<string> {
  const own = token({ exp: Math.floor(Date.now() / 1000) + 3600 })
  const service = await serviceToken(identityServer)
  const answer = await fetch(`${url}/auth_jwt_demo_cookie/whoami`, { headers: bearer(own) })
  await answer.text()
  const cookie = answer.headers.getSetCookie().at(0)?.split(';', 1).at(0) ?? ''
  const { id, secret } = identityServer.serviceClient
  const programs = await clientToken(url, nightShift, { grant_type: 'client_credentials' })
  const delivery = '{"Event":"DocumentStored"}'
  const signature = createHmac('sha512', docuWare.passphrase).update(delivery).digest('hex')
  const anns = await clientToken(url, legacy, { grant_type: 'password', username: demoUser.email, password: demoUser.password })
  return `
  open this         ${identityServer.signInLink}

It leads to the console, signed in as Ann. "Try it" in README.md says what to do there. Ctrl+C ends the demo, and everything it kept is gone.

  Ann's e-mail      ${demoUser.email}
  Ann's password    ${demoUser.password}
  DocuWare user     ${docuWare.user.username}
  DocuWare password ${docuWare.user.password}
  a shop            ${shopUrl}/
  a token           ${own}

Beside the console: a page that calls the app's routes with one token or another, the identity server, an app that does what Odoo does, and what Ann has allowed:

  page              ${url}/
  identity server   ${identityServer.issuer}
  Odoo's shape      ${odooUrl}/
  consents          ${url}/oauth2/consents

The app's own token (HS256), which works for an hour:

  curl ${url}/auth_jwt_demo/whoami -H 'Authorization: Bearer ${own}'

Nobody's token: refused, and anonymous where the route is public:

  curl -i ${url}/auth_jwt_demo/whoami
  curl ${url}/auth_jwt_demo/whoami-public-or-jwt

The identity server's token (RS256, checked with its key set):

  curl ${url}/auth_jwt_demo/keycloak/whoami -H 'Authorization: Bearer ${service}'

Another one of those:

  curl ${identityServer.tokenUrl} -u '${id}:${secret}' -d grant_type=client_credentials -d scope=whoami

Cookie mode: a token sets the cookie, and the cookie alone will do from then on:

  curl -i ${url}/auth_jwt_demo_cookie/whoami -H 'Authorization: Bearer ${own}'
  curl ${url}/auth_jwt_demo_cookie/whoami -b '${cookie}'

A validator that was created at run time and lives in MongoDB; what it refuses goes on to the first one:

  curl ${url}/auth_jwt_demo/stored/whoami -H 'Authorization: Bearer ${own}'

The connection to a simulated DocuWare, once it is authorized in the console: probe it, and read what the log says of it:

  curl ${url}/docuware/connections/${connectionName}/sync -X POST -H 'X-Demo-Admin: ${adminKey}'
  curl ${url}/docuware_demo/log -H 'X-Demo-Admin: ${adminKey}'

The app is an OAuth 2 provider, too: what it is able to, and the keys of its JWTs:

  curl ${url}/.well-known/oauth-authorization-server
  curl ${url}/oauth2/jwks

A program's token (client_credentials, a JWT): a route of the provider takes it, a validator of the app, and otherinfo:

  curl ${url}/oauth2/token -u '${nightShift.id}:${nightShift.secret}' -d grant_type=client_credentials
  curl ${url}/provider_demo/orders -H 'Authorization: Bearer ${programs}'
  curl ${url}/auth_jwt_demo/provider/whoami -H 'Authorization: Bearer ${programs}'
  curl '${url}/oauth2/otherinfo?model=orders' -H 'Authorization: Bearer ${programs}'

Ann's token, by an old client that asks for her password:

  curl ${url}/oauth2/token -u '${legacy.id}:${legacy.secret}' -d grant_type=password -d username=${demoUser.email} -d password=${demoUser.password}
  curl ${url}/provider_demo/orders -H 'Authorization: Bearer ${anns}'
  curl ${url}/oauth2/tokeninfo -H 'Authorization: Bearer ${anns}'
  curl ${url}/oauth2/userinfo -H 'Authorization: Bearer ${anns}'
  curl ${url}/oauth2/introspect -u '${legacy.id}:${legacy.secret}' -d token=${anns}
  curl ${url}/oauth2/revoke -u '${legacy.id}:${legacy.secret}' -d token=${anns}

The administration, for programs:

  curl ${url}/admin/api/connections -H 'X-Demo-Admin: ${adminKey}'
  curl '${url}/admin/api/log?event=webhook.*' -H 'X-Demo-Admin: ${adminKey}'

Connectors to an API that looks at what proves the caller, one of each kind:

${connectorKinds.filter((kind) => kind !== 'oauth2').map((kind) => `  curl ${url}/connectors_demo/${kind} -H 'X-Demo-Admin: ${adminKey}'`).join('\n')}

The one of the kind oauth2 wants to be authorized first, at the simulated DocuWare:

  open              ${url}/admin/connectors/oauth2

A webhook, signed as DocuWare signs it; with any other signature it is refused:

  curl ${url}${webhookPath} -H 'Content-Type: application/json' -H 'X-DocuWare-Signature: ${signature}' --data-raw '${delivery}'
`
}

async function clientToken (url: string, { id, secret }: ClientLogin, form: Readonly<Record<string, string>>): Promise<string> {
  return await readAccessToken(await fetch(`${url}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
    body: new URLSearchParams(form)
  }))
}

function bearer (token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` }
}
