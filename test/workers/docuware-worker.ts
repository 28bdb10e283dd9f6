import { setImmediate as nextTurn } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { systemClock } from '../../lib/clock.js'
import { isAuthError } from '../../lib/errors.js'
import { docuware, type DocuwareOptions } from '../../plugins/docuware.js'
import { store } from '../../plugins/store.js'
import { asDocuware, cookieOf, publicUrl, rolesOf } from '../docuware/caller.js'
import { masterKey } from '../store-app.js'

/** How calls ended: `ok` or an error's code, and how often. */
export interface Outcomes { [outcome: string]: number }

let app: FastifyInstance = Fastify()
let ahead = 0

/** What this process does when it is asked to, by name. */
const tasks = {
  /** Begins anew, with an app on the database at `uri`, and a clock that is so many milliseconds ahead. */
  async open (uri: string, options: DocuwareOptions = {}, wrongBy = 0): Promise<void> {
    await app.close()
    ahead = wrongBy
    app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { process.send?.({ line }) } } } })
    await app.register(store, { uri, publicUrl, secretKeys: [masterKey], access: rolesOf, clock: { ...systemClock, now: () => Date.now() + ahead } })
    await app.register(docuware, { allowInsecure: true, ...options })
    await app.ready()
  },

  /** Time passes, here only. */
  async advance (milliseconds: number): Promise<void> {
    ahead += milliseconds
  },

  /** So many calls of a connection's client at once; between their beginnings the process may do what it has to. */
  async call (connection: string, count: number): Promise<Outcomes> {
    const client = app.docuware.client(connection)
    const outcomes: Outcomes = {}
    const calls: Array<Promise<void>> = []
    while (calls.length < count) {
      calls.push(client.whoami().then(() => 'ok', codeOf).then((outcome) => { outcomes[outcome] = (outcomes[outcome] ?? 0) + 1 }))
      await nextTurn()
    }
    await Promise.all(calls)
    return outcomes
  },

  /** Calls until a call fails. Tells what with, and when the last one that succeeded had begun. */
  async callUntilItFails (connection: string): Promise<{ lastGood: number, code: string }> {
    const client = app.docuware.client(connection)
    let [lastGood, code] = [0, 'ok']
    while (code === 'ok') {
      const began = Date.now()
      code = await client.whoami().then(() => 'ok', codeOf)
      if (code !== 'ok') break
      if (lastGood === 0) process.send?.({ good: true })
      lastGood = began
    }
    return { lastGood, code }
  },

  async sync (connection: string): Promise<{ ok: boolean, code?: string, since?: string }> {
    try {
      const answer = await app.docuware.sync(connection)
      return { ok: !answer.queued && answer.result.ok }
    } catch (error) {
      return { ok: false, code: codeOf(error), ...(error instanceof Error && 'since' in error && error.since instanceof Date ? { since: error.since.toISOString() } : {}) }
    }
  },

  /** Changes a connection. Tells when that began and was done, and how a call ends that begins at once. */
  async change (connection: string, change: 'revoke' | 'remove' | { readonly platformUrl?: string, readonly name?: string }): Promise<{ began: number, at: number, next: string }> {
    const began = Date.now()
    const { connections, revoke, client } = app.docuware
    await (change === 'revoke' ? revoke(connection) : change === 'remove' ? connections.remove(connection) : connections.update(connection, change))
    return { began, at: Date.now(), next: await client(connection).whoami().then(() => 'ok', codeOf) }
  },

  /** Begins an authorization as a browser does: where it is sent, and its cookie. */
  async begin (id: string): Promise<{ url: string, cookie: string }> {
    const started = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: asDocuware })
    return { url: String(started.headers.location), cookie: cookieOf(started) }
  },

  /** Comes back from it; the status of the answer. */
  async end (callback: string, cookie: string): Promise<number> {
    const { pathname, search } = new URL(callback)
    return (await app.inject({ url: pathname + search, headers: { cookie } })).statusCode
  }
}

export type Tasks = typeof tasks

function codeOf (error: unknown): string {
  return isAuthError(error) ? error.code : String(error)
}

process.on('message', ({ id, name, args }: { id: number, name: keyof Tasks, args: unknown[] }) => {
  Promise.resolve(Reflect.apply(tasks[name], tasks, args)).then(
    (value: unknown) => process.send?.({ id, value: value ?? null }),
    (error: unknown) => process.send?.({ id, error: String(error) })
  )
})
process.on('disconnect', () => { process.exit() })
process.send?.({ ready: true })
