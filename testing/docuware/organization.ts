import { randomBytes, randomUUID } from 'node:crypto'
import { platformBase } from './documents.js'
import type { Answer, Received } from './exchange.js'
import { member, platformAnswer, platformFailure, readJsonObject, type JsonObject } from './platform-answer.js'
import type { Tenant } from './tenant.js'

const maxUsersCreated = 10_000

/** `/Organizations`. */
export function organizations (tenant: Tenant, received: Received): Answer {
  return platformAnswer(tenant, received, 'Organizations', { Organization: [showOrganization(tenant)] })
}

/** `/Organization`. */
export function organization (tenant: Tenant, received: Received): Answer {
  return platformAnswer(tenant, received, 'Organization', showOrganization(tenant))
}

/** `/Organization/UserInfo`: GET says who is calling. POST, one letter away, creates a user. */
export async function userInfo (tenant: Tenant, received: Received): Promise<Answer> {
  if (received.method === 'GET') {
    const { sub, username, name, email } = tenant.user
    return platformAnswer(tenant, received, 'UserInfo', { User: showUser(sub, name, username, email) })
  }
  if (tenant.switches.userInfoPost === '405') throw platformFailure(tenant, received, 405, 'The requested resource does not support http method \'POST\'.', { allow: 'GET' })
  const body = await readJsonObject(tenant, received)
  if (tenant.usersCreated.length >= maxUsersCreated) throw platformFailure(tenant, received, 422, 'Too many users')
  tenant.usersCreated.push(body)
  const text = (key: string): string => String(member(body, key) ?? '')
  return platformAnswer(tenant, received, 'User', showUser(randomUUID(), text('Name'), text('DBName'), text('Email')))
}

/** `/Organization/LoginToken`: a token as a JSON string. */
export async function loginToken (tenant: Tenant, received: Received): Promise<Answer> {
  await readJsonObject(tenant, received)
  return platformAnswer(tenant, received, 'string', tenant.secrets.add('loginTokens', randomBytes(96).toString('base64')))
}

function showOrganization (tenant: Tenant): JsonObject {
  const { id, name, guid } = tenant.organization
  const link = (rel: string, path: string): JsonObject => ({ rel, href: platformBase + path })
  return {
    Id: id,
    Name: name,
    Guid: guid,
    AdditionalInfo: { OrganizationType: 'Cloud', SystemNumber: 'simulator' },
    ConfigurationRights: [],
    Links: [link('self', '/Organization'), link('filecabinets', '/FileCabinets'), link('userInfo', '/Organization/UserInfo'), link('loginToken', '/Organization/LoginToken')]
  }
}

function showUser (id: string, name: string, dbName: string, email: string): JsonObject {
  const [first = '', ...last] = name.split(' ')
  return {
    Id: id,
    Name: name,
    FirstName: first,
    LastName: last.join(' '),
    Salutation: '',
    DBName: dbName,
    Active: true,
    EMail: email,
    DefaultWebBasket: '',
    OutOfOffice: { IsOutOfOffice: false },
    RegionalSettings: { Language: 'en', Culture: 'en-US', Calendar: 'Gregorian' },
    Links: [{ rel: 'self', href: `${platformBase}/Organization/UserByID?userId=${id}` }]
  }
}
