import { systemClock } from '../clock.js'
import type { MasterKey } from '../store/master-key.js'
import { OpenedStore } from '../store/open-store.js'
import { logSettings } from '../store/store-options.js'
import { UsageError, type Terminal } from './terminal.js'

export interface StoreArguments {
  readonly uri: string
  /** Of the log's own credential. */
  readonly logUri: string | undefined
  readonly prefix: string
  readonly masterKeys: readonly [MasterKey, ...MasterKey[]]
}

/**
 * Opens a database that the app has used before, and closes it afterwards.
 * @throws UsageError when it cannot be reached, and what `OpenedStore.start` throws
 */
export async function withStore<T> ({ uri, logUri, prefix, masterKeys }: StoreArguments, terminal: Terminal, operation: (store: OpenedStore) => Promise<T>): Promise<T> {
  const complain = (_details: object, message: string): void => { terminal.complain(message) }
  const store = new OpenedStore({
    source: { uri },
    masterKeys,
    collectionPrefix: prefix,
    publicUrl: null,
    log: logSettings({ uri: logUri }),
    clock: systemClock,
    logger: { info () {}, warn: complain, error: complain }
  })
  try {
    await store.start({ existingOnly: true })
    if (!store.available) throw new UsageError('the database cannot be reached')
    return await operation(store)
  } finally {
    await store.close()
  }
}
