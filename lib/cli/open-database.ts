import { systemClock } from '../clock.js'
import { Database } from '../store/database.js'
import { silentLogger } from '../store/logger.js'
import { UsageError } from './terminal.js'

/**
 * Connects to a database to read in it, and closes the connection afterwards.
 * @param option what named the address, for errors
 * @throws UsageError when it cannot be reached, DWA_OPTIONS_INVALID
 */
export async function withDatabase<T> (uri: string, option: string, operation: (database: Database) => Promise<T>): Promise<T> {
  const database = new Database({ uri }, option, systemClock, silentLogger)
  try {
    if (!await database.connect(5000)) throw new UsageError(option === '--uri' ? 'the database cannot be reached' : `the database of ${option} cannot be reached`)
    return await operation(database)
  } finally {
    await database.close()
  }
}
