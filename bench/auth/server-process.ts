import { readConfig, report } from './program.js'
import { servers, type ServerConfig } from './servers.js'

const configs = readConfig<readonly ServerConfig[]>()
const ports = await Promise.all(configs.map(async (config, index) => [`port ${index}`, await servers[config.kind](config)]))
report(Object.fromEntries(ports), () => {
  const { user, system } = process.cpuUsage()
  return { cpuMicroseconds: user + system }
})
