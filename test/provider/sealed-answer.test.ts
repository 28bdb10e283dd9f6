import mongoose from 'mongoose'
import t from 'tap'
import { AnswerExpiry } from '../../lib/provider/answer-expiry.js'
import { openAnswer, sealAnswer } from '../../lib/provider/sealed-answer.js'
import type { TokenFamilyDocument } from '../../lib/provider/token-family.js'
import type { TokenAnswer } from '../../lib/provider/token-families.js'
import { unavailable } from '../../lib/store/unavailable.js'
import { ManualClock } from '../manual-clock.js'
import { startTestMongo } from '../mongo.js'
import { eventually, storeApp } from '../store-app.js'
import { codeFor, makeClient, providerApp, redeem, refresh } from './provider-app.js'

const answer: TokenAnswer = { access_token: 'dwa_a_secret', token_type: 'Bearer', expires_in: 3600, refresh_token: 'dwa_r_secret', scope: 'read' }

t.test('26, 35: a sealed answer is opened by the token it was given to, in its family, and by nothing else', async (t) => {
  const sealed = sealAnswer(answer, 'dwa_r_presented', 'family')
  t.strictSame(openAnswer(sealed, 'dwa_r_presented', 'family'), answer)
  for (const [token, family] of [['dwa_r_presentee', 'family'], ['dwa_r_presented', 'familz'], ['dwa_r_secret', 'family'], ['', 'family'], ['family', 'dwa_r_presented']] as const) t.equal(openAnswer(sealed, token, family), null, `${token} ${family}`)
  const parts = sealed.split('.').map((part) => Buffer.from(part, 'base64url'))
  for (const [at, part] of parts.entries()) {
    for (const altered of [Buffer.concat([part, part]), part.subarray(1), Buffer.from(part.map((byte) => byte ^ 1))]) t.equal(openAnswer(parts.with(at, altered).map((one) => one.toString('base64url')).join('.'), 'dwa_r_presented', 'family'), null, `part ${at} altered`)
  }
  for (const text of ['', 'x', 'x.y.z', `${sealed}.x`]) t.equal(openAnswer(text, 'dwa_r_presented', 'family'), null, `"${text}"`)
  t.not(sealAnswer(answer, 'dwa_r_presented', 'family'), sealed, 'never twice the same')
  for (const encoding of ['utf8', 'base64', 'base64url', 'hex'] as const) t.notOk(sealed.includes(Buffer.from('dwa_r_secret').toString(encoding).slice(0, 12)), encoding)
})

t.test('26, 35: a sealed answer is taken out of the database when its grace is over', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, { uri, provider: { refreshGraceSeconds: 2 } })
  const shop = await makeClient(app)
  const { body } = await redeem(app, shop, await codeFor(app, shop))
  const successor = await refresh(app, shop, body['refresh_token'])
  const families = app.store.connection.collection<TokenFamilyDocument>('dwa_token_families')
  t.type((await families.findOne())?.previous?.answer, 'string')
  t.strictSame((await refresh(app, shop, body['refresh_token'])).body, successor.body)
  await eventually('it is gone', async () => (await families.findOne())?.previous?.answer === undefined)
  t.match(await families.findOne(), { previous: { hash: /./, replays: 1 } }, 'the rest stays: reuse is known by it')
  t.equal((await refresh(app, shop, successor.body['refresh_token'])).status, 200)
})

t.test('sealed answers go together, each not before its time, and not while the database is away or the app closed', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri })
  const documents = app.store.documents<TokenFamilyDocument>('families', [])
  await app.ready()
  const clock = new ManualClock()
  const began = clock.now()
  const lines: string[] = []
  const say = (_details: object, message: string): void => { lines.push(message) }
  let commands = 0
  let away = false
  const watched: Pick<typeof documents, 'run'> = {
    async run (operation) {
      commands++
      if (away) throw unavailable()
      return await documents.run(operation)
    }
  }
  const expiry = new AnswerExpiry({ documents: watched, clock, logger: { info: say, warn: say, error: say } })
  const seal = async (seconds: number): Promise<mongoose.mongo.ObjectId> => {
    const _id = new mongoose.mongo.ObjectId()
    const until = began + seconds * 1000
    await documents.run(async (families) => await families.updateOne({ _id }, { $set: { previous: { hash: 'x', until: new Date(until), replays: 0, answer: 'sealed' } } }, { upsert: true }))
    expiry.add(_id, until)
    return _id
  }
  const answers = async (ids: readonly mongoose.mongo.ObjectId[]): Promise<Array<string | undefined>> => await documents.run(async (families) => await Promise.all(ids.map(async (_id) => (await families.findOne({ _id }))?.previous?.answer)))

  const [first, second, late, again] = [await seal(10), await seal(10.5), await seal(20), await seal(10)]
  await documents.run(async (families) => await families.updateOne({ _id: again }, { $set: { previous: { hash: 'y', until: new Date(began + 20_000), replays: 0, answer: 'the next' } } }))
  clock.advance(10_999)
  t.equal(commands, 0)
  clock.advance(1)
  await eventually('the first are gone', async () => (await answers([first, second])).every((answer) => answer === undefined))
  t.equal(commands, 1, 'by one command')
  t.strictSame(await answers([late, again]), ['sealed', 'the next'])
  clock.advance(10_000)
  await eventually('the others follow', async () => (await answers([late]))[0] === undefined)
  t.equal(commands, 2)

  away = true
  const left = await seal(30)
  clock.advance(20_000)
  await eventually('it is said', () => lines.length > 0)
  t.strictSame(lines, ['sealed answers of refresh tokens stay until their families are written again'])
  t.strictSame(await answers([left]), ['sealed'])
  const waiting = await seal(60)
  expiry.stop()
  await seal(60)
  clock.advance(100_000)
  t.equal(commands, 3, 'a closed app writes no more')
  t.strictSame(await answers([waiting]), ['sealed'])
})
