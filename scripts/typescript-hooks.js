// Module hooks: outside node_modules, `x.js` may be `./x.ts`, of which esbuild makes JavaScript, once for each state of the source. Types are checked by `npm run typecheck`.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { version } from 'esbuild'

const cache = new URL('../node_modules/.cache/typescript/', import.meta.url)
mkdirSync(cache, { recursive: true })

export async function resolve (specifier, context, next) {
  if (/^(?:\.{0,2}\/|file:).*\.js$/.test(specifier)) {
    const source = new URL(specifier.replace(/js$/, 'ts'), context.parentURL)
    if (!source.pathname.includes('/node_modules/') && existsSync(source)) return { url: source.href, format: 'module', shortCircuit: true }
  }
  return await next(specifier, context)
}

export async function load (url, context, next) {
  const { pathname, search } = new URL(url)
  if (!url.startsWith('file:') || !pathname.endsWith('.ts')) return await next(url, context)
  return { format: 'module', source: await compiled(fileURLToPath(url.slice(0, url.length - search.length))), shortCircuit: true }
}

async function compiled (path) {
  const source = readFileSync(path, 'utf8')
  const kept = new URL(`${createHash('sha256').update(`${version}\n${path}\n${source}`).digest('hex')}.js`, cache)
  if (existsSync(kept)) return readFileSync(kept, 'utf8')
  const { transform } = await import('esbuild')
  const { code } = await transform(source, { loader: 'ts', format: 'esm', target: 'node20.19', sourcefile: path, sourcemap: 'inline', sourcesContent: true })
  const draft = new URL(`${kept.href}.${process.pid}.${performance.now()}`)
  writeFileSync(draft, code)
  renameSync(draft, kept) // other processes see it whole or not at all
  return code
}
