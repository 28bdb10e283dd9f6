import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { peekBody, readBody, type UnreadBody } from '../../lib/webhooks/request-body.js'

type Answer = string | UnreadBody

/** Every answer that is given of a stream's body, once it is closed. */
async function answersOf (use: (stream: PassThrough) => void, { limit = 10 } = {}): Promise<Answer[]> {
  const stream = new PassThrough()
  const answers: Answer[] = []
  const closed = new Promise((resolve) => { stream.once('close', resolve) })
  readBody(stream, undefined, limit, (body) => { answers.push(typeof body === 'string' ? body : `read ${Buffer.concat(body).toString()}`) })
  use(stream)
  await closed
  await new Promise((resolve) => { setImmediate(resolve) })
  return answers
}

t.test('whatever becomes of the stream, what became of the body is said once', async (t) => {
  const cases: Array<[what: string, use: (stream: PassThrough) => void, expected: Answer]> = [
    ['it ends', (stream) => { stream.end('a body') }, 'read a body'],
    ['it fails', (stream) => { stream.destroy(new Error('reset')) }, 'aborted'],
    ['it is destroyed without a word', (stream) => { stream.destroy() }, 'aborted'],
    ['it is destroyed in the middle', (stream) => { stream.once('data', () => { stream.destroy() }).write('a bo') }, 'aborted'],
    ['it is too long', (stream) => { stream.end('a body too long') }, 'too_large']
  ]
  for (const [what, use, expected] of cases) t.strictSame(await answersOf(use), [expected], what)
})

t.test('a body is looked at where it is only when all of it is there, and as it came', (t) => {
  const raw = (members: object, ...chunks: unknown[]): IncomingMessage => {
    const readableLength = chunks.reduce<number>((length, chunk) => length + (Buffer.isBuffer(chunk) ? chunk.length : 1), 0)
    return Object.assign(Object.create(null), { complete: true, readableLength, readableFlowing: null, readableEncoding: null, destroyed: false, readableBuffer: chunks, ...members })
  }
  const chunks = [Buffer.from('one'), Buffer.from('two')]
  t.strictSame(peekBody(raw({}, ...chunks), 6), chunks)
  for (const [what, request] of Object.entries({
    'too long': raw({}, ...chunks, Buffer.from('!')),
    'not whole': raw({ complete: false }, ...chunks),
    empty: raw({}),
    'read by somebody': raw({ readableFlowing: false }, ...chunks),
    'decoded by somebody': raw({ readableEncoding: 'utf8' }, ...chunks),
    gone: raw({ destroyed: true }, ...chunks),
    'another Node': raw({ readableBuffer: undefined }, ...chunks),
    'a Node that keeps something else': raw({}, 'text'),
    'a Node that keeps it elsewhere': raw({ readableLength: 5 }, ...chunks)
  })) t.equal(peekBody(request, 6), null, what)
  t.end()
})
