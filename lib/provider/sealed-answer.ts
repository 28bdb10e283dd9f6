import { deriveKey, openText, sealText } from '../store/cipher.js'
import type { TokenAnswer } from './token-families.js'

const label = 'refresh-token/answer'

/** An answer that only the refresh token opens to which it was given: whoever reads the database learns nothing by it. */
export function sealAnswer (answer: TokenAnswer, presented: string, family: string): string {
  return sealText(Buffer.from(JSON.stringify(answer)), deriveKey(Buffer.from(presented), label), family)
}

/** The answer, or null when the token is another, or nothing is sealed. */
export function openAnswer (sealed: string, presented: string, family: string): TokenAnswer | null {
  const plain = openText(sealed, deriveKey(Buffer.from(presented), label), family)
  return plain === null ? null : JSON.parse(plain.toString()) as TokenAnswer
}
