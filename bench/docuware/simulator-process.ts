import { startDocuWare } from 'fastify-docuware-auth/testing'
import { readConfig, report } from '../auth/program.js'
import type { SimulatorConfig } from './simulator-config.js'

const { redirectUri, clientId, clientSecret, user } = readConfig<SimulatorConfig>()
const docuWare = await startDocuWare({ autoApprove: true, redirectUris: [redirectUri], clientId, clientSecret, user, fileCabinetsPerMinute: 0 })
process.on('message', (message) => {
  if (message === 'expire') docuWare.expireTokens()
})
report({ platformPort: Number(new URL(docuWare.platformUrl).port) }, () => ({ refreshes: docuWare.counters()['POST /connect/token refresh_token'] ?? 0 }))
