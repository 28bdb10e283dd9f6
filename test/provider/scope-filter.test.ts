import { inspect } from 'node:util'
import mongoose from 'mongoose'
import t from 'tap'
import { findFilterProblem, resolveFilter } from '../../lib/provider/scope-filter.js'

const now = new Date('2026-01-01T00:00:00Z')

t.test('a filter may compare fields with values, the user and the time', async (t) => {
  const user = { _id: 'u1', team: { id: 7, tags: ['a', 'b'] } }
  const cases: ReadonlyArray<readonly [Record<string, unknown>, unknown]> = [
    [{}, {}],
    [{ _id: '$$user._id' }, { _id: 'u1' }],
    [{ 'owner.team': '$$user.team.id', open: true, size: { $gt: 1, $lte: 9 } }, { 'owner.team': 7, open: true, size: { $gt: 1, $lte: 9 } }],
    [{ $or: [{ tag: { $in: '$$user.team.tags' } }, { until: { $gte: '$$now' } }], $nor: [{ gone: { $exists: true } }] }, { $or: [{ tag: { $in: ['a', 'b'] } }, { until: { $gte: now } }], $nor: [{ gone: { $exists: true } }] }],
    [{ lines: { $elemMatch: { owner: '$$user._id', $or: [{ a: 1 }, { b: null }] } }, marks: { $elemMatch: { $gt: 3 } } }, { lines: { $elemMatch: { owner: 'u1', $or: [{ a: 1 }, { b: null }] } }, marks: { $elemMatch: { $gt: 3 } } }],
    [{ price: '$5', shape: { legs: 4 }, list: [1, '$$user._id'] }, { price: '$5', shape: { legs: 4 }, list: [1, 'u1'] }]
  ]
  for (const [filter, expected] of cases) {
    t.equal(findFilterProblem(filter), null, JSON.stringify(filter))
    t.strictSame(resolveFilter(filter, { user, now }), expected)
  }
})

t.test('security 32: what could run code, reach further or cost too much is refused, when saved and when run', async (t) => {
  const deep = (depth: number): unknown => depth === 0 ? 1 : { $not: deep(depth - 1) }
  const branches = (depth: number): object => depth === 0 ? { a: 1 } : { $and: [branches(depth - 1)] }
  const refused: unknown[] = [
    null, [], 'x', 1, new Date(), { $where: '1' }, { $expr: { $eq: ['$a', '$b'] } }, { $function: {} }, { $jsonSchema: {} }, { $text: { $search: 'x' } }, { $comment: 'x' },
    { a: { $where: '1' } }, { a: { $regex: '(a+)+$' } }, { a: { $near: [1, 2] } }, { a: { $function: {} } }, { $or: [{ $where: '1' }] }, { $or: [] }, { $or: {} }, { $or: [1] }, { $and: 'x' },
    { a: { $elemMatch: { $where: '1' } } }, { a: { $elemMatch: { b: { $expr: 1 } } } }, { a: { $elemMatch: { $gt: { $where: 1 } } } }, { a: { $not: { $where: '1' } } }, { a: { b: { $where: 1 } } }, { a: { 'b.$c': 1 } },
    { '': 1 }, { 'a..b': 1 }, { 'a.$b': 1 }, { 'a\0': 1 }, JSON.parse('{"__proto__":{"a":1}}'), { 'a.__proto__.b': 1 }, { a: { constructor: 1 } },
    { a: '$$user' }, { a: '$$user.' }, { a: '$$USER.x' }, { a: '$$user.__proto__.x' }, { a: '$$user.a.constructor' }, { a: '$$root' }, { a: ['$$x'] }, { a: '$$user.a b' },
    { a: deep(20) }, branches(20), { a: undefined }, { a: () => 1 }, { a: 1n }, { a: new Map() }, { a: 'x'.repeat(20_000) }
  ]
  for (const filter of refused) {
    let shown = ''
    try {
      shown = JSON.stringify(filter)?.slice(0, 60) ?? ''
    } catch {
      shown = String(filter)
    }
    t.type(findFilterProblem(filter), 'string', shown)
    t.throws(() => resolveFilter(filter as Record<string, unknown>, { user: {}, now }), TypeError)
  }
})

t.test('where the user has no such field, or there is none, nothing matches', async (t) => {
  for (const filter of [{ a: '$$user.x' }, { a: { $ne: '$$user.x' } }, { $nor: [{ a: '$$user.none' }] }, { a: '$$user.toString' }, { a: '$$user.name.length' }, { a: '$$user.list.x' }]) {
    t.equal(resolveFilter(filter, { user: { name: 'Ann', none: null, list: [] }, now }), null, JSON.stringify(filter))
    t.equal(resolveFilter(filter, { user: null, now }), null)
  }
})

t.test('security 32: what a user has chosen for a field of theirs is compared as a value, or finds nothing', async (t) => {
  class Own { readonly $ne = 1 }
  const id = new mongoose.Types.ObjectId()
  const list = ['a', ['b', id]]
  for (const value of [{ $ne: null }, { $gt: '' }, { a: { $gt: '' } }, {}, [{ $ne: 1 }], [[{}]], /./, Object.create(null), new Own(), new Map(), () => 1, Symbol('x'), { _bsontype: 'ObjectId', $ne: 1 }, new mongoose.mongo.BSONRegExp('.'), new mongoose.mongo.Code('1')]) {
    for (const filter of [{ a: '$$user.x' }, { a: { $in: ['$$user.x'] } }, { $nor: [{ a: '$$user.x' }] }]) t.equal(resolveFilter(filter, { user: { x: value }, now }), null, inspect(value))
  }
  for (const value of ['$where', 0, false, 10n, now, id, mongoose.Types.Decimal128.fromString('1.5'), Buffer.from('x'), list]) {
    t.strictSame(resolveFilter({ a: '$$user.x' }, { user: { x: value }, now }), { a: value })
  }
  t.not(resolveFilter({ a: '$$user.x' }, { user: { x: list }, now })?.['a'], list, 'whoever runs the filter may change it')
})
