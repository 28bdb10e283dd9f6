import type { mongo } from 'mongoose'
import { isAuthError } from '../../errors.js'
import { readMasterKey, type MasterKey } from '../../store/master-key.js'
import { LoadedKeyRing } from '../../store/key-ring.js'
import { openKeyRing, readKeyRing, type KeyRingDocument } from '../../store/key-ring-document.js'
import { systemClock } from '../../clock.js'
import type { GivenKey } from '../database-arguments.js'
import type { Report } from './report.js'

const makeOne = 'make one: openssl rand -base64 32'

/** Those that can be used. */
export async function examineMasterKeys (report: Report, given: readonly GivenKey[]): Promise<MasterKey[]> {
  const keys: MasterKey[] = []
  await report.check('keys', (wrong) => {
    if (given.length === 0) wrong('none is given', `give the keys of secretKeys (--key-file, or DWA_KEYS), or ${makeOne}`)
    for (const { text, from } of given) {
      try {
        const key = readMasterKey(text, from)
        if (keys.some(({ fingerprint }) => fingerprint === key.fingerprint)) wrong(`${from}: is given twice`, 'give it once')
        else if (isGuessable(text)) wrong(`${from}: is not random`, `${makeOne}, and rotate to it (rotate-keys)`)
        keys.push(key)
      } catch (error) {
        if (!isAuthError(error, 'DWA_OPTIONS_INVALID')) throw error
        wrong(error.message, makeOne)
      }
    }
    return `${keys.length} given`
  })
  return keys
}

export interface ExaminedKeyRing {
  /** Whether the database has none: then the app never ran on it. */
  readonly missing: boolean
  /** Null when it cannot be opened. */
  readonly opened: LoadedKeyRing | null
}

/** The key ring, and whether the master keys open it. */
export async function examineKeyRing (report: Report, db: mongo.Db, collection: string, masters: readonly MasterKey[]): Promise<ExaminedKeyRing> {
  let missing = false
  let opened: LoadedKeyRing | null = null
  await report.check('key ring', async (wrong) => {
    const ring = await readKeyRing(db.collection<KeyRingDocument>(collection))
    if (ring === null) {
      missing = true
      wrong(`there is none in ${collection}`, 'check the database in the address and the prefix; an app that has never run makes one at its first start')
      return ''
    }
    if (masters.length === 0) return 'not opened: no key is given'
    try {
      const keys = openKeyRing(ring, masters)
      opened = new LoadedKeyRing(async () => keys, systemClock)
      await opened.reload()
    } catch (error) {
      if (!isAuthError(error, 'DWA_STORE_WRONG_KEY')) throw error
      wrong('none of the keys opens it', 'give the master key that the database was used with: without it no stored secret can be read')
      return ''
    }
    const wrapping = new Set(ring.keys.map(({ wrappedBy }) => wrappedBy))
    if ([...wrapping].some((fingerprint) => fingerprint !== masters[0]?.fingerprint)) wrong('it is wrapped by another than the first key: a rotation was not finished', 'run rotate-keys with the same keys in the same order')
    else if (masters.length > 1) wrong(`${masters.length - 1} of the keys opens nothing any more`, 'take the old keys out of secretKeys')
    return `${ring.keys.length} data keys, opened by the first key`
  })
  return { missing, opened }
}

/** One byte or a short text over and over, or letters that somebody typed: nothing random looks like that. */
function isGuessable (text: string): boolean {
  const bytes = Buffer.from(text.trim(), 'base64')
  return new Set(bytes).size <= bytes.length / 4 || bytes.every((byte) => byte >= 0x20 && byte < 0x7f)
}
