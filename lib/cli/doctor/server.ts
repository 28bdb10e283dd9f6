import type { mongo } from 'mongoose'
import { isLoopbackHost } from '../../http/private-address.js'
import type { Report } from './report.js'

/** Milliseconds that the two clocks may differ. */
const tolerance = 2000
const oldestMajor = 5

/** Node.js. */
export async function examineNode (report: Report, version: string): Promise<void> {
  await report.check('Node.js', (wrong) => {
    const [major = 0, minor = 0] = version.split('.').map(Number)
    if (major < 20 || (major === 20 && minor < 19)) wrong(`${version} is too old`, 'install Node.js 20.19 or newer')
    return version
  })
}

/** The way to the server, the server itself, and its clock. */
export async function examineServer (report: Report, db: mongo.Db, uri: string, now: () => number): Promise<void> {
  await report.check('connection', (wrong) => {
    const { hosts, encrypted } = readAddress(uri)
    const distant = hosts.filter((host) => !isLoopbackHost(host))
    if (distant.length > 0 && !encrypted) wrong(`the way to ${distant.join(', ')} is not encrypted`, 'add tls=true to the address')
    return 'it is encrypted, or leads to this machine'
  })
  await report.check('server', async (wrong) => {
    const { version }: mongo.Document = await db.admin().command({ buildInfo: 1 })
    const text = String(version)
    if (Number(text.split('.', 1).join()) < oldestMajor) wrong(`MongoDB ${text} is too old`, `move to MongoDB ${oldestMajor}.0 or newer`)
    return `MongoDB ${text}`
  })
  await report.check('clock', async (wrong) => {
    const asked = now()
    const { localTime }: mongo.Document = await db.admin().command({ hello: 1 })
    const difference = localTime instanceof Date ? localTime.getTime() - (asked + now()) / 2 : 0
    if (Math.abs(difference) > tolerance) wrong(`it is ${Math.round(Math.abs(difference) / 1000)} s ${difference > 0 ? 'behind' : 'ahead of'} that of the database server`, 'let both machines follow the same time server (NTP)')
    return 'this machine and the database server agree'
  })
}

/** @param uri one that the driver has taken already */
function readAddress (uri: string): { readonly hosts: readonly string[], readonly encrypted: boolean } {
  const [, scheme = '', list = '', query = ''] = /^(mongodb(?:\+srv)?):\/\/(?:[^@/]*@)?([^/?]*)[^?]*\??(.*)$/.exec(uri) ?? []
  const option = new URLSearchParams(query)
  const tls = option.get('tls') ?? option.get('ssl')
  return { hosts: list.split(',').map((host) => host.replace(/:\d+$/, '')), encrypted: tls === null ? scheme === 'mongodb+srv' : tls === 'true' }
}
