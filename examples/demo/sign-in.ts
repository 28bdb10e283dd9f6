import type { IncomingMessage, ServerResponse } from 'node:http'
import type Provider from 'oidc-provider'
import { signIn } from './accounts.js'
import { renderSignIn } from './sign-in-page.js'
import { pageFile, pageHeaders, plainPolicy } from './page-files.js'

export interface SignInOptions {
  /** Where the sign-in ends: the form's redirects must be allowed to go there. */
  readonly appUrl: string
  readonly resource: { readonly indicator: string, readonly scope: string }
}

/** The identity server's request listener: its sign-in page in front, oidc-provider for everything else. */
export function addSignIn (provider: Provider, { appUrl, resource }: SignInOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const answer = provider.callback()

  async function showForm (response: ServerResponse, status: number, mistaken: boolean): Promise<void> {
    response.writeHead(status, pageHeaders(plainPolicy({ formTargets: [appUrl] }))).end(renderSignIn({ whose: 'identity server', mistaken }))
  }

  async function submit (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await readText(request))
    const accountId = signIn(form.get('email') ?? '', form.get('password') ?? '')
    if (accountId === null) return await showForm(response, 401, true)
    const { params } = await provider.interactionDetails(request, response)
    const grant = new provider.Grant({ accountId, clientId: params.client_id ?? '' })
    grant.addOIDCScope('openid email profile')
    grant.addResourceScope(resource.indicator, resource.scope)
    // The demo's page belongs to the identity server's own company: nobody is asked for consent.
    await provider.interactionFinished(request, response, { login: { accountId }, consent: { grantId: await grant.save() } })
  }

  async function serve (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?', 1).at(0) ?? ''
    if (path === '/demo.css' || path === '/icon.svg') {
      const { type, body } = pageFile(path === '/demo.css' ? 'demo.css' : 'icon.svg')
      response.writeHead(200, { 'content-type': type }).end(body)
    } else if (!path.startsWith('/sign-in/')) {
      await answer(request, response)
    } else if (request.method === 'POST') {
      await submit(request, response)
    } else {
      await provider.interactionDetails(request, response)
      await showForm(response, 200, false)
    }
  }

  return (request, response) => {
    serve(request, response).catch(() => {
      if (!response.headersSent) response.writeHead(400, { 'content-type': 'text/plain' })
      response.end('This sign-in has ended. Go back to the demo and start again.\n')
    })
  }
}

async function readText (request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) {
    text += String(chunk)
    if (text.length > 10_000) throw new Error('the form is too large')
  }
  return text
}
