import { Binary, Decimal128, Double, ObjectId } from 'bson'
import fc from 'fast-check'
import t from 'tap'
import { Collection } from '../../testing/embedded-mongo/collection.js'
import { select } from '../../testing/embedded-mongo/commands/find.js'
import type { Document } from '../../testing/embedded-mongo/document.js'
import { compare, equal, reversed, sortKey } from '../../testing/embedded-mongo/ordering.js'
import { OrderedMap } from '../../testing/embedded-mongo/ordered-map.js'

const context = { now: new Date(0), variables: {} }

const scalar = fc.constantFrom<unknown>(null, undefined, 1, 2, 2.5, -1, 0, NaN, 'a', 'b', 'ab', 'é', '\0', '', true, false, new Date(0), new Date(5), 5n, 9007199254740993n, new Double(2),
  new ObjectId('0'.repeat(24)), new ObjectId('f'.repeat(24)), new Binary(Buffer.from([255])), Decimal128.fromString('2.5'))
const defined = scalar.filter((value) => value !== undefined)
const value = fc.oneof({ weight: 6, arbitrary: scalar }, { weight: 2, arbitrary: fc.array(defined, { maxLength: 3 }) }, { weight: 1, arbitrary: fc.record({ x: defined }) }, { weight: 1, arbitrary: fc.array(fc.record({ x: defined }), { maxLength: 2 }) })
const documents = fc.array(fc.record({ a: value, b: scalar }), { maxLength: 25, size: 'max' })

const condition = fc.oneof(
  value.filter((operand) => operand !== undefined),
  fc.tuple(fc.constantFrom('$gt', '$gte', '$lt', '$lte', '$ne', '$eq'), defined).map(([operator, operand]) => ({ [operator]: operand })),
  fc.tuple(defined, defined).map(([low, high]) => ({ $gt: low, $lte: high })),
  fc.tuple(fc.constantFrom('$in', '$nin'), fc.array(value.filter((operand) => operand !== undefined), { maxLength: 3 })).map(([operator, operand]) => ({ [operator]: operand })),
  fc.boolean().map((operand) => ({ $exists: operand })),
  fc.constant({ $type: 'string' }),
  defined.map((operand) => ({ $not: { $gt: operand } }))
)
const simple = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'a.x', '_id'), condition), { minLength: 1, maxLength: 3 }).map((pairs): Document => Object.fromEntries(pairs))
const filter = fc.oneof(simple, fc.tuple(simple, simple).map(([left, right]): Document => ({ $or: [left, right] })), fc.tuple(simple, simple).map(([left, right]): Document => ({ $and: [left, right] })))
const sort = fc.constantFrom<Document | undefined>(undefined, { _id: 1 }, { b: 1, _id: 1 }, { b: -1, _id: -1 }, { a: 1, _id: 1 }, { a: -1, b: 1, _id: 1 })
const indexes = fc.subarray<Document>([
  { key: { a: 1 }, name: 'a' },
  { key: { a: -1, b: 1, _id: 1 }, name: 'ab' },
  { key: { b: 1, a: 1 }, name: 'ba' },
  { key: { b: -1, _id: -1 }, name: 'b' },
  { key: { 'a.x': 1 }, name: 'x', sparse: true },
  { key: { b: 1 }, name: 'sparse', sparse: true },
  { key: { a: 1 }, name: 'strings', partialFilterExpression: { b: { $type: 'string' } } },
  { key: { b: 1 }, name: 'large', partialFilterExpression: { b: { $gt: 1 } } },
  { key: { a: 1 }, name: 'present', partialFilterExpression: { a: { $exists: true } } }
])

t.test('an answer does not depend on the indexes', async (t) => {
  fc.assert(fc.property(documents, filter, sort, indexes, fc.array(fc.nat(24), { maxLength: 4 }), (given, filter, sort, specs, removed) => {
    const [bare, indexed] = [new Collection('x.bare', {}, new Uint8Array(16)), new Collection('x.indexed', {}, new Uint8Array(16))]
    for (const spec of specs) indexed.addIndex(spec)
    for (const [_id, fields] of given.entries()) {
      for (const collection of [bare, indexed]) collection.insert({ _id, ...fields })
    }
    for (const id of removed) {
      for (const collection of [bare, indexed]) {
        const record = collection.records.get(id + 1)
        if (record !== undefined && id % 2 === 0) collection.remove(record)
        else if (record !== undefined) collection.replace(record, { ...record.document, a: id, b: 'changed' })
      }
    }
    const ids = (collection: Collection, hint?: string): unknown[] => select(collection, { filter, sort, hint: hint === undefined ? undefined : { $natural: 1 } }, context).records.map(({ document }) => document['_id'])
    const inOrder = (list: unknown[]): unknown[] => sort === undefined ? [...list].sort((left, right) => Number(left) - Number(right)) : list
    const [without, withIndexes] = [inOrder(ids(bare, 'natural')), inOrder(ids(indexed))]
    return JSON.stringify(without) === JSON.stringify(withIndexes)
  }), {
    numRuns: 1000,
    examples: [[[{ a: [new Date(5), 2], b: null }], { $and: [{ a: { $lte: 2.5 } }, { a: { $gte: new Date(5) } }] }, undefined, [{ key: { a: 1 }, name: 'present', partialFilterExpression: { a: { $exists: true } } }], []]]
  })
  t.pass()
})

t.test('keys compare as values do', async (t) => {
  const deep = fc.oneof(value.filter((item) => item !== undefined), fc.double({ noNaN: true }), fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.string(), fc.date({ noInvalidDate: true }))
  fc.assert(fc.property(deep, deep, (left, right) => {
    const order = Math.sign(compare(left, right))
    const [a, b] = [sortKey(left), sortKey(right)]
    const byKey = a < b ? -1 : a > b ? 1 : 0
    const byReverse = reversed(a) < reversed(b) ? 1 : reversed(a) > reversed(b) ? -1 : 0
    return order === byKey && order === byReverse && equal(left, right) === (order === 0) && (a === b || !b.startsWith(a))
  }), { numRuns: 1000 })
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (left, right) => Math.sign(compare(left, right)) === Math.sign(Buffer.compare(Buffer.from(left), Buffer.from(right)))), { numRuns: 1000 })
  t.pass()
})

t.test('an ordered map keeps its order', async (t) => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(2000)), { maxLength: 3000, size: 'max' }), fc.nat(2000), (changes, from) => {
    const map = new OrderedMap<number, number>()
    const model = new Map<number, number>()
    for (const [add, key] of changes) {
      if (add) {
        map.set(key, -key)
        model.set(key, -key)
      } else if (map.delete(key) !== model.delete(key)) return false
    }
    const keys = [...model.keys()].sort((left, right) => left - right)
    return map.size === model.size &&
      JSON.stringify([...map.from()].map(([key]) => key)) === JSON.stringify(keys) &&
      JSON.stringify([...map.from(from)].map(([key]) => key)) === JSON.stringify(keys.filter((key) => key >= from)) &&
      JSON.stringify([...map.below(from)].map(([key]) => key)) === JSON.stringify(keys.filter((key) => key < from).reverse()) &&
      keys.every((key) => map.get(key) === -key)
  }), { numRuns: 200 })
  t.pass()
})
