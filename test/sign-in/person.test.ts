import t from 'tap'
import { personOf, type Claims } from '../../lib/sign-in/person.js'
import type { SignInOptions } from '../../lib/sign-in/sign-in-options.js'

type Mapping = Pick<SignInOptions, 'claims' | 'roles'>

const map = { admins: ['docuware', 'system'], shop: ['oauth_provider'], 'realm admins': ['system'] }
const groups: Mapping = { roles: { claim: 'groups', map } }

t.test('roles come from a claim that is a text, a list, missing, deep, or hostile', async (t) => {
  const cases: Array<[what: string, claims: string, mapping: Mapping, roles: string[]]> = [
    ['a text', '{"groups":"admins"}', groups, ['docuware', 'system']],
    ['a text is one group, not several', '{"groups":"admins shop"}', groups, []],
    ['a group with a blank', '{"groups":"realm admins"}', groups, ['system']],
    ['a list, each role once', '{"groups":["admins","shop","realm admins","unknown"]}', groups, ['docuware', 'system', 'oauth_provider']],
    ['what is no text gives nothing', '{"groups":["shop",1,null,{"admins":true},["admins"]]}', groups, ['oauth_provider']],
    ['none', '{}', groups, []],
    ['null', '{"groups":null}', groups, []],
    ['an object', '{"groups":{"admins":true}}', groups, []],
    ['letter case counts', '{"groups":["Admins"]}', groups, []],
    ['names that every object has', '{"groups":["__proto__","constructor","toString","hasOwnProperty"]}', groups, []],
    ['a claim called __proto__', '{"__proto__":{"groups":["admins"]}}', groups, []],
    ['asked for by that name', '{"__proto__":"admins"}', { roles: { claim: '__proto__', map } }, ['docuware', 'system']],
    ['which is not there', '{}', { roles: { claim: '__proto__', map } }, []],
    ['nor is constructor.name', '{}', { roles: { claim: 'constructor.name', map: { Object: ['system'] } } }, []],
    ['a path', '{"realm_access":{"roles":["shop"]}}', { roles: { claim: 'realm_access.roles', map } }, ['oauth_provider']],
    ['a path into a text', '{"realm_access":"roles"}', { roles: { claim: 'realm_access.roles.length', map: { 5: ['system'] } } }, []],
    ['a name with dots', '{"https://app.example/roles":["shop"]}', { roles: { claim: 'https://app.example/roles', map } }, ['oauth_provider']],
    ['a function says more', '{"groups":"shop","team":"ann"}', { roles: { ...groups.roles, of: ({ team }) => team === 'ann' ? ['docuware', 'oauth_provider'] : [] } }, ['oauth_provider', 'docuware']],
    ['no mapping, no roles', '{"groups":["docuware","system"],"roles":["system"]}', {}, []]
  ]
  for (const [what, claims, mapping, roles] of cases) t.strictSame(await personOf({ ...JSON.parse('{"sub":"ann"}'), ...parse(claims) }, mapping), { id: 'ann', roles }, what)
})

t.test('who it is: a text or a whole number, by `sub` or another claim; called by the first name there is', async (t) => {
  const cases: Array<[Claims, Mapping, object | null]> = [
    [{ sub: 'ann', name: 'Ann', preferred_username: 'a.archer' }, {}, { id: 'ann', name: 'Ann', roles: [] }],
    [{ sub: 'ann', name: '', preferred_username: 7, email: 'ann@example.org' }, {}, { id: 'ann', name: 'ann@example.org', roles: [] }],
    [{ sub: 'ann', name: 'n'.repeat(300) }, {}, { id: 'ann', name: 'n'.repeat(200), roles: [] }],
    [{ sub: 'ann', name: 'Ann', nickname: 'A' }, { claims: { name: 'nickname' } }, { id: 'ann', name: 'A', roles: [] }],
    [{ sub: 'ann', oid: 42 }, { claims: { id: 'oid' } }, { id: '42', roles: [] }],
    [{ sub: '' }, {}, null],
    [{ sub: ['ann'] }, {}, null],
    [{ sub: 1.5 }, {}, null],
    [{ sub: 'a'.repeat(201) }, {}, null],
    [{ email: 'ann@example.org' }, {}, null],
    [{ sub: 'ann' }, { claims: { id: 'toString' } }, null]
  ]
  for (const [claims, mapping, person] of cases) {
    if (person === null) await t.rejects(personOf(claims, mapping), { code: 'DWA_SIGN_IN_IDENTITY' }, JSON.stringify(claims))
    else t.strictSame(await personOf(claims, mapping), person)
  }
})

/** With a member called `__proto__` as JSON.parse makes it, which a spread would keep as well. */
function parse (json: string): Claims {
  const parsed: unknown = JSON.parse(json)
  return typeof parsed === 'object' && parsed !== null ? Object.fromEntries(Object.entries(parsed)) : {}
}
