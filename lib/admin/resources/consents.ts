import type { ConsentManagement } from '../../../types/provider.js'
import { errors } from '../../errors.js'
import type { ConsentView } from '../../provider/consent-kind.js'
import { filtersOf, pageOf, pageQuery, pageSchema, readPage } from '../pages.js'
import type { Resource } from '../resource.js'

const text = { type: 'string' } as const
const time = { type: 'string', format: 'date-time' } as const
const view = {
  type: 'object',
  properties: {
    id: text,
    client: { ...text, description: 'The id of the client\'s record.' },
    user: { ...text, description: 'The app\'s id of the person.' },
    scopes: { type: 'array', items: text },
    grantedAt: time,
    updatedAt: time
  }
} as const

/** What all people have agreed to. People see and end their own at the provider's pages. */
export function consentsResource (consents: ConsentManagement): Resource {
  const roles = ['oauth_provider'] as const

  async function existing (id: string): Promise<ConsentView> {
    const found = await consents.get(id)
    if (found === null) throw new errors.DWA_STORE_NOT_FOUND(`The consent "${id}"`)
    return found
  }

  return {
    name: 'consents',
    operations: [
      {
        id: 'listConsents',
        method: 'GET',
        path: '/consents',
        roles,
        summary: 'Consents of all people, a page at a time',
        query: { ...pageQuery, user: { type: 'string', maxLength: 200, description: 'Of one person.' }, client: { type: 'string', maxLength: 100, description: 'To one client, by its record\'s id.' } },
        answer: { status: 200, description: 'A page.', schema: pageSchema(view) },
        async run ({ query }) {
          const { limit, after } = readPage(query)
          const { items, next } = await pageOf(limit, async (count) => await consents.page(count, after, filtersOf(query)), ({ position }) => position)
          return { body: { items: items.map(({ position: _, ...item }) => item) }, next }
        }
      },
      {
        id: 'getConsent',
        method: 'GET',
        path: '/consents/:id',
        roles,
        summary: 'One consent',
        answer: { status: 200, description: 'It.', schema: view },
        run: async ({ key }) => ({ body: await existing(key) })
      },
      {
        id: 'revokeConsent',
        method: 'DELETE',
        path: '/consents/:id',
        roles,
        summary: 'Ends a consent, and everything that was issued by it, whatever it covers by now',
        answer: { status: 204, description: 'It is over.' },
        async run ({ key, note }) {
          const { user, client } = await existing(key)
          await consents.revoke({ user, client }, note)
          return { status: 204 }
        }
      }
    ]
  }
}
