import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { store, type StoreOptions } from '../plugins/store.js'
import type { RecordKind } from '../lib/store/record-collection.js'

/** A master key for tests. */
export const masterKey = Buffer.alloc(32, 1).toString('base64')
export const otherMasterKey = Buffer.alloc(32, 2).toString('base64')

/** Records for tests. */
export interface Thing { name: string, colour?: string, size?: number, tags?: string[], active?: boolean, shape?: Record<string, unknown>, pin?: string, note?: string }

export const thingKind: RecordKind = {
  collection: 'things',
  area: 'thing',
  nameField: 'name',
  secrets: ['pin', 'note'],
  schema: {
    type: 'object',
    additionalProperties: false,
    required: ['name'],
    properties: {
      name: { type: 'string', minLength: 1 },
      colour: { type: 'string' },
      size: { type: 'integer' },
      tags: { type: 'array', items: { type: 'string' } },
      active: { type: 'boolean' },
      shape: { type: 'object', additionalProperties: true },
      pin: { type: 'string' },
      note: { type: 'string' }
    }
  },
  indexes: [{ keys: { colour: 1 } }, { keys: { size: 1 }, unique: true }]
}

/** A line of the app's own log. */
export interface Line { readonly level: 'info' | 'warn' | 'error', readonly message: string, readonly details: Record<string, unknown> }

export interface StoreApp { readonly app: FastifyInstance, readonly lines: Line[] }

/** An app with nothing but the store, closed with the test. `ready` is left to the caller. */
export async function storeApp (t: Test, options: Partial<StoreOptions>, before?: (app: FastifyInstance) => void): Promise<StoreApp> {
  const lines: Line[] = []
  const levels: Record<number, Line['level']> = { 30: 'info', 40: 'warn', 50: 'error' }
  const app = Fastify({
    logger: {
      level: 'info',
      stream: {
        write (text: string) {
          const { level, msg, ...details } = JSON.parse(text) as { level: number, msg: string }
          lines.push({ level: levels[level] ?? 'error', message: msg, details })
        }
      }
    }
  })
  t.teardown(() => app.close())
  before?.(app)
  await app.register(store, { secretKeys: [masterKey], ...options })
  return { app, lines }
}

/** Waits for something that the other side of a socket brings about; fails after `limit` milliseconds. */
export async function eventually (what: string, condition: () => boolean | Promise<boolean>, limit = 20_000): Promise<void> {
  const end = Date.now() + limit
  while (!await condition()) {
    if (Date.now() > end) throw new Error(`It did not come to pass within ${limit} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
