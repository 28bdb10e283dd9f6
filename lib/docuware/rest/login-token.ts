import { errors } from '../../errors.js'
import type { LoginTokenOptions } from './docuware-client.js'
import type { Requests } from './requests.js'

/** `POST /Organization/LoginToken`: answered as JSON or as plain text. @throws DWA_DOCUWARE_INVALID_REQUEST, DWA_DOCUWARE_UNEXPECTED_ANSWER */
export async function loginToken (requests: Requests, { targetProducts = ['PlatformService'], usage = 'Single', lifetimeSeconds = 3600, ...options }: LoginTokenOptions = {}): Promise<string> {
  const request = { TargetProducts: targetProducts, Usage: usage, Lifetime: timeSpan(lifetimeSeconds) }
  const answer = await requests.send('POST', '/Organization/LoginToken', { ...options, json: request, as: 'text' })
  const token = String(answer).trim().replace(/^"(.*)"$/s, '$1')
  if (!/^[\x21-\x7e]+$/.test(token) || /[<>{}"\\]/.test(token)) throw new errors.DWA_DOCUWARE_UNEXPECTED_ANSWER('something else than a token')
  return token
}

/** .NET's TimeSpan: `d.hh:mm:ss`. */
function timeSpan (seconds: number): string {
  if (!Number.isInteger(seconds) || seconds < 1) throw new errors.DWA_DOCUWARE_INVALID_REQUEST('lifetimeSeconds must be a whole number above 0')
  const [hours, minutes, rest] = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60].map((part) => String(Math.floor(part)).padStart(2, '0'))
  return `${Math.floor(seconds / 86_400)}.${hours}:${minutes}:${rest}`
}
