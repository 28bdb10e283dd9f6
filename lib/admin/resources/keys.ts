import { jwtAlgorithms } from '../../provider/client-schema.js'
import type { KeyPosition, Keys } from '../../provider/keys.js'
import { invalidRequest } from '../invalid-request.js'
import { filtersOf, pageOf, pageQuery, pageSchema, readPage } from '../pages.js'
import { readBody } from '../read-body.js'
import type { Resource } from '../resource.js'

const text = { type: 'string' } as const
const time = { type: 'string', format: 'date-time' } as const
const view = {
  type: 'object',
  properties: {
    clientId: text,
    clientName: text,
    kid: text,
    algorithm: { type: 'string', enum: jwtAlgorithms },
    state: { type: 'string', enum: ['published', 'signing', 'retired'], description: '`published`: known to others, and signing from `signsFrom` on; `retired`: signs no more, but its tokens may still be good.' },
    createdAt: time,
    signsFrom: time
  }
} as const
const rotation = { type: 'object', additionalProperties: false, properties: { immediately: { type: 'boolean', default: false, description: 'It signs at once, before everybody can know it: for a key that leaked.' } } } as const

/** The keys that the provider signs clients' JWTs with, their public side. */
export function keysResource (keys: Keys): Resource {
  return {
    name: 'keys',
    operations: [
      {
        id: 'listKeys',
        method: 'GET',
        path: '/keys',
        roles: ['system'],
        summary: 'Signing keys of all clients, a page at a time',
        query: { ...pageQuery, clientId: { type: 'string', maxLength: 255 }, state: view.properties.state },
        answer: { status: 200, description: 'A page.', schema: pageSchema(view) },
        async run ({ query }) {
          const { limit, after } = readPage(query)
          const position = after === undefined ? undefined : readPosition(after)
          const { items, next } = await pageOf(limit, async (count) => await keys.page(count, position, filtersOf(query)), writePosition)
          return { body: { items }, next }
        }
      },
      {
        id: 'rotateKeyOfClient',
        method: 'POST',
        path: '/keys/:id/rotate',
        roles: ['system'],
        summary: 'A new key for a client, by its id, client id or name: published now, and signing when everybody can know it',
        body: rotation,
        answer: { status: 200, description: 'The client\'s keys, the new one last.', schema: { type: 'object', required: ['items'], properties: { items: { type: 'array', items: view } } } },
        async run ({ key, body, note }) {
          const { immediately } = readBody(rotation, body)
          return { body: { items: await keys.rotate(key, { ...note, immediately: immediately === true }) } }
        }
      }
    ]
  }
}

function writePosition ({ clientName, createdAt, kid }: KeyPosition): string {
  return `${createdAt.getTime()} ${kid} ${clientName}`
}

function readPosition (text: string): KeyPosition {
  const [, time, kid, clientName] = /^(\d{1,15}) (\S+) (.+)$/s.exec(text) ?? []
  if (time === undefined || kid === undefined || clientName === undefined) throw invalidRequest('after', 'must be "next" of the page before')
  return { clientName, createdAt: new Date(Number(time)), kid }
}
