import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto'
import { ServerError } from './errors.js'

const ITERATIONS = 15_000

/** What is kept of a password (RFC 7677). */
export interface ScramCredential { salt: Buffer, iterations: number, storedKey: Buffer, serverKey: Buffer }

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()

export function scramCredential (password: string): ScramCredential {
  const salt = randomBytes(28)
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256')
  return { salt, iterations: ITERATIONS, storedKey: sha256(hmac(salted, 'Client Key')), serverKey: hmac(salted, 'Server Key') }
}

export const authenticationFailed = (): ServerError => new ServerError('AuthenticationFailed', 'Authentication failed.')

function attributes (message: string): Map<string, string> {
  return new Map(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]))
}

/** One SCRAM-SHA-256 sign-in, from the server's side: two messages in, two out. */
export class ScramConversation {
  readonly #find: (user: string) => ScramCredential | undefined
  #credential: ScramCredential | undefined
  #clientFirst = ''
  #serverFirst = ''
  #nonce = ''
  /** The user whose proof was right, once it was. */
  user: string | undefined
  #claimed = ''

  constructor (find: (user: string) => ScramCredential | undefined) {
    this.#find = find
  }

  /** Answers the client's first message. Throws AuthenticationFailed for an unknown user. */
  first (payload: string): string {
    const match = /^[ny](?:=[^,]*)?,[^,]*,(.*)$/s.exec(payload)
    this.#clientFirst = match?.[1] ?? ''
    const given = attributes(this.#clientFirst)
    this.#claimed = (given.get('n') ?? '').replaceAll('=2C', ',').replaceAll('=3D', '=')
    this.#credential = this.#find(this.#claimed)
    const nonce = given.get('r') ?? ''
    if (this.#credential === undefined || nonce === '') throw authenticationFailed()
    this.#nonce = nonce + randomBytes(24).toString('base64')
    this.#serverFirst = `r=${this.#nonce},s=${this.#credential.salt.toString('base64')},i=${this.#credential.iterations}`
    return this.#serverFirst
  }

  /** Checks the client's proof and answers the server's signature. */
  final (payload: string): string {
    const given = attributes(payload)
    const proof = Buffer.from(given.get('p') ?? '', 'base64')
    if (this.#credential === undefined || given.get('r') !== this.#nonce || proof.length !== 32) throw authenticationFailed()
    const message = `${this.#clientFirst},${this.#serverFirst},c=${given.get('c') ?? ''},r=${this.#nonce}`
    const signature = hmac(this.#credential.storedKey, message)
    const clientKey = proof.map((byte, i) => byte ^ (signature[i] ?? 0))
    if (!timingSafeEqual(sha256(Buffer.from(clientKey)), this.#credential.storedKey)) throw authenticationFailed()
    this.user = this.#claimed
    return `v=${hmac(this.#credential.serverKey, message).toString('base64')}`
  }
}
