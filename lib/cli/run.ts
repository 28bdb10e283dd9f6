import { isAuthError } from '../errors.js'
import { isOutage } from '../store/unavailable.js'
import { packageVersion } from '../version.js'
import { rotateKeys } from './rotate-keys.js'
import { UsageError, type Terminal } from './terminal.js'
import { verifyLog } from './verify-log.js'

const commands: Readonly<Record<string, (args: string[], terminal: Terminal) => Promise<number>>> = {
  'rotate-keys': rotateKeys,
  'verify-log': verifyLog
}

const help = `fastify-docuware-auth <command> [options]

  verify-log     checks the audit log
  rotate-keys    changes the keys that protect stored secrets

Each command explains itself with --help.`

/** Runs a command line. @returns the exit code: 2 when the command could not be carried out */
export async function run (args: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '--help', ...rest] = args
  if (name === '--help' || name === '-h') {
    terminal.say(help)
    return 0
  }
  if (name === '--version') {
    terminal.say(packageVersion)
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    terminal.complain(`unknown command: ${name} (try --help)`)
    return 2
  }
  try {
    return await command(rest, terminal)
  } catch (error) {
    terminal.complain(`${name}: ${error instanceof Error ? isExpected(error) ? error.message : error.stack ?? error.message : String(error)}`)
    return 2
  }
}

/** What one line says well enough; anything else deserves its stack. */
function isExpected (error: Error): boolean {
  if (error instanceof UsageError || isAuthError(error) || isOutage(error)) return true
  return 'code' in error && typeof error.code === 'string' && (error.code.startsWith('ERR_PARSE_ARGS') || error.code === 'ENOENT')
}
