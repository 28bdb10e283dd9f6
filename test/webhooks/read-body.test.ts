import { Readable, Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { ReadBody } from '../../lib/webhooks/read-body.js'

const chunks = ['one ', 'two ', 'three'].map((text) => Buffer.from(text))
const body = (): ReadBody => new ReadBody([...chunks], new Readable())
const whole = 'one two three'

/** What data events brought until the end. */
async function gathered (stream: Readable, start: (stream: Readable) => void = () => {}): Promise<string[]> {
  const found: string[] = []
  await new Promise((resolve, reject) => {
    stream.on('data', (chunk: Buffer | string) => { found.push(String(chunk)) })
    stream.on('end', resolve)
    stream.on('error', reject)
    start(stream)
  })
  return found
}

t.test('a body that was read is a stream for whoever takes it', async (t) => {
  const texts = chunks.map(String)
  t.strictSame(await gathered(body()), texts, 'data events')
  t.strictSame(await gathered(body(), (stream) => { stream.resume() }), texts, 'data events and resume')
  t.strictSame(await gathered(body(), (stream) => { stream.resume().resume() }), texts, 'data events and resume, twice')
  t.strictSame((await gathered(body(), (stream) => { stream.setEncoding('utf8') })).join(''), whole, 'an encoding, set late')
  t.strictSame((await gathered(body().setEncoding('hex'))).join(''), Buffer.from(whole).toString('hex'), 'an encoding')
  t.equal(Buffer.concat(await body().toArray()).toString(), whole, 'toArray')
  const iterated: string[] = []
  for await (const chunk of body()) iterated.push(String(chunk))
  t.strictSame(iterated, texts, 'iteration')

  const written: string[] = []
  const slow = new Writable({ highWaterMark: 1, write (chunk, _encoding, done) { written.push(String(chunk)); setImmediate(done) } })
  await pipeline(body(), slow)
  t.strictSame(written, texts, 'pipeline into something slow')
  const upper = new Transform({ transform (chunk, _encoding, done) { done(null, String(chunk).toUpperCase()) } })
  t.equal((await gathered(body().pipe(upper))).join(''), whole.toUpperCase(), 'pipe')
  const read: Buffer[] = []
  const stream = body()
  await new Promise((resolve) => {
    stream.on('readable', () => { for (let chunk: Buffer | null = stream.read(); chunk !== null; chunk = stream.read()) read.push(chunk) })
    stream.on('end', resolve)
  })
  t.equal(Buffer.concat(read).toString(), whole, 'readable events')
})

t.test('who pauses it gets nothing until it is resumed', async (t) => {
  const stream = body()
  const found: string[] = []
  const ended = new Promise((resolve) => { stream.on('end', resolve) })
  stream.addListener('data', (chunk: Buffer) => {
    found.push(String(chunk))
    stream.pause()
  })
  t.strictSame(found, [])
  await new Promise((resolve) => { setImmediate(resolve) })
  t.strictSame(found, ['one '])
  for (const count of [2, 3]) {
    await new Promise((resolve) => { setImmediate(resolve) })
    t.equal(found.length, count - 1)
    stream.resume()
    await new Promise((resolve) => { setImmediate(resolve) })
    t.equal(found.length, count)
  }
  stream.resume()
  await ended
  t.equal(found.join(''), whole)

  const paused = body()
  paused.pause()
  paused.on('data', () => { t.fail('it is paused') })
  await new Promise((resolve) => { setImmediate(resolve) })
  t.ok(paused.isPaused())
})

t.test('it ends once, and not when it was destroyed; nobody has to listen', async (t) => {
  let ends = 0
  const stream = body().on('end', () => { ends++ })
  const order: string[] = []
  stream.on('data', (chunk: Buffer) => { order.push(`1 ${String(chunk)}`) }).on('data', (chunk: Buffer) => { order.push(`2 ${String(chunk)}`) })
  await new Promise((resolve) => { setImmediate(resolve) })
  stream.resume().on('data', () => { t.fail('it has ended') })
  await new Promise((resolve) => { setImmediate(resolve) })
  t.equal(ends, 1)
  t.strictSame(order, ['1 one ', '2 one ', '1 two ', '2 two ', '1 three', '2 three'])

  const destroyed = body().on('end', () => { t.fail('it was destroyed') })
  destroyed.on('data', () => { destroyed.destroy() })
  destroyed.resume()
  await new Promise((resolve) => { setImmediate(resolve) })

  const ignored = body()
  const end = new Promise((resolve) => { ignored.on('end', resolve) })
  ignored.resume()
  await end
  t.ok(ignored.readableEnded)
  t.equal(new ReadBody([], Object.assign(new Readable(), { receivedEncodedLength: 5 })).receivedEncodedLength, 5)
})
