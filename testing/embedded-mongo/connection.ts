import type { Socket } from 'node:net'
import type { Document } from './document.js'
import { failure } from './errors.js'
import type { Session } from './session.js'
import { MessageSplitter, parseRequest } from './wire-protocol.js'

let lastResponse = 0

/** Serves one socket: its requests one after another, each answered before the next is run. */
export function serve (socket: Socket, id: number, execute: (command: Document, session: Session) => Promise<Document>): void {
  const ended = new AbortController()
  const session: Session = { id, user: undefined, conversation: undefined, signal: ended.signal }
  const splitter = new MessageSplitter()
  const queue: Buffer[] = []
  let busy = false

  const work = async (): Promise<void> => {
    busy = true
    for (let message = queue.shift(); message !== undefined && !ended.signal.aborted; message = queue.shift()) {
      const { command, reply } = parseRequest(message)
      const answer = await execute(command, session)
      if (reply === undefined || ended.signal.aborted) continue
      socket.write(encodeOr(answer, (document) => reply(document, ++lastResponse)))
    }
    busy = false
    if (socket.isPaused() && !ended.signal.aborted) socket.resume()
  }
  socket.setNoDelay(true)
  socket.on('data', (chunk: Buffer) => {
    try {
      queue.push(...splitter.push(chunk))
    } catch {
      socket.destroy()
      return
    }
    if (queue.length > 100) socket.pause()
    if (!busy) work().catch(() => { socket.destroy() })
  })
  socket.on('error', () => { socket.destroy() })
  socket.on('close', () => { ended.abort() })
}

function encodeOr (answer: Document, reply: (document: Document) => Buffer): Buffer {
  try {
    return reply(answer)
  } catch (error) {
    return reply(failure(error))
  }
}
