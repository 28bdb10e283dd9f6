import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Found from the package's root, because the compiled demo runs in another folder than its sources. */
const folder = join(dirname(createRequire(import.meta.url).resolve('fastify-docuware-auth/package.json')), 'examples/demo/page')

const types = { 'demo.js': 'text/javascript; charset=utf-8', 'demo.css': 'text/css; charset=utf-8', 'icon.svg': 'image/svg+xml' } as const

export type PageFile = keyof typeof types

export const pageFileNames: readonly PageFile[] = ['demo.js', 'demo.css', 'icon.svg']

export function pageFile (name: PageFile): { type: string, body: string } {
  return { type: types[name], body: readFileSync(join(folder, name), 'utf8') }
}

/** What every page is sent with beside its content security policy. */
export function pageHeaders (policy: string): { [name: string]: string } {
  return { 'content-security-policy': policy, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' }
}
