import { readConfig, report } from './program.js'
import { servers, type ServerConfig } from './servers.js'

const config = readConfig<ServerConfig>()
const port = await servers[config.kind](config)
report({ port }, () => {
  const { user, system } = process.cpuUsage()
  return { cpuMicroseconds: user + system }
})
