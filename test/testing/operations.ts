import { Binary, Decimal128, Double, Int32, Long, ObjectId, type Document } from 'mongodb'

/** One command and what the manual says a server answers. */
export interface Step {
  /** A command, one made from the answer before it, or a pass of the TTL monitor. */
  run: Document | ((last: Document) => Document) | 'expiry'
  /** Fields of the answer; others do not count. */
  answer?: Document
  /** The documents of the answer's batch: these and no others. */
  documents?: Document[]
}

/** Steps on a collection `c` that is not there at the beginning. */
export interface Scenario {
  name: string
  /** The page of MongoDB's manual, below https://www.mongodb.com/docs/manual/ */
  page: string
  /** A feature that a compatible server may lack. */
  needs?: keyof typeof features
  steps: Step[]
}

/** How to find out whether a server has a feature: commands that then succeed, on a collection `probe`. */
export const features = {
  'nested arrays': [{ insert: 'probe', documents: [{ a: [[1]] }] }],
  Decimal128: [{ insert: 'probe', documents: [{ a: Decimal128.fromString('1') }] }],
  capped: [{ create: 'probe', capped: true, size: 4096 }],
  'tailable cursors': [{ create: 'probe', capped: true, size: 4096 }, { insert: 'probe', documents: [{ a: 1 }] }, { find: 'probe', tailable: true }],
  'deletes from capped collections': [{ create: 'probe', capped: true, size: 4096 }, { insert: 'probe', documents: [{ a: 1 }] }, { delete: 'probe', deletes: [{ q: {}, limit: 0 }] }],
  'resizing capped collections': [{ create: 'probe', capped: true, size: 4096 }, { collMod: 'probe', cappedSize: 8192 }],
  'TTL indexes': [{ createIndexes: 'probe', indexes: [{ key: { at: 1 }, name: 'at_1', expireAfterSeconds: 0 }] }],
  'partial indexes': [{ createIndexes: 'probe', indexes: [{ key: { a: 1 }, name: 'a_1', partialFilterExpression: { a: { $exists: true } } }] }],
  'sparse indexes': [{ createIndexes: 'probe', indexes: [{ key: { a: 1 }, name: 'a_1', unique: true, sparse: true }] }],
  'array filters': [{ update: 'probe', updates: [{ q: {}, u: { $set: { 'a.$[x]': 1 } }, arrayFilters: [{ x: 1 }] }] }],
  'pipeline updates': [{ update: 'probe', updates: [{ q: {}, u: [{ $set: { a: 1 } }] }] }],
  $expr: [{ find: 'probe', filter: { $expr: { $eq: [1, 1] } } }],
  'aggregation expressions': [{ aggregate: 'probe', pipeline: [{ $addFields: { b: { $add: [1, 1] } } }, { $project: { b: { $cond: [true, 1, 2] } } }], cursor: {} }],
  $lookup: [{ aggregate: 'probe', pipeline: [{ $lookup: { from: 'probe', localField: 'a', foreignField: 'a', as: 'x' } }], cursor: {} }],
  $facet: [{ aggregate: 'probe', pipeline: [{ $facet: { x: [{ $limit: 1 }] } }], cursor: {} }],
  '$push modifiers': [{ insert: 'probe', documents: [{ _id: 1, a: [] }] }, { update: 'probe', updates: [{ q: {}, u: { $push: { a: { $each: [1], $slice: 1, $position: 0 } } } }] }],
  'pull by condition': [{ insert: 'probe', documents: [{ _id: 1, a: [1] }] }, { update: 'probe', updates: [{ q: {}, u: { $pull: { a: { $gt: 0 } } } }] }],
  'the positional operator': [{ insert: 'probe', documents: [{ _id: 1, a: [1] }] }, { update: 'probe', updates: [{ q: { a: 1 }, u: { $set: { 'a.$': 2 } } }] }],
  $natural: [{ find: 'probe', sort: { $natural: -1 } }],
  'positional projection': [{ insert: 'probe', documents: [{ _id: 1, a: [1] }] }, { find: 'probe', filter: { a: 1 }, projection: { 'a.$': 1 } }],
  'computed projection': [{ insert: 'probe', documents: [{ _id: 1, a: [1] }] }, { find: 'probe', filter: {}, projection: { b: { $concat: ['a', 'b'] } } }],
  'all kinds of projection': [{ insert: 'probe', documents: [{ _id: 1, a: [1, 2] }] }, { find: 'probe', filter: {}, projection: { a: { $slice: 1 } } }, { find: 'probe', filter: {}, projection: { a: { $elemMatch: { $gt: 1 } } } }],
  'bulk upserts': [{ update: 'probe', updates: [{ q: { a: 1 }, u: { $set: { b: 1 } }, upsert: true }, { q: { a: 2 }, u: { $set: { b: 1 } }, upsert: true }] }]
} satisfies Record<string, Document[]>

const insert = (...documents: Document[]): Step => ({ run: { insert: 'c', documents }, answer: { n: documents.length, ok: 1 } })
const find = (filter: Document, documents: Document[], options: Document = {}): Step => ({ run: { find: 'c', filter, ...options }, documents })
const index = (key: Document, options: Document = {}): Step => ({ run: { createIndexes: 'c', indexes: [{ key, name: 'i', ...options }] }, answer: { ok: 1 } })
const update = (q: Document, u: Document | Document[], answer: Document, options: Document = {}): Step => ({ run: { update: 'c', updates: [{ q, u, ...options }] }, answer: { ok: 1, ...answer } })
const changed = { n: 1, nModified: 1 }
const unchanged = { n: 1, nModified: 0 }
const duplicate = { code: 11000 }

/** One document, one update, and the document it becomes. */
function becomes (name: string, page: string, before: Document, u: Document | Document[], after: Document, more: { needs?: Scenario['needs'], options?: Document, q?: Document } = {}): Scenario {
  return {
    name,
    page,
    ...(more.needs === undefined ? {} : { needs: more.needs }),
    steps: [insert({ _id: 1, ...before }), update(more.q ?? { _id: 1 }, u, changed, more.options), find({}, [{ _id: 1, ...after }])]
  }
}

/** One document, and an update that a server refuses with a code. */
function refuses (name: string, page: string, before: Document, u: Document | Document[], code: number, more: { needs?: Scenario['needs'], options?: Document } = {}): Scenario {
  return {
    name,
    page,
    ...(more.needs === undefined ? {} : { needs: more.needs }),
    steps: [insert({ _id: 1, ...before }), update({ _id: 1 }, u, { n: 0, writeErrors: [{ index: 0, code }] }, more.options), find({}, [{ _id: 1, ...before }])]
  }
}

/** Documents `a: …`, numbered from 0, and which of them filters find. */
function finds (name: string, page: string, values: unknown[], cases: Array<[filter: Document, ids: number[]]>, needs?: Scenario['needs']): Scenario {
  return {
    name,
    page,
    ...(needs === undefined ? {} : { needs }),
    steps: [
      insert(...values.map((a, _id) => a === undefined ? { _id } : { _id, a })),
      ...cases.map(([filter, ids]) => find(filter, ids.map((_id) => ({ _id })), { projection: { _id: 1 }, sort: { _id: 1 } }))
    ]
  }
}

const oid = new ObjectId('65f000000000000000000001')
const day = new Date('2026-01-01T00:00:00Z')

const queries: Scenario[] = [
  finds('equality reaches into arrays', 'tutorial/query-arrays', [1, 2, [1, 2], '1', null, undefined], [
    [{ a: 1 }, [0, 2]], [{ a: { $eq: 1 } }, [0, 2]], [{ a: [1, 2] }, [2]], [{ a: '1' }, [3]]
  ]),
  finds('arrays in arrays are elements', 'tutorial/query-arrays', [[[1]], [1], [[1, 2]]], [[{ a: [1] }, [0, 1]], [{ a: 1 }, [1]], [{ a: { $size: 1 } }, [0, 1, 2]]], 'nested arrays'),
  finds('null matches null and missing fields', 'tutorial/query-for-null-fields', [null, undefined, 0, [], [null], { b: null }], [
    [{ a: null }, [0, 1, 4]], [{ a: { $ne: null } }, [2, 3, 5]], [{ a: { $exists: true } }, [0, 2, 3, 4, 5]], [{ a: { $exists: false } }, [1]], [{ a: { $type: 'null' } }, [0, 4]]
  ]),
  finds('numbers of all types compare by value', 'reference/bson-type-comparison-order', [1, new Double(1), Long.fromNumber(1), 1.5, Long.fromString('9007199254740993')], [
    [{ a: 1 }, [0, 1, 2]], [{ a: { $gt: 1 } }, [3, 4]], [{ a: { $lte: new Double(1.5) } }, [0, 1, 2, 3]], [{ a: Long.fromString('9007199254740993') }, [4]], [{ a: { $gt: 9007199254740992 } }, [4]]
  ]),
  finds('Decimal128 compares with other numbers', 'reference/bson-types', [Decimal128.fromString('1.50'), 1.5, Decimal128.fromString('2')], [
    [{ a: 1.5 }, [0, 1]], [{ a: { $gt: 1.5 } }, [2]], [{ a: 2 }, [2]]
  ], 'Decimal128'),
  finds('ranges compare values of one type only', 'reference/method/db.collection.find', [1, 5, '5', day, null, oid, true], [
    [{ a: { $gt: 1 } }, [1]], [{ a: { $gte: 1, $lt: 5 } }, [0]], [{ a: { $lt: '6' } }, [2]], [{ a: { $gte: day } }, [3]], [{ a: { $lte: oid } }, [5]], [{ a: { $gte: null } }, [4]], [{ a: { $lt: true } }, []]
  ]),
  finds('$ne and $nin match missing fields', 'reference/operator/query/nin', [1, 2, undefined, [1, 2]], [
    [{ a: { $ne: 1 } }, [1, 2]], [{ a: { $nin: [1, 3] } }, [1, 2]], [{ a: { $in: [2, 3] } }, [1, 3]], [{ a: { $in: [null] } }, [2]], [{ a: { $in: [] } }, []], [{ a: { $nin: [] } }, [0, 1, 2, 3]]
  ]),
  finds('$in takes regular expressions', 'reference/operator/query/in', ['abc', 'xbc', 'c'], [[{ a: { $in: [/^a/, 'c'] } }, [0, 2]]]),
  finds('$and, $or, $nor, $not', 'reference/operator/query-logical', [1, 2, 3, undefined], [
    [{ $or: [{ a: 1 }, { a: 3 }] }, [0, 2]], [{ $and: [{ a: { $gt: 1 } }, { a: { $lt: 3 } }] }, [1]], [{ $nor: [{ a: 1 }, { a: 2 }] }, [2, 3]], [{ a: { $not: { $gt: 1 } } }, [0, 3]]
  ]),
  finds('$exists and $type', 'reference/operator/query/type', ['s', 1, Long.fromNumber(1), new Double(1.5), day, oid, null, [1], { b: 1 }, true, new Binary(Buffer.from('x'))], [
    [{ a: { $type: 'string' } }, [0]], [{ a: { $type: 'int' } }, [1, 7]], [{ a: { $type: 'long' } }, [2]], [{ a: { $type: 'double' } }, [3]], [{ a: { $type: 'number' } }, [1, 2, 3, 7]],
    [{ a: { $type: 'date' } }, [4]], [{ a: { $type: 7 } }, [5]], [{ a: { $type: ['null', 'bool'] } }, [6, 9]], [{ a: { $type: 'array' } }, [7]], [{ a: { $type: 'object' } }, [8]], [{ a: { $type: 'binData' } }, [10]]
  ]),
  finds('$size and $all', 'reference/operator/query/size', [[], [1], [1, 2], 1], [
    [{ a: { $size: 1 } }, [1]], [{ a: { $size: 0 } }, [0]], [{ a: { $all: [1] } }, [1, 2, 3]], [{ a: { $all: [1, 2] } }, [2]], [{ a: { $all: [] } }, []]
  ]),
  finds('$elemMatch wants one element to satisfy everything', 'reference/operator/query/elemMatch', [[{ x: 1, y: 2 }], [{ x: 1, y: 1 }, { x: 2, y: 2 }], [5, 20], [15], { x: 1, y: 2 }], [
    [{ a: { $elemMatch: { x: 1, y: 2 } } }, [0]], [{ 'a.x': 1, 'a.y': 2 }, [0, 1, 4]], [{ a: { $elemMatch: { $gt: 10, $lt: 18 } } }, [3]], [{ a: { $gt: 10, $lt: 18 } }, [2, 3]]
  ]),
  finds('$regex and its options', 'reference/operator/query/regex', ['Hello', 'hello\nworld', 'other', ['x', 'hello'], 5], [
    [{ a: /^hello/ }, [1, 3]], [{ a: { $regex: '^hello', $options: 'i' } }, [0, 1, 3]], [{ a: { $regex: '^world', $options: 'm' } }, [1]], [{ a: { $not: /hello/i } }, [2, 4]], [{ a: { $regex: /HELLO/i } }, [0, 1, 3]]
  ]),
  finds('$mod', 'reference/operator/query/mod', [0, 4, 5, 12.5], [[{ a: { $mod: [4, 0] } }, [0, 1, 3]]]),
  finds('bits', 'reference/operator/query-bitwise', [54, 20, 0], [[{ a: { $bitsAllSet: 50 } }, [0]], [{ a: { $bitsAnySet: [2, 5] } }, [0, 1]], [{ a: { $bitsAllClear: 35 } }, [1, 2]]]),
  finds('dotted paths go through documents and arrays', 'tutorial/query-array-of-documents', [{ b: { c: 1 } }, { b: [{ c: 1 }, { c: 2 }] }, [{ b: { c: 1 } }], { b: 1 }, { b: [3, 4] }], [
    [{ 'a.b.c': 1 }, [0, 1, 2]], [{ 'a.b.1.c': 2 }, [1]], [{ 'a.b.0': 3 }, [4]], [{ 'a.0.b.c': 1 }, [2]], [{ 'a.b.c': { $exists: false } }, [3, 4]]
  ]),
  finds('embedded documents are equal in value and order', 'tutorial/query-embedded-documents', [{ x: 1, y: 2 }, { y: 2, x: 1 }, { x: 1 }], [[{ a: { x: 1, y: 2 } }, [0]], [{ 'a.x': 1 }, [0, 1, 2]]]),
  finds('binary values are equal by bytes and subtype', 'reference/bson-types', [new Binary(Buffer.from([255, 254])), new Binary(Buffer.from([255, 253])), new Binary(Buffer.from([255, 254]), 128)], [[{ a: new Binary(Buffer.from([255, 254])) }, [0]]]),
  finds('$expr compares fields', 'reference/operator/query/expr', [{ x: 1, y: 2 }, { x: 2, y: 1 }, { x: 1, y: 1 }], [[{ $expr: { $gt: ['$a.x', '$a.y'] } }, [1]], [{ $expr: { $eq: ['$a.x', '$a.y'] } }, [2]]], '$expr'),
  {
    name: 'a wrong filter is refused',
    page: 'reference/operator/query',
    steps: [
      insert({ _id: 1 }),
      { run: { find: 'c', filter: { a: { $foo: 1 } } }, answer: { ok: 0, code: 2, codeName: 'BadValue' } },
      { run: { find: 'c', filter: { $foo: 1 } }, answer: { ok: 0, code: 2 } },
      { run: { find: 'c', filter: { $or: [] } }, answer: { ok: 0, code: 2 } },
      { run: { find: 'c', filter: { a: { $in: 1 } } }, answer: { ok: 0, code: 2 } },
      { run: { find: 'c', filter: { a: { $size: -1 } } }, answer: { ok: 0, code: 2 } }
    ]
  }
]

const reading: Scenario[] = [
  {
    name: 'sort, skip and limit',
    page: 'reference/method/cursor.sort',
    steps: [
      insert(...[3, 1, 2, 1].map((a, _id) => ({ _id, a }))),
      find({}, [{ _id: 1, a: 1 }, { _id: 3, a: 1 }, { _id: 2, a: 2 }, { _id: 0, a: 3 }], { sort: { a: 1, _id: 1 } }),
      find({}, [{ _id: 3, a: 1 }, { _id: 2, a: 2 }], { sort: { a: 1, _id: 1 }, skip: 1, limit: 2 }),
      find({}, [{ _id: 0, a: 3 }], { sort: { a: -1 }, limit: 1, singleBatch: true }),
      { run: { find: 'c', filter: {}, limit: -1 }, answer: { ok: 0, code: 51024 } }
    ]
  },
  {
    name: 'values of different types have an order',
    page: 'reference/bson-type-comparison-order',
    steps: [
      insert(...[true, day, oid, 'a', 5, null, { x: 1 }].map((a, _id) => ({ _id, a }))),
      find({}, [5, 4, 3, 6, 2, 0, 1].map((_id) => ({ _id })), { sort: { a: 1 }, projection: { _id: 1 } })
    ]
  },
  {
    name: 'arrays sort by their least or greatest element',
    page: 'reference/method/cursor.sort',
    steps: [
      insert({ _id: 0, a: [5, 1] }, { _id: 1, a: 3 }, { _id: 2, a: [2, 4] }),
      find({}, [0, 2, 1].map((_id) => ({ _id })), { sort: { a: 1 }, projection: { _id: 1 } }),
      find({}, [0, 2, 1].map((_id) => ({ _id })), { sort: { a: -1 }, projection: { _id: 1 } })
    ]
  },
  {
    name: 'projection includes or excludes',
    page: 'tutorial/project-fields-from-query-results',
    steps: [
      insert({ _id: 1, a: 1, b: { c: 2, d: 3 }, e: [{ f: 1, g: 2 }] }),
      find({}, [{ _id: 1, a: 1 }], { projection: { a: 1 } }),
      find({}, [{ a: 1 }], { projection: { a: 1, _id: 0 } }),
      find({}, [{ _id: 1, b: { c: 2, d: 3 }, e: [{ f: 1, g: 2 }] }], { projection: { a: 0 } }),
      find({}, [{ _id: 1, b: { c: 2 } }], { projection: { 'b.c': 1 } }),
      find({}, [{ _id: 1, a: 1, b: { d: 3 }, e: [{ f: 1 }] }], { projection: { 'b.c': 0, 'e.g': 0 } }),
      find({}, [{ _id: 1, e: [{ f: 1 }] }], { projection: { 'e.f': 1 } }),
      { run: { find: 'c', projection: { a: 1, b: 0 } }, answer: { ok: 0, code: 31254 } },
      { run: { find: 'c', projection: { a: 0, b: 1 } }, answer: { ok: 0, code: 31253 } }
    ]
  },
  {
    name: '$slice and $elemMatch in a projection',
    page: 'reference/operator/projection/slice',
    needs: 'all kinds of projection',
    steps: [
      insert({ _id: 1, a: [1, 2, 3], b: 1 }),
      find({}, [{ _id: 1, a: [1, 2], b: 1 }], { projection: { a: { $slice: 2 } } }),
      find({}, [{ _id: 1, a: [3], b: 1 }], { projection: { a: { $slice: -1 } } }),
      find({}, [{ _id: 1, a: [2], b: 1 }], { projection: { a: { $slice: [1, 1] } } }),
      find({}, [{ _id: 1, a: [2] }], { projection: { a: { $elemMatch: { $gt: 1 } } } })
    ]
  },
  {
    name: 'the positional projection gives the element that matched',
    page: 'reference/operator/projection/positional',
    needs: 'positional projection',
    steps: [insert({ _id: 1, a: [1, 5, 7] }), find({ a: { $gt: 4 } }, [{ _id: 1, a: [5] }], { projection: { 'a.$': 1 } })]
  },
  {
    name: 'a projection computes',
    page: 'reference/command/find',
    needs: 'computed projection',
    steps: [insert({ _id: 1, a: 'x' }), find({}, [{ _id: 1, b: 'x!' }], { projection: { b: { $concat: ['$a', '!'] } } })]
  },
  {
    name: 'batches',
    page: 'reference/command/getMore',
    steps: [
      insert(...[0, 1, 2, 3, 4].map((_id) => ({ _id }))),
      find({}, [{ _id: 0 }, { _id: 1 }], { batchSize: 2, sort: { _id: 1 } }),
      { run: ({ cursor }) => ({ getMore: Long.fromString(String(cursor.id)), collection: 'c', batchSize: 2 }), documents: [{ _id: 2 }, { _id: 3 }] },
      { run: ({ cursor }) => ({ getMore: Long.fromString(String(cursor.id)), collection: 'c' }), documents: [{ _id: 4 }], answer: { cursor: { id: 0 } } },
      { run: { getMore: Long.fromNumber(12345), collection: 'c' }, answer: { ok: 0, code: 43, codeName: 'CursorNotFound' } },
      find({}, [], { batchSize: 0 }),
      { run: ({ cursor }) => ({ killCursors: 'c', cursors: [Long.fromString(String(cursor.id))] }), answer: { ok: 1, cursorsNotFound: [] } }
    ]
  },
  {
    name: 'count and distinct',
    page: 'reference/command/distinct',
    steps: [
      insert({ _id: 0, a: 1 }, { _id: 1, a: [1, 2] }, { _id: 2, a: 'x' }, { _id: 3 }),
      { run: { count: 'c' }, answer: { n: 4, ok: 1 } },
      { run: { count: 'c', query: { a: 1 } }, answer: { n: 2 } },
      { run: { count: 'c', query: {}, limit: 2 }, answer: { n: 2 } },
      { run: { count: 'c', query: {}, skip: 3 }, answer: { n: 1 } },
      { run: { count: 'none' }, answer: { n: 0 } },
      { run: { distinct: 'c', key: 'a' }, answer: { values: [1, 2, 'x'] } },
      { run: { distinct: 'c', key: 'a', query: { _id: 0 } }, answer: { values: [1] } }
    ]
  },
  {
    name: 'aggregation: match, group, sort, unwind, project, count',
    page: 'reference/operator/aggregation-pipeline',
    steps: [
      insert({ _id: 0, k: 'a', n: 1, t: ['x', 'y'] }, { _id: 1, k: 'b', n: 2, t: [] }, { _id: 2, k: 'a', n: 3, t: ['x'] }),
      { run: { aggregate: 'c', pipeline: [{ $group: { _id: '$k', sum: { $sum: '$n' }, count: { $count: {} } } }, { $sort: { _id: 1 } }], cursor: {} }, documents: [{ _id: 'a', sum: 4, count: 2 }, { _id: 'b', sum: 2, count: 1 }] },
      { run: { aggregate: 'c', pipeline: [{ $unwind: '$t' }, { $group: { _id: '$t', n: { $sum: 1 } } }, { $sort: { n: -1 } }], cursor: {} }, documents: [{ _id: 'x', n: 2 }, { _id: 'y', n: 1 }] },
      { run: { aggregate: 'c', pipeline: [{ $match: { n: { $gt: 1 } } }, { $sort: { n: -1 } }, { $project: { n: 1 } }], cursor: {} }, documents: [{ _id: 2, n: 3 }, { _id: 1, n: 2 }] },
      { run: { aggregate: 'c', pipeline: [{ $match: { k: 'a' } }, { $count: 'many' }], cursor: {} }, documents: [{ many: 2 }] },
      { run: { aggregate: 'c', pipeline: [{ $sort: { _id: 1 } }, { $skip: 1 }, { $limit: 1 }], cursor: {} }, documents: [{ _id: 1, k: 'b', n: 2, t: [] }] },
      { run: { aggregate: 'c', pipeline: [{ $foo: 1 }], cursor: {} }, answer: { ok: 0, code: 40324 } },
      { run: { aggregate: 'c', pipeline: [] }, answer: { ok: 0, code: 9 } }
    ]
  },
  {
    name: '$lookup joins another collection',
    page: 'reference/operator/aggregation/lookup',
    needs: '$lookup',
    steps: [
      insert({ _id: 1, other: 'x' }),
      { run: { insert: 'd', documents: [{ _id: 'x', v: 1 }] }, answer: { n: 1 } },
      { run: { aggregate: 'c', pipeline: [{ $lookup: { from: 'd', localField: 'other', foreignField: '_id', as: 'found' } }], cursor: {} }, documents: [{ _id: 1, other: 'x', found: [{ _id: 'x', v: 1 }] }] },
      { run: { drop: 'd' } }
    ]
  },
  {
    name: '$facet runs several pipelines',
    page: 'reference/operator/aggregation/facet',
    needs: '$facet',
    steps: [
      insert({ _id: 1 }, { _id: 2 }),
      { run: { aggregate: 'c', pipeline: [{ $facet: { total: [{ $count: 'n' }], first: [{ $sort: { _id: 1 } }, { $limit: 1 }] } }], cursor: {} }, documents: [{ total: [{ n: 2 }], first: [{ _id: 1 }] }] }
    ]
  }
]

const expressions: Array<[expression: unknown, value: unknown]> = [
  [{ $add: ['$n', 1, 0.5] }, 4.5], [{ $subtract: ['$later', '$day'] }, 60_000], [{ $add: ['$day', 60_000] }, new Date(day.getTime() + 60_000)], [{ $multiply: ['$n', 2] }, 6], [{ $divide: ['$n', 2] }, 1.5],
  [{ $mod: ['$n', 2] }, 1], [{ $eq: ['$none', null] }, false], [{ $gt: ['$none', null] }, false], [{ $lt: ['$none', null] }, true], [{ $lte: ['$day', '$later'] }, true], [{ $gt: ['a', 1] }, true],
  [{ $cond: { if: { $gte: ['$n', 3] }, then: 'yes', else: 'no' } }, 'yes'], [{ $cond: ['', 1, 2] }, 1], [{ $ifNull: ['$none', '$nil', 'default'] }, 'default'], [{ $concat: ['a', '$s'] }, 'ax'], [{ $concat: ['a', '$none'] }, null],
  [{ $size: '$list' }, 3], [{ $in: [2, '$list'] }, true], [{ $arrayElemAt: ['$list', -1] }, 3], [{ $slice: ['$list', -2] }, [2, 3]], [{ $concatArrays: ['$list', [4]] }, [1, 2, 3, 4]],
  [{ $filter: { input: '$list', as: 'x', cond: { $gt: ['$$x', 1] } } }, [2, 3]], [{ $map: { input: '$list', as: 'x', in: { $multiply: ['$$x', 2] } } }, [2, 4, 6]], [{ $reduce: { input: '$list', initialValue: 0, in: { $add: ['$$value', '$$this'] } } }, 6],
  [{ $mergeObjects: ['$doc', { b: 2 }] }, { a: 1, b: 2 }], [{ $literal: '$n' }, '$n'], [{ $toString: '$oid' }, '65f000000000000000000001'], [{ $toString: '$n' }, '3'], [{ $toObjectId: { $toString: '$oid' } }, oid], [{ $type: '$day' }, 'date'], [{ $type: '$oid' }, 'objectId'], [{ $type: '$none' }, 'missing'], [{ $and: [true, '$n'] }, true], [{ $or: [null, 0] }, false],
  [{ $not: ['$none'] }, true], [{ $max: ['$n', 7] }, 7], [{ $min: '$list' }, 1], [{ $toUpper: '$s' }, 'X'], [{ $let: { vars: { m: '$n' }, in: { $add: ['$$m', 1] } } }, 4], [{ $switch: { branches: [{ case: { $eq: ['$n', 3] }, then: 'three' }], default: 'other' } }, 'three'],
  [{ $dateAdd: { startDate: '$day', unit: 'second', amount: 30 } }, new Date(day.getTime() + 30_000)], [{ $toLong: '$day' }, day.getTime()], [{ $sum: '$list' }, 6], [{ $setUnion: [[1, 2], [2, 3]] }, [1, 2, 3]], ['$doc.a', 1], ['$$ROOT._id', 1], [{ $objectToArray: '$doc' }, [{ k: 'a', v: 1 }]]
]

const computing: Scenario = {
  name: 'expressions of an aggregation',
  page: 'reference/operator/aggregation',
  needs: 'aggregation expressions',
  steps: [
    insert({ _id: 1, n: 3, s: 'x', nil: null, list: [1, 2, 3], doc: { a: 1 }, day, later: new Date(day.getTime() + 60_000), oid }),
    ...expressions.map(([expression, value]): Step => ({ run: { aggregate: 'c', pipeline: [{ $project: { _id: 0, value: expression } }], cursor: {} }, documents: [{ value }] }))
  ]
}

const updates: Scenario[] = [
  becomes('$set makes embedded documents', 'reference/operator/update/set', { a: 1 }, { $set: { a: 2, 'b.c': 3 } }, { a: 2, b: { c: 3 } }),
  becomes('$set adds fields in the order of their names', 'reference/operator/update/set', {}, { $set: { z: 1, b: 2, a10: 3, a: 4 } }, { a: 4, a10: 3, b: 2, z: 1 }),
  becomes('$set fills an array with nulls', 'reference/operator/update/set', { a: [1] }, { $set: { 'a.3': 4 } }, { a: [1, null, null, 4] }),
  becomes('$unset removes fields and empties elements', 'reference/operator/update/unset', { a: 1, b: { c: 1, d: 2 }, e: [1, 2] }, { $unset: { a: '', 'b.c': '', 'e.0': '' } }, { b: { d: 2 }, e: [null, 2] }),
  becomes('$inc and $mul, on missing fields too', 'reference/operator/update/inc', { a: 1, b: 3 }, { $inc: { a: 2, c: 5 }, $mul: { b: 2, d: 7 } }, { a: 3, b: 6, c: 5, d: 0 }),
  becomes('$inc keeps fractions', 'reference/operator/update/inc', { a: 1 }, { $inc: { a: 0.5 } }, { a: 1.5 }),
  becomes('$min and $max', 'reference/operator/update/min', { a: 5, b: 5, d: day }, { $min: { a: 3, b: 9, c: 1 }, $max: { d: new Date(0), e: 2 } }, { a: 3, b: 5, d: day, c: 1, e: 2 }),
  becomes('$rename moves a value', 'reference/operator/update/rename', { a: 1, b: { c: 2 } }, { $rename: { a: 'x', 'b.c': 'y', none: 'z' } }, { b: {}, x: 1, y: 2 }),
  becomes('$push appends', 'reference/operator/update/push', { a: [1] }, { $push: { a: 2, b: 'x' } }, { a: [1, 2], b: ['x'] }),
  becomes('$push with $each, $position, $slice and $sort', 'reference/operator/update/push', { a: [1, 2], b: [3, 1], c: [1] },
    { $push: { a: { $each: [8, 9], $position: 1, $slice: 3 }, b: { $each: [2], $sort: -1, $slice: -2 }, c: { $each: [], $slice: 0 } } }, { a: [1, 8, 9], b: [2, 1], c: [] }, { needs: '$push modifiers' }),
  becomes('$addToSet adds what is not there', 'reference/operator/update/addToSet', { a: [1, { x: 1 }] }, { $addToSet: { a: { $each: [1, 2, 2, { x: 1 }] } } }, { a: [1, { x: 1 }, 2] }),
  becomes('$pull by value', 'reference/operator/update/pull', { a: [1, 2, 1], b: [1] }, { $pull: { a: 1 } }, { a: [2], b: [1] }),
  becomes('$pull by condition', 'reference/operator/update/pull', { a: [1, 5, 9], b: [{ x: 1, y: 2 }, { x: 2 }] }, { $pull: { a: { $gte: 5 }, b: { x: 1 } } }, { a: [1], b: [{ x: 2 }] }, { needs: 'pull by condition' }),
  becomes('$pullAll and $pop', 'reference/operator/update/pullAll', { a: [1, 2, 3], b: [1, 2], c: [1, 2] }, { $pullAll: { a: [1, 3] }, $pop: { b: 1, c: -1 } }, { a: [2], b: [1], c: [2] }),
  becomes('$bit', 'reference/operator/update/bit', { a: new Int32(13) }, { $bit: { a: { and: new Int32(10) } } }, { a: 8 }),
  becomes('the positional operator', 'reference/operator/update/positional', { a: [1, 5, 5], b: [{ x: 1 }, { x: 2 }] }, { $set: { 'a.$': 9 } }, { a: [1, 9, 5], b: [{ x: 1 }, { x: 2 }] }, { q: { a: 5 }, needs: 'the positional operator' }),
  becomes('the positional operator with documents', 'reference/operator/update/positional', { b: [{ x: 1 }, { x: 2 }] }, { $set: { 'b.$.y': 1 } }, { b: [{ x: 1 }, { x: 2, y: 1 }] }, { q: { 'b.x': 2 }, needs: 'the positional operator' }),
  becomes('all elements', 'reference/operator/update/positional-all', { a: [1, 2] }, { $inc: { 'a.$[]': 10 } }, { a: [11, 12] }, { needs: 'array filters' }),
  becomes('array filters', 'reference/operator/update/positional-filtered', { a: [{ x: 1 }, { x: 5 }] }, { $set: { 'a.$[e].y': 1 } }, { a: [{ x: 1 }, { x: 5, y: 1 }] }, { needs: 'array filters', options: { arrayFilters: [{ 'e.x': { $gt: 2 } }] } }),
  becomes('a replacement keeps the _id', 'reference/command/update', { a: 1 }, { b: 2 }, { b: 2 }),
  becomes('a pipeline computes from the document', 'tutorial/update-documents-with-aggregation-pipeline', { a: 1, b: 2 }, [{ $set: { c: { $add: ['$a', '$b'] } } }, { $unset: 'a' }], { b: 2, c: 3 }, { needs: 'pipeline updates' }),
  becomes('a pipeline decides', 'tutorial/update-documents-with-aggregation-pipeline', { n: 3, max: 3 }, [{ $set: { full: { $gte: ['$n', '$max'] }, left: { $cond: [{ $lt: ['$n', 2] }, 'many', 'none'] } } }], { n: 3, max: 3, full: true, left: 'none' }, { needs: 'pipeline updates' }),
  {
    name: '$currentDate sets a date',
    page: 'reference/operator/update/currentDate',
    steps: [
      insert({ _id: 1 }),
      update({ _id: 1 }, { $currentDate: { at: true, b: { $type: 'date' } } }, changed),
      find({ at: { $type: 'date', $gt: day }, b: { $type: 'date' } }, [{ _id: 1 }], { projection: { _id: 1 } })
    ]
  },
  {
    name: '$$NOW in a pipeline is the server\'s time',
    page: 'reference/aggregation-variables',
    needs: 'pipeline updates',
    steps: [insert({ _id: 1 }), update({ _id: 1 }, [{ $set: { at: '$$NOW' } }], changed), find({ at: { $type: 'date', $gt: day } }, [{ _id: 1 }], { projection: { _id: 1 } })]
  },
  {
    name: 'numbers keep their types',
    page: 'reference/operator/update/inc',
    steps: [
      insert({ _id: 1, i: new Int32(1), l: Long.fromNumber(1), d: new Double(1) }),
      update({ _id: 1 }, { $inc: { i: new Int32(1), l: new Int32(1), d: new Int32(1) } }, changed),
      find({ i: { $type: 'int' }, l: { $type: 'long' }, d: { $type: 'double' } }, [{ _id: 1 }], { projection: { _id: 1 } }),
      update({ _id: 1 }, { $inc: { i: new Int32(2147483647) } }, changed),
      find({ i: { $type: 'long' } }, [{ _id: 1 }], { projection: { _id: 1 } })
    ]
  },
  {
    name: 'an update that changes nothing modifies nothing',
    page: 'reference/command/update',
    steps: [
      insert({ _id: 1, a: 1, b: [1] }),
      update({ _id: 1 }, { $set: { a: 1 } }, unchanged),
      update({ _id: 1 }, { $inc: { a: 0 } }, unchanged),
      update({ _id: 1 }, { $addToSet: { b: 1 } }, unchanged),
      update({ _id: 1 }, { $unset: { none: 1 } }, unchanged),
      update({ _id: 2 }, { $set: { a: 1 } }, { n: 0, nModified: 0 })
    ]
  },
  {
    name: 'multi changes every match',
    page: 'reference/command/update',
    steps: [
      insert({ _id: 1, a: 1 }, { _id: 2, a: 1 }, { _id: 3, a: 2 }),
      update({ a: 1 }, { $set: { b: 1 } }, { n: 2, nModified: 2 }, { multi: true }),
      find({ b: 1 }, [{ _id: 1, a: 1, b: 1 }, { _id: 2, a: 1, b: 1 }])
    ]
  },
  {
    name: 'an upsert takes the equalities of the query and $setOnInsert',
    page: 'reference/operator/update/setOnInsert',
    steps: [
      update({ _id: 1, 'd.e': { $eq: 2 }, k: 'x', n: { $gt: 5 } }, { $set: { a: 1 }, $setOnInsert: { b: 2 } }, { n: 1, nModified: 0, upserted: [{ index: 0, _id: 1 }] }, { upsert: true }),
      find({}, [{ _id: 1, d: { e: 2 }, k: 'x', a: 1, b: 2 }]),
      update({ _id: 1 }, { $set: { a: 2 }, $setOnInsert: { b: 9 } }, changed, { upsert: true }),
      find({}, [{ _id: 1, d: { e: 2 }, k: 'x', a: 2, b: 2 }])
    ]
  },
  {
    name: 'an upsert by replacement',
    page: 'reference/command/update',
    steps: [update({ _id: 7, x: 1 }, { a: 1 }, { n: 1, upserted: [{ index: 0, _id: 7 }] }, { upsert: true }), find({}, [{ _id: 7, a: 1 }])]
  },
  {
    name: 'several upserts in one command',
    page: 'reference/command/update',
    needs: 'bulk upserts',
    steps: [{
      run: { update: 'c', updates: [{ q: { _id: 1 }, u: { $set: { a: 1 } }, upsert: true }, { q: { _id: 1 }, u: { $set: { a: 2 } }, upsert: true }, { q: { _id: 2 }, u: { $set: { a: 1 } }, upsert: true }] },
      answer: { n: 3, nModified: 1, upserted: [{ index: 0, _id: 1 }, { index: 2, _id: 2 }] }
    }]
  },
  refuses('_id is immutable', 'reference/method/db.collection.updateOne', { a: 1 }, { $set: { _id: 2 } }, 66),
  refuses('_id is immutable in a replacement', 'reference/method/db.collection.replaceOne', { a: 1 }, { _id: 2 }, 66),
  refuses('an unknown modifier', 'reference/operator/update', { a: 1 }, { $foo: { a: 1 } }, 9),
  refuses('two changes of one path', 'reference/operator/update', { a: 1 }, { $set: { a: 1 }, $inc: { a: 1 } }, 40),
  refuses('two changes of overlapping paths', 'reference/operator/update', { a: {} }, { $set: { a: 1, 'a.b': 2 } }, 40),
  refuses('$inc of a string', 'reference/operator/update/inc', { a: 'x' }, { $inc: { a: 1 } }, 14),
  refuses('$inc by a string', 'reference/operator/update/inc', { a: 1 }, { $inc: { a: 'x' } }, 14),
  refuses('$push to no array', 'reference/operator/update/push', { a: 1 }, { $push: { a: 1 } }, 2),
  refuses('$addToSet to no array', 'reference/operator/update/addToSet', { a: 1 }, { $addToSet: { a: 1 } }, 2),
  refuses('$pop of no array', 'reference/operator/update/pop', { a: 1 }, { $pop: { a: 1 } }, 14),
  refuses('a path through a number', 'reference/operator/update/set', { a: 1 }, { $set: { 'a.b': 1 } }, 28),
  refuses('an array filter that is not used', 'reference/operator/update/positional-filtered', { a: [1] }, { $set: { b: 1 } }, 9, { needs: 'array filters', options: { arrayFilters: [{ x: 1 }] } }),
  refuses('a name without an array filter', 'reference/operator/update/positional-filtered', { a: [1] }, { $set: { 'a.$[x]': 1 } }, 2, { needs: 'array filters' }),
  refuses('a replacement of many', 'reference/command/update', { a: 1 }, { b: 1 }, 9, { options: { multi: true } })
]

const findAndModify = (fields: Document, answer: Document): Step => ({ run: { findAndModify: 'c', ...fields }, answer })

const minutesLater = (minutes: number): Date => new Date(day.getTime() + minutes * 60_000)

/** As Agenda does it, ten minutes after `day`, with locks that hold for ten. */
const lockNextJob = {
  query: {
    name: 'sync',
    disabled: { $ne: true },
    $or: [{ lockedAt: { $eq: null }, nextRunAt: { $lte: minutesLater(10) } }, { lockedAt: { $lte: minutesLater(0) } }]
  },
  sort: { nextRunAt: 1, priority: -1 },
  update: { $set: { lockedAt: minutesLater(10) } },
  new: true
}

const modifying: Scenario[] = [
  {
    name: 'findAndModify in all its forms',
    page: 'reference/command/findAndModify',
    steps: [
      insert({ _id: 1, n: 1 }, { _id: 2, n: 2 }),
      findAndModify({ query: { n: { $gt: 0 } }, sort: { n: -1 }, update: { $inc: { n: 10 } } }, { value: { _id: 2, n: 2 }, lastErrorObject: { n: 1, updatedExisting: true } }),
      findAndModify({ query: { _id: 2 }, update: { $inc: { n: 1 } }, new: true, fields: { n: 1, _id: 0 } }, { value: { n: 13 } }),
      findAndModify({ query: { _id: 9 }, update: { $set: { n: 0 } } }, { value: null, lastErrorObject: { n: 0, updatedExisting: false } }),
      findAndModify({ query: { _id: 9 }, update: { $set: { n: 0 } }, upsert: true }, { value: null, lastErrorObject: { n: 1, updatedExisting: false, upserted: 9 } }),
      findAndModify({ query: { _id: 10 }, update: { $setOnInsert: { n: 7 } }, upsert: true, new: true }, { value: { _id: 10, n: 7 } }),
      findAndModify({ query: { _id: 10 }, update: { replaced: true }, new: true }, { value: { _id: 10, replaced: true } }),
      findAndModify({ query: { _id: 10 }, remove: true }, { value: { _id: 10, replaced: true }, lastErrorObject: { n: 1 } }),
      findAndModify({ query: { _id: 10 }, remove: true }, { value: null, lastErrorObject: { n: 0 } }),
      findAndModify({ query: {}, remove: true, new: true }, { ok: 0, code: 9 }),
      findAndModify({ query: {} }, { ok: 0, code: 9 })
    ]
  },
  {
    name: 'findAndModify locks the next of the jobs that are due or abandoned',
    page: 'reference/command/findAndModify',
    steps: [
      index({ name: 1, nextRunAt: 1, priority: -1, lockedAt: 1, disabled: 1 }),
      insert(
        { _id: 1, name: 'sync', nextRunAt: minutesLater(2), priority: 0, lockedAt: null, disabled: null },
        { _id: 2, name: 'sync', nextRunAt: minutesLater(1), priority: 0, lockedAt: null },
        { _id: 3, name: 'sync', nextRunAt: minutesLater(1), priority: 10, lockedAt: null, disabled: false },
        { _id: 4, name: 'sync', nextRunAt: null, priority: 0, lockedAt: minutesLater(-1) },
        { _id: 5, name: 'sync', nextRunAt: null, priority: 0, lockedAt: minutesLater(8) },
        { _id: 6, name: 'sync', nextRunAt: minutesLater(1), priority: 20, lockedAt: null, disabled: true },
        { _id: 7, name: 'sync', nextRunAt: minutesLater(11), priority: 0, lockedAt: null },
        { _id: 8, name: 'sync', nextRunAt: null, priority: 0, lockedAt: null },
        { _id: 9, name: 'other', nextRunAt: minutesLater(1), priority: 0, lockedAt: null }
      ),
      ...[4, 3, 2, 1].map((_id) => findAndModify(lockNextJob, { value: { _id, lockedAt: minutesLater(10) }, lastErrorObject: { n: 1, updatedExisting: true } })),
      findAndModify(lockNextJob, { value: null, lastErrorObject: { n: 0, updatedExisting: false } }),
      update({ _id: { $in: [1, 2] } }, { $unset: { lockedAt: true } }, { n: 2, nModified: 2 }, { multi: true }),
      ...[2, 1].map((_id) => findAndModify(lockNextJob, { value: { _id } })),
      update({ _id: 4, nextRunAt: { $ne: null } }, { $unset: { lockedAt: true } }, { n: 0, nModified: 0 }),
      update({ name: { $nin: ['sync'] } }, { $set: { disabled: true } }, changed, { multi: true })
    ]
  },
  {
    name: 'findAndModify keeps one job of a kind, by its data or its type',
    page: 'reference/command/findAndModify',
    steps: [
      ...[1, 2].map((run) => findAndModify(
        { query: { name: 'sync', 'data.connection': 'a' }, update: { $set: { name: 'sync', data: { connection: 'a', run }, lockedAt: null } }, upsert: true, new: true, fields: { _id: 0 } },
        { value: { name: 'sync', data: { connection: 'a', run }, lockedAt: null }, lastErrorObject: { n: 1, updatedExisting: run === 2 } }
      )),
      ...[1, 2].map((run) => findAndModify(
        { query: { name: 'sync', 'data.connection': 'b' }, update: { $setOnInsert: { name: 'sync', data: { connection: 'b', run } } }, upsert: true, new: true, fields: { _id: 0 } },
        { value: { name: 'sync', data: { connection: 'b', run: 1 } } }
      )),
      ...[1, 2].map((run) => findAndModify(
        { query: { name: 'hourly', type: 'single' }, update: { $set: { name: 'hourly', type: 'single', run }, $setOnInsert: { nextRunAt: minutesLater(run) } }, upsert: true, new: true, fields: { _id: 0 } },
        { value: { name: 'hourly', type: 'single', run, nextRunAt: minutesLater(1) } }
      )),
      { run: { aggregate: 'c', pipeline: [{ $group: { _id: '$name' } }, { $sort: { _id: 1 } }], cursor: {} }, documents: [{ _id: 'hourly' }, { _id: 'sync' }] },
      { run: { count: 'c', query: { name: { $regex: 'HOUR', $options: 'i' } } }, answer: { n: 1 } }
    ]
  },
  {
    name: 'delete one or all',
    page: 'reference/command/delete',
    steps: [
      insert({ _id: 1, a: 1 }, { _id: 2, a: 1 }, { _id: 3, a: 1 }, { _id: 4 }),
      { run: { delete: 'c', deletes: [{ q: { a: 1 }, limit: 1 }] }, answer: { n: 1 } },
      { run: { delete: 'c', deletes: [{ q: { a: 1 }, limit: 0 }] }, answer: { n: 2 } },
      { run: { delete: 'c', deletes: [{ q: { a: 1 }, limit: 0 }] }, answer: { n: 0 } },
      find({}, [{ _id: 4 }]),
      { run: { delete: 'c', deletes: [{ q: {}, limit: 5 }] }, answer: { ok: 0, code: 9 } }
    ]
  }
]

const indexes: Scenario[] = [
  {
    name: 'a duplicate _id is refused, in order or not',
    page: 'reference/command/insert',
    steps: [
      insert({ _id: 1 }),
      { run: { insert: 'c', documents: [{ _id: 2 }, { _id: 1 }, { _id: 3 }] }, answer: { n: 1, ok: 1, writeErrors: [{ index: 1, ...duplicate, keyPattern: { _id: 1 }, keyValue: { _id: 1 } }] } },
      { run: { insert: 'c', documents: [{ _id: 4 }, { _id: 1 }, { _id: 5 }], ordered: false }, answer: { n: 2, ok: 1, writeErrors: [{ index: 1, ...duplicate }] } },
      { run: { count: 'c' }, answer: { n: 4 } }
    ]
  },
  {
    name: 'a unique index holds for inserts, updates and upserts',
    page: 'core/index-unique',
    steps: [
      index({ k: 1 }, { unique: true, name: 'k_1' }),
      insert({ _id: 1, k: 'a' }, { _id: 2, k: 'b' }),
      { run: { insert: 'c', documents: [{ _id: 3, k: 'a' }] }, answer: { n: 0, writeErrors: [{ index: 0, ...duplicate, keyPattern: { k: 1 }, keyValue: { k: 'a' } }] } },
      update({ _id: 2 }, { $set: { k: 'a' } }, { n: 0, writeErrors: [duplicate] }),
      update({ _id: 9 }, { $set: { k: 'a' } }, { n: 0, writeErrors: [duplicate] }, { upsert: true }),
      findAndModify({ query: { _id: 2 }, update: { $set: { k: 'a' } } }, { ok: 0, code: 11000, codeName: 'DuplicateKey', keyPattern: { k: 1 }, keyValue: { k: 'a' } }),
      update({ _id: 1 }, { $set: { k: 'a', n: 1 } }, changed),
      insert({ _id: 3 }),
      { run: { insert: 'c', documents: [{ _id: 4 }] }, answer: { writeErrors: [{ ...duplicate, keyValue: { k: null } }] } },
      find({}, [{ _id: 1, k: 'a', n: 1 }, { _id: 2, k: 'b' }, { _id: 3 }])
    ]
  },
  {
    name: 'a unique index that would not hold is not made',
    page: 'core/index-unique',
    steps: [
      insert({ _id: 1, k: 1 }, { _id: 2, k: 1 }),
      { run: { createIndexes: 'c', indexes: [{ key: { k: 1 }, name: 'k_1', unique: true }] }, answer: { ok: 0, code: 11000 } },
      { run: { listIndexes: 'c' }, documents: [{ v: 2, key: { _id: 1 }, name: '_id_' }] }
    ]
  },
  {
    name: 'a compound unique index compares all fields',
    page: 'core/index-unique',
    steps: [
      index({ a: 1, 'b.c': 1 }, { unique: true }),
      insert({ _id: 1, a: 1, b: { c: 1 } }, { _id: 2, a: 1, b: { c: 2 } }, { _id: 3, a: 2, b: { c: 1 } }),
      { run: { insert: 'c', documents: [{ a: 1, b: { c: 2 } }] }, answer: { writeErrors: [{ ...duplicate, keyPattern: { a: 1, 'b.c': 1 }, keyValue: { a: 1, 'b.c': 2 } }] } }
    ]
  },
  {
    name: 'a unique index on an array has every element once',
    page: 'core/indexes/index-types/index-multikey',
    steps: [
      index({ a: 1 }, { unique: true }),
      insert({ _id: 1, a: [1, 2, 2] }),
      { run: { insert: 'c', documents: [{ _id: 2, a: [3, 2] }] }, answer: { writeErrors: [{ ...duplicate, keyValue: { a: 2 } }] } },
      insert({ _id: 3, a: 3 }),
      find({ a: 2 }, [{ _id: 1, a: [1, 2, 2] }])
    ]
  },
  {
    name: 'parallel arrays are not indexed',
    page: 'core/indexes/index-types/index-multikey',
    steps: [index({ a: 1, b: 1 }), { run: { insert: 'c', documents: [{ _id: 1, a: [1], b: [1] }] }, answer: { n: 0, writeErrors: [{ code: 171 }] } }]
  },
  {
    name: 'a sparse unique index leaves out documents without the field',
    page: 'core/index-sparse',
    needs: 'sparse indexes',
    steps: [
      index({ k: 1 }, { unique: true, sparse: true }),
      insert({ _id: 1 }, { _id: 2 }, { _id: 3, k: null }),
      { run: { insert: 'c', documents: [{ _id: 4, k: null }] }, answer: { writeErrors: [duplicate] } },
      find({ k: null }, [{ _id: 1 }, { _id: 2 }, { _id: 3, k: null }])
    ]
  },
  {
    name: 'a partial unique index holds where its filter does',
    page: 'core/index-partial',
    needs: 'partial indexes',
    steps: [
      index({ k: 1 }, { unique: true, partialFilterExpression: { k: { $type: 'string' }, live: true } }),
      insert({ _id: 1, k: 'a', live: true }, { _id: 2, k: 'a', live: false }, { _id: 3, k: 5, live: true }, { _id: 4, k: 5, live: true }),
      { run: { insert: 'c', documents: [{ _id: 5, k: 'a', live: true }] }, answer: { writeErrors: [duplicate] } },
      update({ _id: 2 }, { $set: { live: true } }, { writeErrors: [duplicate] }),
      find({ k: 'a' }, [{ _id: 1, k: 'a', live: true }, { _id: 2, k: 'a', live: false }], { sort: { _id: 1 } }),
      { run: { createIndexes: 'c', indexes: [{ key: { z: 1 }, name: 'z', partialFilterExpression: { z: { $ne: 1 } } }] }, answer: { ok: 0, code: 67 } }
    ]
  },
  {
    name: 'indexes are listed, found again, in conflict and dropped',
    page: 'reference/command/createIndexes',
    steps: [
      { run: { createIndexes: 'c', indexes: [{ key: { a: 1 }, name: 'a_1' }] }, answer: { ok: 1, numIndexesBefore: 1, numIndexesAfter: 2, createdCollectionAutomatically: true } },
      { run: { createIndexes: 'c', indexes: [{ key: { a: 1 }, name: 'a_1' }] }, answer: { ok: 1, numIndexesBefore: 2, numIndexesAfter: 2, note: 'all indexes already exist' } },
      { run: { createIndexes: 'c', indexes: [{ key: { a: 1 }, name: 'other' }] }, answer: { ok: 0, code: 85 } },
      { run: { createIndexes: 'c', indexes: [{ key: { b: 1 }, name: 'a_1' }] }, answer: { ok: 0, code: 86 } },
      { run: { createIndexes: 'c', indexes: [{ key: {}, name: 'x' }] }, answer: { ok: 0, code: 67 } },
      { run: { createIndexes: 'c', indexes: [{ key: { b: -1, a: 1 }, name: 'b', unique: true }] }, answer: { ok: 1 } },
      { run: { listIndexes: 'c' }, documents: [{ v: 2, key: { _id: 1 }, name: '_id_' }, { v: 2, key: { a: 1 }, name: 'a_1' }, { v: 2, key: { b: -1, a: 1 }, name: 'b', unique: true }] },
      { run: { dropIndexes: 'c', index: 'a_1' }, answer: { ok: 1, nIndexesWas: 3 } },
      { run: { dropIndexes: 'c', index: 'a_1' }, answer: { ok: 0, code: 27 } },
      { run: { dropIndexes: 'c', index: '_id_' }, answer: { ok: 0, code: 72 } },
      { run: { dropIndexes: 'c', index: { b: -1, a: 1 } }, answer: { ok: 1 } },
      { run: { listIndexes: 'none' }, answer: { ok: 0, code: 26, codeName: 'NamespaceNotFound' } }
    ]
  },
  {
    name: 'answers are the same with and without an index',
    page: 'core/query-plans',
    steps: [
      insert(...[5, 'x', null, [1, 9], 3, undefined, -1, 2.5, day].map((a, _id) => a === undefined ? { _id } : { _id, a })),
      index({ a: 1 }),
      ...([
        [{ a: { $gt: 2 } }, [0, 3, 4, 7]], [{ a: { $gte: 2.5, $lte: 3 } }, [3, 4, 7]], [{ a: null }, [2, 5]], [{ a: { $in: ['x', 5, null] } }, [0, 1, 2, 5]], [{ a: /^x/ }, [1]], [{ a: { $ne: 5 } }, [1, 2, 3, 4, 5, 6, 7, 8]],
        [{ a: { $exists: true } }, [0, 1, 2, 3, 4, 6, 7, 8]], [{ a: { $lt: new Date() } }, [8]], [{ a: { $gt: 5, $lt: 3 } }, [3]], [{ $or: [{ a: 5 }, { a: -1 }] }, [0, 6]], [{ a: { $not: { $gt: 2 } } }, [1, 2, 5, 6, 8]]
      ] satisfies Array<[Document, number[]]>).map(([filter, ids]) => find(filter, ids.map((_id) => ({ _id })), { projection: { _id: 1 }, sort: { _id: 1 } })),
      find({ a: { $type: 'number' } }, [6, 3, 7, 4, 0].map((_id) => ({ _id })), { projection: { _id: 1 }, sort: { a: 1 } })
    ]
  },
  {
    name: 'a TTL index expires documents whose date has passed',
    page: 'core/index-ttl',
    needs: 'TTL indexes',
    steps: [
      index({ at: 1 }, { expireAfterSeconds: 60 }),
      insert({ _id: 1, at: new Date(0) }, { _id: 2, at: new Date(4e12) }, { _id: 3, at: 'never' }, { _id: 4 }, { _id: 5, at: [new Date(0), new Date(4e12)] }, { _id: 6, at: new Date(Date.now() - 30_000) }),
      { run: 'expiry' },
      find({}, [2, 3, 4, 6].map((_id) => ({ _id })), { projection: { _id: 1 }, sort: { _id: 1 } }),
      { run: { collMod: 'c', index: { name: 'i', expireAfterSeconds: 5 } }, answer: { ok: 1, expireAfterSeconds_old: 60, expireAfterSeconds_new: 5 } },
      { run: 'expiry' },
      find({}, [2, 3, 4].map((_id) => ({ _id })), { projection: { _id: 1 }, sort: { _id: 1 } }),
      { run: { createIndexes: 'c', indexes: [{ key: { b: 1 }, name: 'b', expireAfterSeconds: -1 }] }, answer: { ok: 0, code: 67 } },
      { run: { createIndexes: 'c', indexes: [{ key: { b: 1, d: 1 }, name: 'b', expireAfterSeconds: 1 }] }, answer: { ok: 0, code: 67 } }
    ]
  }
]

const ids = (...list: number[]): Document[] => list.map((_id) => ({ _id }))

const capped: Scenario[] = [
  {
    name: 'a capped collection keeps the newest documents in natural order',
    page: 'core/capped-collections',
    needs: 'capped',
    steps: [
      { run: { create: 'c', capped: true, size: 100_000, max: 3 }, answer: { ok: 1 } },
      insert(...ids(5, 4, 3, 2, 1)),
      find({}, ids(3, 2, 1)),
      { run: { listCollections: 1, filter: { name: 'c' } }, answer: { cursor: { firstBatch: [{ name: 'c', options: { capped: true, max: 3 } }] } } },
      { run: { create: 'c', capped: true, size: 50_000 }, answer: { ok: 0, code: 48, codeName: 'NamespaceExists' } }
    ]
  },
  {
    name: '$natural sorts both ways',
    page: 'reference/operator/meta/natural',
    needs: '$natural',
    steps: [insert(...ids(2, 3, 1)), find({}, ids(2, 3, 1), { sort: { $natural: 1 } }), find({}, ids(1, 3, 2), { sort: { $natural: -1 } })]
  },
  {
    name: 'a capped collection evicts by its size in bytes',
    page: 'core/capped-collections',
    needs: 'capped',
    steps: [
      { run: { create: 'c', capped: true, size: 4096 }, answer: { ok: 1 } },
      insert({ _id: 1, fill: 'x'.repeat(1500) }),
      insert({ _id: 2, fill: 'x'.repeat(1500) }),
      insert({ _id: 3, fill: 'x'.repeat(1500) }),
      find({}, ids(2, 3), { projection: { _id: 1 } }),
      insert({ _id: 4, fill: 'x'.repeat(3500) }),
      find({}, ids(4), { projection: { _id: 1 } })
    ]
  },
  {
    name: 'capped is refused without a size',
    page: 'reference/command/create',
    needs: 'capped',
    steps: [{ run: { create: 'c', capped: true }, answer: { ok: 0, code: 72, codeName: 'InvalidOptions' } }]
  },
  {
    name: 'documents are deleted from a capped collection and may change their size',
    page: 'core/capped-collections',
    needs: 'deletes from capped collections',
    steps: [
      { run: { create: 'c', capped: true, size: 4096 } },
      insert({ _id: 1, a: 1 }, { _id: 2, a: 2 }),
      update({ _id: 2 }, { $set: { a: 'much longer than before' } }, changed),
      { run: { delete: 'c', deletes: [{ q: { _id: 1 }, limit: 1 }] }, answer: { n: 1 } },
      find({}, [{ _id: 2, a: 'much longer than before' }])
    ]
  },
  {
    name: 'a capped collection is resized',
    page: 'reference/command/collMod',
    needs: 'resizing capped collections',
    steps: [
      { run: { create: 'c', capped: true, size: 100_000 } },
      insert(...ids(1, 2, 3)),
      { run: { collMod: 'c', cappedMax: 2 }, answer: { ok: 1 } },
      insert({ _id: 4 }),
      find({}, ids(3, 4))
    ]
  },
  {
    name: 'a tailable cursor stays open at the end',
    page: 'core/tailable-cursors',
    needs: 'tailable cursors',
    steps: [
      { run: { create: 'c', capped: true, size: 100_000 } },
      { run: { find: 'c', tailable: true, awaitData: true }, documents: [], answer: { cursor: { id: 0 } } },
      insert(...ids(1, 2)),
      { run: { find: 'c', tailable: true, awaitData: true, batchSize: 1 }, documents: ids(1) },
      { run: ({ cursor }) => ({ getMore: Long.fromString(String(cursor.id)), collection: 'c', maxTimeMS: 20 }), documents: ids(2) },
      { run: ({ cursor }) => ({ getMore: Long.fromString(String(cursor.id)), collection: 'c', maxTimeMS: 20 }), documents: [] },
      { run: ({ cursor }) => ({ killCursors: 'c', cursors: [Long.fromString(String(cursor.id))] }), answer: { ok: 1 } },
      { run: { find: 'c', filter: { _id: 99 }, tailable: true }, documents: [] },
      { run: ({ cursor }) => ({ getMore: Long.fromString(String(cursor.id)), collection: 'c' }), documents: [] },
      { run: ({ cursor }) => ({ killCursors: 'c', cursors: [Long.fromString(String(cursor.id))] }), answer: { ok: 1 } }
    ]
  },
  {
    name: 'a tailable cursor needs a capped collection',
    page: 'core/tailable-cursors',
    needs: 'tailable cursors',
    steps: [insert({ _id: 1 }), { run: { find: 'c', tailable: true }, answer: { ok: 0, code: 2 } }, { run: { find: 'c', awaitData: true }, answer: { ok: 0, code: 9 } }]
  }
]

const server: Scenario[] = [
  {
    name: 'collections come and go',
    page: 'reference/command/drop',
    steps: [
      { run: { create: 'c' }, answer: { ok: 1 } },
      insert({ _id: 1 }),
      { run: { listCollections: 1, filter: { name: 'c' }, nameOnly: true }, answer: { cursor: { firstBatch: [{ name: 'c', type: 'collection' }] } } },
      { run: { renameCollection: 'c' }, answer: { ok: 0 } },
      { run: { drop: 'c' }, answer: { ok: 1, nIndexesWas: 1 } },
      { run: { drop: 'c' }, answer: { ok: 1 } },
      find({}, []),
      { run: { create: 'a$b' }, answer: { ok: 0, code: 73 } },
      { run: { create: '' }, answer: { ok: 0, code: 73 } }
    ]
  },
  {
    name: 'an unknown command',
    page: 'reference/command',
    steps: [{ run: { nonsense: 1 }, answer: { ok: 0, code: 59, codeName: 'CommandNotFound' } }]
  },
  {
    name: 'BSON values come back as they went',
    page: 'reference/bson-types',
    steps: [
      insert({ _id: 1, d: day, o: oid, b: new Binary(Buffer.from([0, 1, 255]), 128), l: Long.fromString('9007199254740993'), r: /a.b/i, n: null, e: [], x: {}, t: true, f: -0.5 }),
      find({}, [{ _id: 1, d: day, o: oid, b: new Binary(Buffer.from([0, 1, 255]), 128), l: Long.fromString('9007199254740993'), r: /a.b/i, n: null, e: [], x: {}, t: true, f: -0.5 }])
    ]
  },
  {
    name: 'Decimal128 comes back as it went',
    page: 'reference/bson-types',
    needs: 'Decimal128',
    steps: [insert({ _id: 1, m: Decimal128.fromString('1.10') }), find({}, [{ _id: 1, m: Decimal128.fromString('1.10') }])]
  },
  {
    name: 'the _id comes first and is made where it is missing',
    page: 'core/document',
    steps: [
      insert({ a: 1, _id: 1 }),
      find({}, [{ _id: 1, a: 1 }]),
      { run: { insert: 'c', documents: [{ _id: [1] }] }, answer: { n: 0, writeErrors: [{ index: 0, code: 53 }] } },
      { run: { insert: 'c', documents: [{ a: 2 }] }, answer: { n: 1 } },
      find({ _id: { $type: 'objectId' } }, [{ a: 2 }], { projection: { _id: 0 } })
    ]
  },
  {
    name: 'a document of more than 16 MB is refused',
    page: 'reference/limits',
    steps: [{ run: { insert: 'c', documents: [{ _id: 1, fill: 'x'.repeat(16 * 1024 * 1024 - 10) }] }, answer: { ok: 1, n: 0, writeErrors: [{ index: 0, code: 2 }] } }]
  }
]

/** Everything the package relies on, as a script. */
export const scenarios: Scenario[] = [...queries, ...reading, computing, ...updates, ...modifying, ...indexes, ...capped, ...server]
