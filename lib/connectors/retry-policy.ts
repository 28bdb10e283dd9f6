/** What a failed try means for the next one. */
export type FailureKind =
  /** Says the same however often it is asked. */
  | 'final'
  /** A new token may help. */
  | 'unauthorized'
  /** Was not processed. */
  | 'throttled'
  /** May have been processed. */
  | 'transient'

const methods = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** Whether a request may be sent twice (RFC 9110 §9.2.2). */
export function isIdempotent (method: string): boolean {
  return methods.has(method)
}

export function failureKind (status: number): FailureKind {
  switch (status) {
    case 401: return 'unauthorized'
    case 429: return 'throttled'
    case 408: case 502: case 503: case 504: return 'transient'
    default: return 'final'
  }
}

/** Milliseconds that a Retry-After header asks for, in seconds or as a date (RFC 9110 §10.2.3); null when there is none that can be read. */
export function retryAfter (header: string | undefined, now: number): number | null {
  const text = header?.trim() ?? ''
  if (/^\d+$/.test(text)) return Number(text) * 1000
  const date = /^[a-z]{3}/i.test(text) ? Date.parse(text) : NaN // Date.parse reads far more than HTTP's dates
  return Number.isNaN(date) ? null : Math.max(0, date - now)
}

const shortest = 500
const longest = 20_000

/**
 * Milliseconds before the next try, after one of `previous` (null: the first): decorrelated jitter,
 * evenly between half a second and three times the last wait, which puts the first at 1 s in the median.
 */
export function nextWait (previous: number | null, random: () => number): number {
  return Math.min(longest, shortest + random() * (3 * (previous ?? shortest) - shortest))
}
