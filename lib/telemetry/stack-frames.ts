import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const root = packageRoot(import.meta.url)
const own = /^(?:dist|lib|plugins|types)\/|^(?:index|connectors|cli)\.ts$/
/** Of a stack's text so many characters are looked at, and so many frames. */
const maxStack = 20_000
const maxFrames = 50

/** One call of a stack, without the machine's folders. */
export interface StackFrame {
  readonly function: string
  /** `fastify-docuware-auth/lib/…`, `mongoose/lib/…`, `node:fs`; of any other file its name. */
  readonly file: string
  readonly line: number
  readonly column: number
  /** Whether it is this package's code. */
  readonly own: boolean
}

/** The calls an error's stack tells of, the throwing one first. What its message says is not taken for one. */
export function framesOf ({ stack, message }: Error): StackFrame[] {
  if (typeof stack !== 'string' || typeof message !== 'string') return []
  const start = stack.indexOf(message) + message.length
  return stack.slice(start, start + maxStack).split('\n').slice(0, maxFrames).flatMap((line) => readFrame(line) ?? [])
}

function readFrame (line: string): StackFrame | null {
  if (!line.startsWith('    at ')) return null
  const call = line.slice('    at '.length).replace(/^async /, '')
  const paren = call.endsWith(')') ? call.indexOf(' (') : -1
  const place = /^(.{1,1000}):(\d{1,9}):(\d{1,9})$/.exec(paren === -1 ? call : call.slice(paren + 2, -1))
  if (place === null) return null
  const [, file = '', row = '', column = ''] = place
  return { function: paren === -1 ? '?' : call.slice(0, paren), line: Number(row), column: Number(column), ...locate(file) }
}

function locate (file: string): Pick<StackFrame, 'file' | 'own'> {
  if (file.startsWith('node:')) return { file, own: false }
  const isUrl = file.startsWith('file://')
  const path = isUrl ? file.slice('file://'.length) : file.replaceAll('\\', '/')
  const installed = path.lastIndexOf('/node_modules/')
  const home = root?.[isUrl ? 'url' : 'path']
  if (home !== undefined && path.startsWith(home) && installed < home.length - 1) {
    const inside = path.slice(home.length)
    return { file: `fastify-docuware-auth/${inside}`, own: own.test(inside) }
  }
  return { file: installed === -1 ? path.slice(path.lastIndexOf('/') + 1) : path.slice(installed + '/node_modules/'.length), own: false }
}

/** This package's folder with a slash behind it, as a path and as that of a `file:` URL; null in an app that bundles it, whose frames are all the app's. @param moduleUrl of a module of this package */
export function packageRoot (moduleUrl: string): { readonly path: string, readonly url: string } | null {
  try {
    const file = createRequire(moduleUrl).resolve('fastify-docuware-auth/package.json')
    const folder = (path: string): string => path.slice(0, -'package.json'.length)
    return { path: folder(file.replaceAll('\\', '/')), url: folder(pathToFileURL(file).pathname) }
  } catch {
    return null // resolving does nothing else that could fail
  }
}
