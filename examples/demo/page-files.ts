import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'

/** Found from the package's root, because the compiled demo runs in another folder than its sources. */
const folder = join(dirname(createRequire(import.meta.url).resolve('fastify-docuware-auth/package.json')), 'examples/demo/page')

const types = {
  'demo.js': 'text/javascript; charset=utf-8',
  'demo.css': 'text/css; charset=utf-8',
  'fragment.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml'
} as const

export type PageFile = keyof typeof types

export function pageFile (name: PageFile): { type: string, body: string } {
  return { type: types[name], body: readFileSync(join(folder, name), 'utf8') }
}

/** Serves files at the root of an app. */
export function servePageFiles (app: FastifyInstance, ...names: PageFile[]): void {
  for (const name of names) {
    app.get(`/${name}`, async (_request, reply) => {
      const { type, body } = pageFile(name)
      return reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache' }).type(type).send(body)
    })
  }
}

/** What every page is sent with beside its content security policy. */
export function pageHeaders (policy: string): { [name: string]: string } {
  return { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' }
}

/** The policy of a page with the demo's style. `formTargets` are other origins at which its form may end. */
export function plainPolicy ({ formTargets = [], scripts = false }: { readonly formTargets?: readonly string[], readonly scripts?: boolean } = {}): string {
  return `default-src 'none'; style-src 'self'; img-src 'self'; ${scripts ? 'script-src \'self\'; ' : ''}form-action ${['\'self\'', ...formTargets].join(' ')}; base-uri 'none'; frame-ancestors 'none'`
}
