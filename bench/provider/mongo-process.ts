import { startEmbeddedMongo } from 'fastify-docuware-auth/testing'
import { report } from '../auth/program.js'

const mongo = await startEmbeddedMongo()
report({ port: mongo.port }, () => {
  const { user, system } = process.cpuUsage()
  return { cpuMicroseconds: user + system, rss: process.memoryUsage().rss }
})
