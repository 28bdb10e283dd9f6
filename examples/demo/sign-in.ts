import type { IncomingMessage, ServerResponse } from 'node:http'
import type Provider from 'oidc-provider'
import { demoUser, signIn } from './accounts.js'
import { cookieOf } from './cookies.js'
import { renderSignIn } from './sign-in-page.js'
import { pageFile, pageHeaders, plainPolicy } from './page-files.js'
import { isSame } from './same-text.js'

export interface SignInOptions {
  /** Where the sign-in ends: the form's redirects must be allowed to go there. */
  readonly appUrl: string
  readonly resource: { readonly indicator: string, readonly scope: string }
  /** Whoever opens `/open?key=<key>` is taken for Ann at the next sign-in, within a minute, and led to `leadsTo`. */
  readonly link: { readonly key: string, readonly leadsTo: string }
}

const linkCookie = 'demo_link'

/** The identity server's request listener: its sign-in page in front, oidc-provider for everything else. */
export function addSignIn (provider: Provider, { appUrl, resource, link }: SignInOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const answer = provider.callback()

  async function showForm (response: ServerResponse, status: number, mistaken: boolean): Promise<void> {
    response.writeHead(status, pageHeaders(plainPolicy({ formTargets: [appUrl] }))).end(renderSignIn({ whose: 'identity server', mistaken }))
  }

  async function submit (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await readText(request))
    const accountId = signIn(form.get('email') ?? '', form.get('password') ?? '')
    if (accountId === null) await showForm(response, 401, true)
    else await finish(request, response, accountId)
  }

  async function finish (request: IncomingMessage, response: ServerResponse, accountId: string): Promise<void> {
    const { params } = await provider.interactionDetails(request, response)
    const grant = new provider.Grant({ accountId, clientId: params.client_id ?? '' })
    grant.addOIDCScope('openid email profile')
    grant.addResourceScope(resource.indicator, resource.scope)
    // The demo's page belongs to the identity server's own company: nobody is asked for consent.
    await provider.interactionFinished(request, response, { login: { accountId }, consent: { grantId: await grant.save() } })
  }

  /** The link that the demo prints. */
  function openLink (response: ServerResponse, key: string): void {
    if (isSame(key, link.key)) response.writeHead(303, { location: link.leadsTo, 'set-cookie': cookieFor(key, 60), 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }).end()
    else response.writeHead(403, { 'content-type': 'text/plain' }).end('Take the link that the demo printed.\n')
  }

  async function serve (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams } = new URL(request.url ?? '', 'http://localhost')
    if (path === '/open') {
      openLink(response, searchParams.get('key') ?? '')
    } else if (path === '/demo.css' || path === '/icon.svg') {
      const { type, body } = pageFile(path === '/demo.css' ? 'demo.css' : 'icon.svg')
      response.writeHead(200, { 'content-type': type }).end(body)
    } else if (!path.startsWith('/sign-in/')) {
      await answer(request, response)
    } else if (request.method === 'POST') {
      await submit(request, response)
    } else if (isSame(cookieOf(request.headers.cookie, linkCookie) ?? '', link.key)) {
      response.setHeader('set-cookie', cookieFor('', 0))
      await finish(request, response, demoUser.id)
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

function cookieFor (value: string, seconds: number): string {
  return `${linkCookie}=${value}; Path=/sign-in; Max-Age=${seconds}; HttpOnly; SameSite=Lax`
}

async function readText (request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) {
    text += String(chunk)
    if (text.length > 10_000) throw new Error('the form is too large')
  }
  return text
}
