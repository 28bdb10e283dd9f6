import { isAuthError } from '../errors.js'
import { isOutage } from '../store/unavailable.js'
import { packageVersion } from '../version.js'
import { createClient } from './create-client.js'
import { doctor } from './doctor.js'
import { list } from './list.js'
import { toItsEnd, withProgress } from './progress.js'
import { rotateKeys } from './rotate-keys.js'
import { UsageError, type Terminal } from './terminal.js'
import { verifyLog } from './verify-log.js'

const commands: Readonly<Record<string, (args: string[], terminal: Terminal) => Promise<number>>> = {
  'verify-log': verifyLog,
  'rotate-keys': rotateKeys,
  'create-client': createClient,
  list,
  doctor
}

const help = `fastify-docuware-auth <command> [options]

  verify-log     checks the audit log
  rotate-keys    changes the keys that protect stored secrets
  create-client  makes a client of the OAuth 2 provider, and shows its secret once
  list           lists connections, validators, clients, scopes …
  doctor         looks for what is wrong with a configuration and its database, and says what to do

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
    return await toItsEnd(async () => await withProgress(rest.includes('--json') ? withoutStatus(terminal) : terminal, name, async (watched) => await command(rest, watched)))
  } catch (error) {
    terminal.complain(`${name}: ${error instanceof Error ? isExpected(error) ? error.message : refusalOf(error) ?? error.stack ?? error.message : String(error)}`)
    return 2
  }
}

/** Programs read the answer: nobody looks on. */
function withoutStatus ({ status: _, ...terminal }: Terminal): Terminal {
  return terminal
}

/** What MongoDB refuses to do; its message would quote the command, with what it was to write. */
function refusalOf (error: Error): string | null {
  return error.name === 'MongoServerError' && 'codeName' in error ? `MongoDB refuses: ${String(error.codeName)}` : null
}

/** What one line says well enough; anything else deserves its stack. */
function isExpected (error: Error): boolean {
  if (error instanceof UsageError || isAuthError(error) || isOutage(error)) return true
  return 'code' in error && typeof error.code === 'string' && (error.code.startsWith('ERR_PARSE_ARGS') || 'syscall' in error)
}
