import { demoUser } from './accounts.js'
import type { Demo } from './demo.js'
import { connectionName } from './docuware.js'
import { serviceToken } from './service-token.js'

/** What the demo says when it has started: addresses, the login, and commands that work as they stand for an hour. */
export async function introduction ({ url, identityServer, docuWare, adminKey, token }: Demo): Promise<string> {
  const own = token({ exp: Math.floor(Date.now() / 1000) + 3600 })
  const service = await serviceToken(identityServer)
  const answer = await fetch(`${url}/auth_jwt_demo_cookie/whoami`, { headers: bearer(own) })
  await answer.text()
  const cookie = answer.headers.getSetCookie().at(0)?.split(';', 1).at(0) ?? ''
  const { id, secret } = identityServer.serviceClient
  return `
The demo is running. Ctrl+C ends it, and everything it kept is gone.
(oidc-provider's warnings are about servers in production.)

  page              ${url}/
  identity server   ${identityServer.issuer}
  sign in as        ${demoUser.email}
  password          ${demoUser.password}

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

A connection to a simulated DocuWare. Authorize it in a browser, and see who you are there:

  open              ${url}/docuware_demo/connect?key=${adminKey}
  sign in as        ${docuWare.user.username}
  password          ${docuWare.user.password}

Probe it, and read what the log says of it:

  curl ${url}/docuware/connections/${connectionName}/sync -X POST -H 'X-Demo-Admin: ${adminKey}'
  curl ${url}/docuware_demo/log -H 'X-Demo-Admin: ${adminKey}'
`
}

function bearer (token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` }
}
