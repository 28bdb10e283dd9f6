import type { Document } from '../document.js'
import type { Command } from './command.js'
import { greeting } from './diagnostics.js'

export const hello: Command = (command, context) => {
  const legacy = Object.keys(command)[0]?.toLowerCase() === 'ismaster'
  const answer: Document = { [legacy ? 'ismaster' : 'isWritablePrimary']: true, ...greeting(context.session, context.now()) }
  return { ...answer, ok: 1 }
}
