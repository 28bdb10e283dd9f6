import { jwtAlgorithms } from '../../provider/client-schema.js'
import type { Keys, KeyView } from '../../provider/keys.js'
import { filtersOf, pageQuery, pageSchema, readPage, sliceOf } from '../pages.js'
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

/** The keys that the provider signs clients' JWTs with, their public side. There are few: their list is cut from the whole. */
export function keysResource (keys: Keys): Resource {
  const positionOf = ({ clientName, createdAt, kid }: KeyView): string => [clientName, createdAt.toISOString(), kid].join('\n')
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
          const { items, next } = await sliceOf(await keys.list(), limit, after, positionOf, filtersOf(query))
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
