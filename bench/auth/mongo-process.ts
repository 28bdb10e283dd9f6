import Fastify from 'fastify'
import docuwareAuth from 'fastify-docuware-auth'
import { startEmbeddedMongo } from 'fastify-docuware-auth/testing'
import { algorithms, audience, issuer, type VerificationKeys } from './credentials.js'
import { masterKey, usedValidator } from './our-app.js'
import { readConfig, report } from './program.js'

export interface MongoConfig {
  readonly keys: VerificationKeys
  /** Validators in the database `many`. */
  readonly validators: number
}

const { keys, validators } = readConfig<MongoConfig>()
const mongo = await startEmbeddedMongo()
await fill('one', 0)
await fill('many', validators)
report({ port: mongo.port })

/** A database with the validators in use, and copies of one of them under other names. */
async function fill (database: string, copies: number): Promise<void> {
  const app = Fastify()
  await app.register(docuwareAuth, { store: { uri: `mongodb://${mongo.host}/${database}`, secretKeys: [masterKey] }, jwt: {} })
  await app.ready()
  for (const algorithm of algorithms) {
    await app.jwtValidators.create({
      name: usedValidator(algorithm),
      audience,
      issuer,
      userIdStrategy: 'claim',
      ...(algorithm === 'HS256'
        ? { signatureType: 'secret', secretKey: keys.HS256 }
        : { signatureType: 'public_key', publicKeyAlgorithm: algorithm, publicKey: keys[algorithm] })
    })
  }
  const collection = app.store.connection.collection('dwa_validators')
  const { _id, ...original } = await collection.findOne({ name: usedValidator('RS256') }) ?? {}
  if (copies > 0) await collection.insertMany(Array.from({ length: copies }, (_, index) => ({ ...original, name: `copy_${index}` })))
  await app.close()
}
