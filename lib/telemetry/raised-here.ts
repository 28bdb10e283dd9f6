import { isAuthError } from '../errors.js'
import { framesOf } from './stack-frames.js'

/**
 * Whether an error that ended a request was raised inside this package and is no answer to a caller's mistake:
 * a coded error of the 500 class, or an exception whose throwing frame, Node's own aside, is this package's code.
 */
export function isRaisedHere (error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const status = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
  if (status < 500) return false
  return isAuthError(error) || framesOf(error).find(({ file }) => !file.startsWith('node:'))?.own === true
}

/** Whether an error says by its status that the caller made a mistake: most of them, told apart at once and without running a getter. */
export function isCallersMistake (error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const status: unknown = Object.getOwnPropertyDescriptor(error, 'statusCode')?.value
  return typeof status === 'number' && status >= 400 && status < 500
}
