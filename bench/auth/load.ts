import autocannon, { type Client } from 'autocannon'
import { staysAwake } from './stay-awake.js'

const connections = 64

/** What is sent: each connection takes its share of the tokens. Without tokens there is no Authorization header. */
export interface Load {
  readonly port: number
  readonly tokens: readonly string[]
  /** `each-once`: until every token was sent, and no token twice. Otherwise for so many seconds, in turn. */
  readonly until: 'each-once' | number
}

export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  /** CPU time of this process, which sends, as a share of the time that passed. */
  readonly clientCpu: number
}

/**
 * Sends requests over 64 connections. They are made up beforehand, so that sending the ten-thousandth token costs what sending the first does.
 * A short turn on a busy machine may have no answer.
 * @throws unless every answer is a 2xx
 */
export async function send ({ port, tokens, until }: Load): Promise<LoadResult> {
  const count = tokens.length < connections && until === 'each-once' ? tokens.length : connections
  let index = 0
  let began = 0
  let cpu = process.cpuUsage()
  let ended = 0
  const setupClient = (client: Client): void => {
    const share = tokens.length < connections ? tokens : tokens.filter((_, position) => position % connections === index)
    client.setRequests(share.length === 0 ? [{}] : share.map((token) => ({ headers: { authorization: `Bearer ${token}` } })))
    client.on('done', () => { ended = performance.now() })
    index++
    began = performance.now()
    cpu = process.cpuUsage()
  }
  const result = await staysAwake(async () => await autocannon({
    url: `http://127.0.0.1:${port}/`,
    connections: count,
    sampleInt: 50,
    setupClient,
    ...(until === 'each-once' ? { amount: tokens.length } : { duration: until })
  }))
  const { user, system } = process.cpuUsage(cpu)
  if (result.errors > 0 || result.non2xx > 0) throw new Error(`${result['2xx']} answers were right, ${result.non2xx} were not, ${result.errors} requests failed`)
  const seconds = (ended - began) / 1000
  return { requests: result['2xx'], seconds, clientCpu: (user + system) / 1e6 / seconds }
}
