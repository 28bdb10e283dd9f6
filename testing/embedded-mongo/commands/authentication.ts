import { Binary, isDocument, isTruthy, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import { ScramConversation, authenticationFailed } from '../scram.js'
import type { Command, CommandContext } from './command.js'
import { greeting } from './diagnostics.js'

const MECHANISM = 'SCRAM-SHA-256'

function payloadOf (command: Document): string {
  const payload = command['payload']
  if (payload instanceof Binary) return Buffer.from(payload.value()).toString('utf8')
  return typeof payload === 'string' ? Buffer.from(payload, 'base64').toString('utf8') : ''
}

function answer (done: boolean, payload: string): Document {
  return { conversationId: 1, done, payload: new Binary(Buffer.from(payload)), ok: 1 }
}

export const saslStart: Command = (command, { session, users, database }) => {
  session.conversation = undefined
  if (command['mechanism'] !== MECHANISM) {
    if (command['mechanism'] === 'SCRAM-SHA-1') throw authenticationFailed()
    throw new ServerError('MechanismUnavailable', `Received authentication for mechanism ${String(command['mechanism'])} which is not enabled`)
  }
  const scram = new ScramConversation((user) => users.users.get(`${database}.${user}`)?.credential)
  const first = scram.first(payloadOf(command))
  const skip = isDocument(command['options']) && isTruthy(command['options']['skipEmptyExchange'])
  session.conversation = {
    step: (payload) => {
      if (scram.user !== undefined) return { done: true, payload: '' }
      const signature = scram.final(payload)
      return { done: skip, payload: signature, user: `${database}.${scram.user ?? ''}` }
    }
  }
  return answer(false, first)
}

export const saslContinue: Command = (command, { session }) => {
  const conversation = session.conversation
  if (conversation === undefined) throw new ServerError('ProtocolError', 'No SASL session state found')
  session.conversation = undefined
  const { done, payload, user } = conversation.step(payloadOf(command))
  if (user !== undefined) session.user = user
  if (!done) session.conversation = conversation
  return answer(done, payload)
}

export const logout: Command = (_command, { session }) => {
  session.user = undefined
  return { ok: 1 }
}

/** The sign-in that a driver sends along with its hello. A failure leaves it out of the answer. */
async function speculative (command: Document, context: CommandContext): Promise<Document> {
  const given = command['speculativeAuthenticate']
  if (!isDocument(given) || Object.keys(given)[0] !== 'saslStart' || typeof given['db'] !== 'string') return {}
  try {
    return { speculativeAuthenticate: await saslStart(given, { ...context, database: given['db'] }) }
  } catch (error) {
    if (error instanceof ServerError) return {}
    throw error
  }
}

export const hello: Command = async (command, context) => {
  const legacy = Object.keys(command)[0]?.toLowerCase() === 'ismaster'
  const wanted = command['saslSupportedMechs']
  const known = typeof wanted === 'string' && context.users.users.has(wanted)
  return {
    [legacy ? 'ismaster' : 'isWritablePrimary']: true,
    ...greeting(context.session, context.now()),
    ...(known ? { saslSupportedMechs: [MECHANISM] } : {}),
    ...await speculative(command, context),
    ok: 1
  }
}

export const connectionStatus: Command = (command, { session, users }) => {
  const user = session.user === undefined ? undefined : users.users.get(session.user)
  return {
    authInfo: {
      authenticatedUsers: user === undefined ? [] : [{ user: user.user, db: user.db }],
      authenticatedUserRoles: user === undefined ? [] : users.inherited(user.roles),
      ...(isTruthy(command['showPrivileges']) ? { authenticatedUserPrivileges: users.privileges(session.user) } : {})
    },
    ok: 1
  }
}
