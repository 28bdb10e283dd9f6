import type { FastifyInstance } from 'fastify'
import { systemClock, type Clock } from '../../lib/clock.js'
import type { ConnectionSecrets } from '../../lib/docuware/connections.js'
import type { LogEntry } from '../../lib/log/log-entry.js'
import { OpenedStore } from '../../lib/store/open-store.js'
import type { DocuWare } from '../../testing/index.js'
import type { Teardown } from '../mongo.js'
import type { Line } from '../store-app.js'
import { docuwareApp, type DocuwareAppOptions } from './docuware-app.js'

/** The system's time and timers, and a time that can be moved on or held. */
export class MovableClock implements Clock {
  #offset = 0
  #held: number | null = null
  #waiting: Array<{ readonly ms: number, readonly run: () => void }> = []
  /** Other lengths for timers, in milliseconds; with Infinity they wait for `runOut`. */
  readonly timers = new Map<number, number>()

  now (): number {
    return this.#held ?? Date.now() + this.#offset
  }

  after (ms: number, run: () => void): () => void {
    const length = this.timers.get(ms) ?? ms
    if (length < Infinity) return systemClock.after(length, run)
    const timer = { ms, run }
    this.#waiting.push(timer)
    return () => { this.#waiting = this.#waiting.filter((other) => other !== timer) }
  }

  /** Ends the timers of that length that wait. */
  runOut (length: number): void {
    const due = this.#waiting.filter(({ ms }) => ms === length)
    this.#waiting = this.#waiting.filter(({ ms }) => ms !== length)
    for (const { run } of due) run()
  }

  /** Moves on by `ms` milliseconds, from the moment that is held too. */
  advance (ms: number): void {
    this.#offset += ms
    if (this.#held !== null) this.#held += ms
  }

  /** From now on it is always that moment. */
  hold (at: number = this.now()): void {
    this.#held = at
  }
}

export interface ClockedApp { readonly app: FastifyInstance, readonly dw: DocuWare, readonly uri: string, readonly clock: MovableClock, readonly lines: Line[] }

/** An app, its database and a simulator by one clock, and what the app says to its own log. */
export async function clockedApp (t: Teardown, { simulator, store, clock = new MovableClock(), ...options }: DocuwareAppOptions & { readonly clock?: MovableClock } = {}): Promise<ClockedApp> {
  const lines: Line[] = []
  const levels: Record<number, Line['level']> = { 30: 'info', 40: 'warn', 50: 'error' }
  const onLine = (text: string): void => {
    const { level, msg, ...details } = JSON.parse(text) as { level: number, msg: string }
    if (level >= 30) lines.push({ level: levels[level] ?? 'error', message: msg, details })
  }
  const made = await docuwareApp(t, { ...options, simulator: { now: () => clock.now(), ...simulator }, store: { clock, ...store }, onLine })
  await made.app.ready()
  keepTime(made.app)
  return { ...made, clock, lines }
}

/** What the clock says is the database's time as well, which the app does not measure any more. */
function keepTime ({ store }: FastifyInstance): void {
  if (!(store instanceof OpenedStore)) throw new Error('another store')
  store.serverClock.set(0)
  Object.assign(store.serverClock, { set () {} })
}

/** How often a refresh token was presented. */
export const refreshes = (dw: DocuWare): number => dw.counters()['POST /connect/token refresh_token'] ?? 0

/** The tokens in the record. */
export async function tokensOf (app: FastifyInstance, name = 'acme'): Promise<Omit<ConnectionSecrets, 'clientSecret'>> {
  const { accessToken, refreshToken } = await app.docuware.connections.secrets(name)
  return { accessToken, refreshToken }
}

/** Moves on to the moment at which the access token has `left` milliseconds to live. */
export async function moveToEnd ({ app, clock }: ClockedApp, left: number, name = 'acme'): Promise<void> {
  const connection = await app.docuware.connections.get(name)
  if (connection?.expiresAt == null) throw new Error('there is no access token')
  clock.advance(connection.expiresAt.getTime() - left - clock.now())
}

/** The connection's entries in the audit log, oldest first. */
export async function entriesOf (app: FastifyInstance, event = 'connection.*'): Promise<LogEntry[]> {
  return (await app.auditLog.find({ event, limit: 1000 })).reverse()
}

/** The lines of that text. */
export const linesOf = ({ lines }: ClockedApp, message: string): Line[] => lines.filter((line) => line.message === message)

/** A call to the platform that needs a token. */
export const call = async ({ app }: ClockedApp, name = 'acme'): Promise<unknown> => await app.docuware.client(name).get('/Organizations')

/** What `count` calls at once come to, each outcome once: `ok`, or an error's code. */
export async function outcomes (made: ClockedApp, count: number): Promise<unknown[]> {
  const settled = await Promise.all(Array.from({ length: count }, async () => await call(made).then(() => 'ok', (error: unknown) => error instanceof Error && 'code' in error ? error.code : error)))
  return [...new Set(settled)]
}

/** The last tokens that were issued. */
export function newestTokens (dw: DocuWare): Omit<ConnectionSecrets, 'clientSecret'> {
  const { accessTokens, refreshTokens } = dw.secretsIssued()
  return { accessToken: accessTokens.at(-1) ?? null, refreshToken: refreshTokens.at(-1) ?? null }
}

/** The status with which the platform answers an access token. */
export async function statusOf (dw: DocuWare, accessToken: string | null): Promise<number> {
  const { status, body } = await fetch(`${dw.platformUrl}/Organizations`, { headers: { accept: 'application/json', authorization: `Bearer ${accessToken ?? ''}` } })
  await body?.cancel()
  return status
}
