import formbody from '@fastify/formbody'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { signIn } from './accounts.js'
import { cookieOf } from './cookies.js'
import { pageHeaders, plainPolicy } from './page-files.js'
import { freshSecret } from './secrets.js'
import { renderSignIn } from './sign-in-page.js'

const cookieName = 'demo_session'

/** Who is signed in to the app itself, by cookie. An app of your own has this already. */
export class Sessions {
  readonly #emails = new Map<string, string>()

  /** Returns the new session's cookie. The demo is http on loopback; anywhere else the cookie is `Secure`. */
  begin (email: string): string {
    const id = freshSecret()
    this.#emails.set(id, email)
    return `${cookieName}=${id}; Path=/; HttpOnly; SameSite=Lax`
  }

  /** The e-mail address of whoever is signed in. */
  emailOf (cookieHeader: string | undefined): string | null {
    return this.#emails.get(cookieOf(cookieHeader, cookieName) ?? '') ?? null
  }
}

export interface SignInOptions {
  /** The app. */
  readonly url: string
  /** Where a sign-in may end: browsers hold a form responsible for every redirect that follows it. */
  readonly clientUrls: readonly string[]
}

/** The app's own sign-in form, at `/sign-in?next=…`. */
export async function addSessionRoutes (app: FastifyInstance, sessions: Sessions, { url, clientUrls }: SignInOptions): Promise<void> {
  const headers = pageHeaders(plainPolicy({ formTargets: clientUrls }))
  const show = (reply: FastifyReply, mistaken: boolean): FastifyReply => reply.headers(headers).send(renderSignIn({ whose: 'app', mistaken }))
  const text = { type: 'string', maxLength: 1000 } as const
  const schema = { body: { type: 'object', required: ['email', 'password'], properties: { email: text, password: text } } } as const

  await app.register(async (scope) => {
    await scope.register(formbody)
    scope.get('/sign-in', async (_request, reply) => show(reply, false))
    scope.post<{ Querystring: { next?: string }, Body: { email: string, password: string } }>('/sign-in', { schema }, async (request, reply) => {
      const { body: { email, password }, query: { next = '/' }, headers: { 'sec-fetch-site': site = 'same-origin' } } = request
      if (site !== 'same-origin') return await reply.code(403).send({ message: 'This form is for the app\'s own page' })
      if (signIn(email, password) === null) return show(reply.code(401), true)
      return await reply.header('set-cookie', sessions.begin(email.trim().toLowerCase())).redirect(ownAddress(next, url), 303)
    })
  })
}

/** Nothing but an address of this app: a sign-in page must not send people wherever a link says. */
function ownAddress (next: string, url: string): string {
  const target = URL.canParse(next, url) ? new URL(next, url) : null
  return target?.origin === url ? target.href : `${url}/`
}
