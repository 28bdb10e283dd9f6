import { findBearer } from './bearer-token.js'
import { platformBase } from './documents.js'
import { html, json, Refusal, type Answer, type Received } from './exchange.js'
import { allow, fileCabinet, fileCabinets } from './file-cabinet-routes.js'
import { loginToken, organization, organizations, userInfo } from './organization.js'
import { platformAnswer, platformFailure } from './platform-answer.js'
import { platformError } from './platform-error.js'
import { RateRule } from './rate-rule.js'
import type { Tenant } from './tenant.js'

/** The platform half. */
export function createPlatform (tenant: Tenant): (received: Received) => Promise<Answer> {
  const fileCabinetsRule = new RateRule()

  const listFileCabinets = (received: Received): Answer => {
    allow(tenant, received, 'GET')
    if (!fileCabinetsRule.allows(tenant.now(), tenant.switches.fileCabinetsPerMinute)) throw platformFailure(tenant, received, 429, 'The number of requests to FileCabinets is limited')
    return fileCabinets(tenant, received)
  }

  const find = async (received: Received): Promise<Answer | null> => {
    const segments = received.path.split('/').filter((segment) => segment !== '')
    const path = segments.join('/').toLowerCase()
    if (path === '') return serviceDescription(tenant, received)
    if (path === 'home/identityserviceinfo') return identityServiceInfo(tenant, received)
    if (path === 'account/logon') throw platformFailure(tenant, received, 410, 'The logon with cookies is no longer available. Use OAuth2.')
    authorise(tenant, received)
    switch (path) {
      case 'organizations':
        allow(tenant, received, 'GET')
        return organizations(tenant, received)
      case 'organization':
        allow(tenant, received, 'GET')
        return organization(tenant, received)
      case 'organization/userinfo':
        allow(tenant, received, 'GET', 'POST')
        return await userInfo(tenant, received)
      case 'organization/logintoken':
        allow(tenant, received, 'POST')
        return await loginToken(tenant, received)
      case 'filecabinets':
        return listFileCabinets(received)
      default:
        return segments[0]?.toLowerCase() === 'filecabinets' ? await fileCabinet(tenant, received, segments.slice(1)) : null
    }
  }

  return async (received) => {
    const answer = received.known ? await find(received) : null
    if (answer === null) throw platformFailure(tenant, received, 404, 'No resource was found that matches the request')
    return answer
  }
}

function serviceDescription (tenant: Tenant, received: Received): Answer {
  allow(tenant, received, 'GET')
  const link = (rel: string, path: string): object => ({ rel, href: platformBase + path })
  return platformAnswer(tenant, received, 'ServiceDescription', { Links: [link('organizations', '/Organizations'), link('filecabinets', '/FileCabinets'), link('identityServiceInfo', '/Home/IdentityServiceInfo')], Resources: [], Version: '7.13.0.0' })
}

function identityServiceInfo (tenant: Tenant, received: Received): Answer {
  allow(tenant, received, 'GET')
  const { identityServiceUrl, refreshTokenSupported } = tenant.switches
  const url = identityServiceUrl === undefined ? tenant.urls().identity : identityServiceUrl
  return platformAnswer(tenant, received, 'IdentityServiceInfo', { ...(url === null ? {} : { IdentityServiceUrl: url }), RefreshTokenSupported: refreshTokenSupported })
}

/** @throws Refusal (401 in the shape that is switched on, 403) */
function authorise (tenant: Tenant, received: Received): void {
  const accessToken = findBearer(tenant, received)
  if (accessToken === null) throw new Refusal(unauthenticated(tenant, received))
  if (tenant.switches.licencesExhausted) throw new Refusal(json(401, platformError(received, 401, `None of the registered licenses are available for client ${tenant.user.username}`)))
  if (!accessToken.scopes.includes('docuware.platform')) throw platformFailure(tenant, received, 403, 'The token does not have the scope docuware.platform')
}

function unauthenticated (tenant: Tenant, received: Received): Answer {
  const headers = { 'www-authenticate': received.incoming.headers.authorization === undefined ? 'Bearer' : 'Bearer error="invalid_token"' }
  if (tenant.switches.unauthenticated === 'json') return json(401, platformError(received, 401, 'Authorization has been denied for this request.'), headers)
  const target = `${tenant.urls().identity}/Account/Login`
  return html(401, `<!DOCTYPE html><html><head><title>Sign in</title><meta http-equiv="refresh" content="0; url=${target}"></head><body><a href="${target}">Sign in</a></body></html>`, headers)
}
